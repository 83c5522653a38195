//! Hot swap: a new value, and all that holds the old one, is made and started beside it; then all of it is swapped in one step.
//!
//! ```text
//! building -> invoking -> hooks -> swapped -> old users leave -> old hooks stop -> old values are taken back
//!     \__________\___________\---failure--> new hooks stop -> new values are taken back
//! ```
//!
//! What makes the new values is here; `swap.rs` puts them in the place of the old ones, and `retire.rs` sees these out.
//!
//! Handlers and shorter scopes look values up when they begin: nothing of theirs is rebuilt. Workers are run again with the new values.

use std::collections::{HashMap, VecDeque};

use super::{
    super::graph::{NodeId, NodeKind},
    super::replace::Pinned,
    Age, Run, Stage,
    build::{Waiter, Wish},
    command::{Arg, CancelReason, Command, EventKind, Failure, FailureCause, HookId},
    frame::{Exit, SlotState},
    ops::Task,
    retire::Retirement,
};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Reload {
    pub(super) generation: u64,
    pub(super) is_affected: Vec<bool>,
    pub(super) slots: HashMap<NodeId, SlotState>,
    pub(super) args: HashMap<NodeId, Vec<Arg>>,
    pub(super) built: Vec<Exit>,
    pub(super) step: Step,
    /// Builds that this step waits for, and one more until all of them are asked for.
    pub(super) left: usize,
    invokes: VecDeque<NodeId>,
    hooks: VecDeque<HookId>,
    pub(super) started: Vec<HookId>,
    has_declared: bool,
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Building,
    Invoking,
    Hooks,
    /// Somebody is making a value out of an old one.
    Waiting,
}

impl Run {
    /// Makes new values of these nodes, and of all that holds them, and swaps them in. Ends with [`Command::Reloaded`] with the number
    /// that this returns, or a later one: what is asked for during a reload is done together after it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) unless the application is up, or if a listener holds one of the values; the way to it is named.
    pub fn reload(&mut self, now: u64, nodes: &[NodeId]) -> Result<u64> {
        self.look(now);
        if self.stage != Stage::Running {
            return Err(Error::conflict("reload", format!("the application is {}; reload it while it runs", self.stage.name())));
        }
        let nodes: Vec<_> = nodes.iter().map(|&node| self.plan.behind(node)).collect();
        let is_affected = self.plan.with_holders(&nodes);
        self.check_reload(&nodes, &is_affected)?;
        if self.reload.is_some() {
            self.reload_next.extend(nodes);
            return Ok(self.generation + 1);
        }
        self.generation += 1;
        self.begin_reload(is_affected);
        Ok(self.generation)
    }

    fn check_reload(&self, nodes: &[NodeId], is_affected: &[bool]) -> Result<()> {
        let plan = &self.plan;
        let message = match plan.pinned(nodes, is_affected) {
            None => return Ok(()),
            Some(Pinned::NotMade(node)) => {
                format!("`{}` is not made by the application's scope, so it cannot be made anew", plan.label(node))
            }
            Some(Pinned::Held(way)) => {
                let steps: Vec<_> = way.iter().map(|&node| plan.step(node).to_string()).collect();
                let listener = plan.label(way[0]);
                format!("listener `{listener}` holds it and cannot be replaced: {}; have it ask lazily", steps.join(" -> "))
            }
        };
        Err(Error::conflict("reload", message))
    }

    fn begin_reload(&mut self, is_affected: Vec<bool>) {
        self.tell(EventKind::Reloading, None, None, "");
        let plan = std::sync::Arc::clone(&self.plan);
        let is_live = |node: &NodeId| is_affected[node.index()] && plan.depth(*node) == 0 && !plan.is_replaced(*node);
        let (invokes, others): (Vec<_>, Vec<_>) =
            plan.order().iter().copied().filter(is_live).partition(|&node| plan.kind(node) == NodeKind::Invoke);
        let is_remade = |node: &NodeId| match plan.kind(*node) {
            NodeKind::Hook | NodeKind::Worker => true,
            _ => !plan.is_transient(*node) && matches!(self.frames[0].slot_state(*node), Some(SlotState::Ready(_))),
        };
        let remade: Vec<_> = others.into_iter().filter(is_remade).collect();
        self.reload = Some(Reload {
            generation: self.generation,
            is_affected,
            slots: HashMap::new(),
            args: HashMap::new(),
            built: Vec::new(),
            step: Step::Building,
            left: 1,
            invokes: invokes.into(),
            hooks: VecDeque::new(),
            started: Vec::new(),
            has_declared: false,
            failure: None,
        });
        for node in remade {
            self.shadow_build(node);
        }
        self.shadow_progress();
    }

    pub(super) fn shadow_build(&mut self, node: NodeId) {
        match self.wish(node, 0, true) {
            Ok(Wish::Ready(_)) => {}
            Ok(Wish::Building(build)) => {
                if let Some(reload) = &mut self.reload {
                    reload.left += 1;
                }
                self.wait_for(build, Waiter::Stage);
            }
            Err(failure) => self.shadow_failed(failure),
        }
    }

    /// Where the shadow's values are kept, if this is one.
    pub(super) fn shadow_slots(&self, frame: usize, node: NodeId, is_shadow: bool) -> Option<&HashMap<NodeId, SlotState>> {
        let reload = self.reload.as_ref().filter(|reload| is_shadow && frame == 0 && reload.is_affected[node.index()])?;
        Some(&reload.slots)
    }

    pub(super) fn is_affected(&self, node: NodeId) -> bool {
        self.reload.as_ref().is_some_and(|reload| reload.is_affected[node.index()])
    }

    /// Keeps what a shadow has made, and returns whether there is one.
    pub(super) fn shadow_built(&mut self, exit: Exit) {
        match &mut self.reload {
            Some(reload) => reload.built.push(exit),
            None => self.frames[0].exits.push(exit),
        }
    }

    pub(super) fn shadow_progress(&mut self) {
        let Some(reload) = &mut self.reload else { return };
        reload.left = reload.left.saturating_sub(1);
        if reload.failure.is_some() {
            return self.discard_if_quiet();
        }
        if reload.left > 0 {
            return;
        }
        match reload.step {
            Step::Building | Step::Invoking => match reload.invokes.pop_front() {
                Some(invoke) => {
                    reload.step = Step::Invoking;
                    self.shadow_build(invoke);
                    if self.reload.as_ref().is_some_and(|reload| reload.left == 0) {
                        self.shadow_progress();
                    }
                }
                None => self.begin_shadow_hooks(),
            },
            Step::Hooks | Step::Waiting => {}
        }
    }

    fn begin_shadow_hooks(&mut self) {
        if self.reload.as_mut().is_some_and(|reload| !std::mem::replace(&mut reload.has_declared, true)) {
            self.declare_hooks(true);
        }
        let started = self.reload.as_ref().map(|reload| reload.started.clone()).unwrap_or_default();
        let is_next = |hook: &usize| self.hooks[*hook].age == Age::Next && !started.contains(&HookId(*hook as u32));
        let mut hooks: Vec<_> = (0..self.hooks.len()).filter(is_next).collect();
        hooks.sort_by_key(|&hook| (self.plan.level(self.hooks[hook].node), hook));
        if let Some(reload) = &mut self.reload {
            reload.step = Step::Hooks;
            reload.hooks = hooks.into_iter().map(|hook| HookId(hook as u32)).collect();
        }
        self.next_shadow_hook();
    }

    fn next_shadow_hook(&mut self) {
        let Some(reload) = &mut self.reload else { return };
        match reload.hooks.pop_front() {
            Some(hook) => {
                self.start_hook(hook);
            }
            None => self.swap_unless_behind(),
        }
    }

    pub(super) fn shadow_hook_started(&mut self, hook: HookId) {
        let Some(reload) = &mut self.reload else { return };
        reload.started.push(hook);
        if reload.failure.is_some() { self.discard_if_quiet() } else { self.next_shadow_hook() }
    }

    pub(super) fn reload_again(&mut self) {
        if self.reload_next.is_empty() || self.stage != Stage::Running {
            return;
        }
        let nodes = std::mem::take(&mut self.reload_next);
        self.generation += 1;
        let is_affected = self.plan.with_holders(&nodes);
        self.begin_reload(is_affected);
    }

    /// Keeps the old values and takes the new ones back.
    pub(super) fn shadow_failed(&mut self, failure: Failure) {
        let Some(reload) = &mut self.reload else { return };
        if reload.failure.is_none() {
            reload.failure = Some(failure);
            self.leave_builds(true, CancelReason::Sibling);
            let is_shadow_hook = |task: Task| matches!(task, Task::StartHook(hook) if self.hooks[hook.0 as usize].age == Age::Next);
            let ops: Vec<_> =
                self.ops.all().into_iter().filter(|&op| self.ops.get(op).is_some_and(|work| is_shadow_hook(work.task))).collect();
            for op in ops {
                self.cancel(op, CancelReason::Sibling);
            }
        }
        self.discard_if_quiet();
    }

    /// Ends a reload that failed, once nothing of it is under way.
    pub(super) fn discard_if_quiet(&mut self) {
        let is_building = self.builds.iter().flatten().any(|build| build.is_shadow);
        let is_starting = self.ops.all().iter().any(|&op| {
            matches!(self.ops.get(op).map(|work| work.task), Some(Task::StartHook(hook)) if self.hooks[hook.0 as usize].age == Age::Next)
        });
        if is_building || is_starting || self.reload.as_ref().is_none_or(|reload| reload.failure.is_none()) {
            return;
        }
        let Some(Reload { generation, built, started, failure, .. }) = self.reload.take() else { return };
        self.hooks.iter_mut().filter(|hook| hook.age == Age::Next).for_each(|hook| hook.age = Age::Old);
        let detail = failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
        self.tell(EventKind::ReloadFailed, failure.as_ref().map(|failure| failure.node), None, detail);
        self.commands.push(Command::Reloaded { generation, failure });
        self.begin_retirement(Retirement::of_unused(started, built));
        self.reload_again();
    }

    /// Gives up a reload because everything stops.
    pub(super) fn drop_reload(&mut self) {
        if !std::mem::take(&mut self.reload_next).is_empty() {
            let failure = self.reload_refused();
            self.commands.push(Command::Reloaded { generation: self.generation + 1, failure: Some(failure) });
        }
        if self.reload.is_some() {
            let failure = self.reload_refused();
            self.shadow_failed(failure);
        }
    }

    fn reload_refused(&self) -> Failure {
        Failure { node: NodeId::new(0), cause: FailureCause::Closed, message: "the application stops: nothing is reloaded".into() }
    }

    /// Returns whether nothing of an earlier generation is left.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.reload.is_none() && self.retirements.is_empty()
    }
}
