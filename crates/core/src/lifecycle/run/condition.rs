//! What a node is doing, for the picture.

use super::{
    super::graph::{NodeId, NodeKind},
    Age, Run,
    frame::SlotState,
    schedule::{Item, ItemState, What},
};

impl Run {
    /// Its state, if it has one yet; how long it took; more to be read.
    pub(crate) fn condition(&self, node: NodeId) -> (Option<&'static str>, Option<u64>, String) {
        match self.plan.kind(node) {
            NodeKind::Worker => self.worker_condition(node),
            NodeKind::Hook => self.hook_condition(node),
            NodeKind::Listener => (self.item_state(|item| item.what == What::Listener && item.node == node), None, String::new()),
            NodeKind::Handler => (self.is_ready().then_some("serving"), None, String::new()),
            _ => self.value_condition(node),
        }
    }

    fn value_condition(&self, node: NodeId) -> (Option<&'static str>, Option<u64>, String) {
        let state = match self.frames[0].slot_state(self.plan.behind(node)) {
            Some(SlotState::Ready(_)) => Some("ready"),
            Some(SlotState::Building(_)) => Some("building"),
            None if self.failed_at == Some(node) => Some("failed"),
            None if self.took.contains_key(&node) && self.stage().is_stopping() => Some("closed"),
            None => None,
        };
        (state, self.took.get(&node).copied(), self.added_hooks(node))
    }

    fn added_hooks(&self, node: NodeId) -> String {
        let hooks = self.hooks.iter().filter(|hook| hook.node == node && hook.age == Age::Current);
        let hooks: Vec<_> = hooks.map(|hook| format!("hook {}", hook.label)).collect();
        hooks.join(", ")
    }

    fn hook_condition(&self, node: NodeId) -> (Option<&'static str>, Option<u64>, String) {
        let hook = self.hooks.iter().position(|hook| hook.node == node && hook.age == Age::Current);
        let Some(hook) = hook else { return (None, None, String::new()) };
        let state = self.item_state(|item| matches!(item.what, What::Hook(id) if id.0 as usize == hook));
        (state, self.hooks[hook].took, String::new())
    }

    fn worker_condition(&self, node: NodeId) -> (Option<&'static str>, Option<u64>, String) {
        let Some(worker) = self.workers.iter().find(|worker| worker.node == node) else { return (None, None, String::new()) };
        let detail = match (worker.attempts, worker.restarts) {
            (0, _) => String::new(),
            (attempts, restarts) => format!("attempt {attempts}, {restarts} restarts"),
        };
        (Some(worker.state.name()), None, detail)
    }

    fn item_state(&self, is_it: impl Fn(&Item) -> bool) -> Option<&'static str> {
        let item = self.schedule.items.iter().find(|item| is_it(item))?;
        Some(match item.state {
            ItemState::Down => "down",
            ItemState::Starting(_) => "starting",
            ItemState::Up => "up",
            ItemState::Stopping(_) => "stopping",
            ItemState::Done if self.failed_at == Some(item.node) => "failed",
            ItemState::Done => "stopped",
        })
    }
}
