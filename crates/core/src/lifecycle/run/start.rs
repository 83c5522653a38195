//! The start: values, then what runs once, then hooks, workers and listeners. What fails undoes all of it.

use super::{
    super::graph::{NodeId, NodeKind},
    AddedHook, Age, Run, Stage,
    build::{Waiter, Wish},
    command::{Arg, CancelReason, Command, EventKind, Failure, FailureCause, HookId, Op, Outcome},
    ops::{Stage as OpStage, Task, Work},
    schedule::{ItemState, Schedule, What},
};
use crate::{
    error::{Error, Result},
    timer::clock::nanos,
};

impl Run {
    /// Starts the application. Ends with [`Command::Started`], or, after a failure is undone, with [`Command::Stopped`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if it was started before: a run is one life.
    pub fn start(&mut self, now: u64) -> Result<()> {
        self.look(now);
        if self.stage != Stage::New {
            return Err(Error::conflict("start", format!("the application is {} already; start it once", self.stage.name())));
        }
        self.enter(Stage::Building);
        self.budget = self.options.start_timeout.map(|timeout| self.now.saturating_add(nanos(timeout)));
        self.set_phase_alarm(self.budget);
        self.start_left = 1;
        let plan = std::sync::Arc::clone(&self.plan);
        for &node in plan.order() {
            let is_wanted = match plan.kind(node) {
                NodeKind::Value | NodeKind::Factory | NodeKind::Resource | NodeKind::Decorator => !plan.is_transient(node),
                NodeKind::Hook | NodeKind::Worker | NodeKind::Listener => true,
                _ => false,
            };
            if is_wanted && plan.is_reached(node) && plan.depth(node) == 0 && !plan.is_replaced(node) {
                self.start_build(node);
            }
        }
        self.stage_built(false);
        Ok(())
    }

    fn start_build(&mut self, node: NodeId) {
        if self.has_failed {
            return;
        }
        match self.wish(node, 0, false) {
            Ok(Wish::Ready(_)) => {}
            Ok(Wish::Building(build)) => {
                self.start_left += 1;
                self.wait_for(build, Waiter::Stage);
            }
            Err(failure) => self.start_failed(failure),
        }
    }

    /// A build that the start waited for is there.
    pub(super) fn stage_built(&mut self, is_shadow: bool) {
        if is_shadow {
            return self.shadow_progress();
        }
        self.start_left = self.start_left.saturating_sub(1);
        if self.start_left == 0 && !self.has_failed {
            match self.stage {
                Stage::Building => {
                    self.enter(Stage::Invoking);
                    self.invoke_next();
                }
                Stage::Invoking => self.invoke_next(),
                _ => {}
            }
        }
    }

    pub(super) fn stage_failed(&mut self, is_shadow: bool, failure: &Failure) {
        if is_shadow {
            self.shadow_failed(failure.clone());
        } else {
            self.start_left = self.start_left.saturating_sub(1);
            self.start_failed(failure.clone());
        }
    }

    fn invoke_next(&mut self) {
        let plan = std::sync::Arc::clone(&self.plan);
        let is_invoke = |node: &NodeId| plan.kind(*node) == NodeKind::Invoke && !plan.is_replaced(*node);
        while let Some(node) = (self.next_invoke..plan.len()).map(NodeId::new).find(is_invoke) {
            self.next_invoke = node.index() + 1;
            self.start_left = 0;
            self.start_build(node);
            if self.start_left > 0 || self.has_failed {
                return;
            }
        }
        self.begin_starting();
    }

    fn begin_starting(&mut self) {
        self.enter(Stage::Starting);
        self.declare_hooks(false);
        self.schedule = Schedule::of(&self.plan, self.options.order, &self.hooks, &self.workers);
        let first = self.schedule.begin_start();
        self.launch_all(first);
        self.check_started();
    }

    /// Adds the hooks that are nodes of their own, behind those that constructors added.
    pub(super) fn declare_hooks(&mut self, is_shadow: bool) {
        let plan = std::sync::Arc::clone(&self.plan);
        for node in plan.nodes().filter(|&node| plan.kind(node) == NodeKind::Hook && !plan.is_replaced(node)) {
            if is_shadow && !self.is_affected(node) {
                continue;
            }
            let declared = plan.node(node);
            let hook = AddedHook {
                label: declared.label.clone(),
                source: declared.source.clone(),
                start_timeout: declared.start_timeout,
                stop_timeout: declared.stop_timeout,
            };
            let id = self.new_hook(node, hook, is_shadow);
            self.hooks[id.0 as usize].args = self.args_of(node, is_shadow);
        }
    }

    fn launch_all(&mut self, items: Vec<usize>) {
        for item in items {
            if !self.has_failed {
                self.launch(item);
            }
        }
    }

    fn launch(&mut self, item: usize) {
        let node = self.schedule.items[item].node;
        match self.schedule.items[item].what {
            What::Barrier => self.item_up(item),
            What::Hook(hook) => {
                let op = self.start_hook(hook);
                self.schedule.set(item, ItemState::Starting(Some(op)));
            }
            What::Worker(worker) => {
                self.schedule.set(item, ItemState::Starting(None));
                self.run_worker(worker);
            }
            What::Listener => {
                let op = self.begin(Task::Listen(item), node, self.construct_step(node));
                self.schedule.set(item, ItemState::Starting(Some(op)));
                let args = self.args_of(node, false);
                self.commands.push(Command::Listen { op, node, args });
            }
        }
    }

    pub(super) fn start_hook(&mut self, hook: HookId) -> Op {
        let entry = &self.hooks[hook.0 as usize];
        let (node, args) = (entry.node, entry.args.clone());
        let timeout = entry.start_timeout.or(self.options.step_timeout);
        let op = self.begin(Task::StartHook(hook), node, timeout);
        let label = self.hooks[hook.0 as usize].label.clone();
        self.tell(EventKind::HookStarting, Some(node), None, label);
        self.commands.push(Command::StartHook { op, hook, args });
        op
    }

    fn construct_step(&self, node: NodeId) -> Option<std::time::Duration> {
        self.plan.node(node).start_timeout.or(self.options.step_timeout)
    }

    pub(super) fn args_of(&self, node: NodeId, is_shadow: bool) -> Vec<Arg> {
        match &self.reload {
            Some(reload) if is_shadow => reload.args.get(&node).cloned().unwrap_or_default(),
            _ => self.args.get(&node).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn item_up(&mut self, item: usize) {
        self.schedule.set(item, ItemState::Up);
        if self.stage != Stage::Starting {
            return;
        }
        if self.has_failed {
            return self.check_undone();
        }
        let next = self.schedule.is_up(item);
        self.launch_all(next);
        self.check_started();
    }

    fn check_started(&mut self) {
        let is_up = self.schedule.is_all(ItemState::Up);
        if self.stage == Stage::Starting && is_up && !self.has_failed {
            self.budget = None;
            self.set_phase_alarm(None);
            self.enter(Stage::Running);
            self.commands.push(Command::Started);
        }
    }

    pub(super) fn hook_started(&mut self, hook: HookId, work: &Work, outcome: Outcome) {
        let is_late = work.stage == OpStage::Cancelling(CancelReason::Timeout);
        match outcome {
            Outcome::Done | Outcome::Held if is_late => self.hook_start_failed(hook, self.late(work, false), work),
            Outcome::Done | Outcome::Held => {
                let took = self.now.saturating_sub(work.started);
                let entry = &mut self.hooks[hook.0 as usize];
                entry.took = Some(took);
                let (label, age) = (entry.label.clone(), entry.age);
                self.tell(EventKind::HookStarted, Some(work.node), Some(took), label);
                match self.schedule.find(What::Hook(hook)) {
                    Some(item) if age == Age::Current => self.item_up(item),
                    _ => self.shadow_hook_started(hook),
                }
            }
            Outcome::Failed(error) | Outcome::Fatal(error) => self.hook_start_failed(hook, self.failed(work, error), work),
            Outcome::Cancelled => self.hook_start_failed(hook, self.cancelled(work), work),
        }
    }

    pub(super) fn hook_start_failed(&mut self, hook: HookId, failure: Failure, work: &Work) {
        self.tell(EventKind::HookFailed, Some(failure.node), None, failure.message.clone());
        match self.schedule.find(What::Hook(hook)) {
            Some(item) if self.hooks[hook.0 as usize].age == Age::Current => self.item_failed(item, failure, work),
            _ => self.shadow_failed(failure),
        }
    }

    pub(super) fn listening(&mut self, item: usize, work: &Work, outcome: Outcome) {
        match outcome {
            Outcome::Done | Outcome::Held => {
                self.tell(EventKind::Listening, Some(work.node), None, "");
                self.item_up(item);
            }
            Outcome::Failed(error) | Outcome::Fatal(error) => self.listen_failed(item, self.failed(work, error), work),
            Outcome::Cancelled => self.listen_failed(item, self.cancelled(work), work),
        }
    }

    pub(super) fn listen_failed(&mut self, item: usize, failure: Failure, work: &Work) {
        self.item_failed(item, failure, work);
    }

    pub(super) fn item_failed(&mut self, item: usize, failure: Failure, work: &Work) {
        self.schedule.set(item, ItemState::Done);
        // What was cancelled for another's sake is not a cause of its own.
        if matches!(work.stage, OpStage::Cancelling(CancelReason::Sibling | CancelReason::Shutdown)) {
            self.check_undone();
        } else {
            self.start_failed(failure);
        }
    }

    /// Cancels what is under way, waits for it, and undoes what is up.
    pub(super) fn start_failed(&mut self, failure: Failure) {
        if !self.has_failed {
            self.code = 1;
        }
        self.failed_at = self.failed_at.or(Some(failure.node));
        self.failures.push(failure);
        self.undo(CancelReason::Sibling);
    }

    /// Undoes a start that is under way.
    pub(super) fn undo(&mut self, reason: CancelReason) {
        if std::mem::replace(&mut self.has_failed, true) {
            return self.check_undone();
        }
        self.leave_builds(false, reason);
        for index in 0..self.schedule.items.len() {
            match self.schedule.items[index].state {
                ItemState::Starting(Some(op)) => self.cancel(op, reason),
                // A worker that has not said that it is ready is stopped with the others.
                ItemState::Starting(None) => self.schedule.set(index, ItemState::Up),
                _ => {}
            }
        }
        self.check_undone();
    }

    pub(super) fn check_undone(&mut self) {
        let is_under_way = |item: &super::schedule::Item| matches!(item.state, ItemState::Starting(_));
        if !self.stage.is_starting() || self.schedule.items.iter().any(is_under_way) || self.is_constructing() {
            return;
        }
        self.tell(EventKind::RollingBack, None, None, "");
        self.begin_stopping();
    }

    fn is_constructing(&self) -> bool {
        self.frames[0].builds > 0 && matches!(self.stage, Stage::Building | Stage::Invoking)
    }

    pub(super) fn phase_due(&mut self, phase: u32) {
        if phase != self.phase {
            return;
        }
        match self.stage {
            Stage::Building | Stage::Invoking | Stage::Starting => {
                let message = format!(
                    "the start did not end in {}",
                    super::failure::seconds(nanos(self.options.start_timeout.unwrap_or_default()))
                );
                let node = self.ops.all().first().and_then(|&op| self.ops.get(op)).map_or(NodeId::new(0), |work| work.node);
                self.start_failed(Failure { node, cause: FailureCause::TimedOut, message });
            }
            Stage::PreStop => self.begin_stopping(),
            _ => {}
        }
    }

    // Hooks, workers and listeners are given values, and give none.

    /// Keeps what was gathered.
    pub(super) fn gathered(&mut self, node: NodeId, is_shadow: bool, args: Vec<Arg>) {
        match &mut self.reload {
            Some(reload) if is_shadow => reload.args.insert(node, args),
            _ => self.args.insert(node, args),
        };
    }
}

/// Whether a node only takes values.
pub(super) fn is_gathered(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Hook | NodeKind::Worker | NodeKind::Listener)
}
