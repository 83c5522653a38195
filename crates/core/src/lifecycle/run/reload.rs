//! Hot swap: a new value, and all that holds the old one, is made and started beside it; then all of it is swapped in one step.
//!
//! ```text
//! building -> invoking -> hooks -> swapped -> old users leave -> old hooks stop -> old values are taken back
//!     \__________\___________\---failure--> new hooks stop -> new values are taken back
//! ```
//!
//! Handlers and shorter scopes look values up when they begin: nothing of theirs is rebuilt. Workers are run again with the new values.

use std::collections::{HashMap, VecDeque};

use super::{
    super::graph::{NodeId, NodeKind},
    super::replace::Pinned,
    Age, Run, Stage,
    build::{Waiter, Wish},
    command::{Arg, CancelReason, CloseCause, Command, EventKind, Failure, FailureCause, HookId, Instance, Outcome},
    frame::{Exit, SlotState},
    ops::{Task, Work},
    schedule::{ItemState, Schedule},
    supervise::WorkerState,
};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) struct Reload {
    generation: u64,
    is_affected: Vec<bool>,
    pub(super) slots: HashMap<NodeId, SlotState>,
    pub(super) args: HashMap<NodeId, Vec<Arg>>,
    pub(super) built: Vec<Exit>,
    step: Step,
    left: usize,
    invokes: VecDeque<NodeId>,
    hooks: VecDeque<HookId>,
    started: Vec<HookId>,
    has_declared: bool,
    failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Building,
    Invoking,
    Hooks,
    /// Somebody is making a value out of an old one.
    Waiting,
}

/// What was replaced, or never used, on its way out.
#[derive(Debug)]
pub(super) struct Retirement {
    hooks: Vec<HookId>,
    exits: Vec<Exit>,
    cause: CloseCause,
    /// Users that the host counts, and workers that end to run again.
    users: usize,
    /// Scopes that were open, each one of the users.
    frames: Vec<usize>,
    is_busy: bool,
    stopping: Option<HookId>,
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

    fn shadow_build(&mut self, node: NodeId) {
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

    /// What is made of old values meanwhile must have its new one too, or it would outlive what it is made of.
    fn swap_unless_behind(&mut self) {
        if self.is_old_one_building() {
            if let Some(reload) = &mut self.reload {
                reload.step = Step::Waiting;
            }
            return;
        }
        let late = self.made_meanwhile();
        if late.is_empty() {
            return self.swap();
        }
        if let Some(reload) = &mut self.reload {
            (reload.step, reload.left) = (Step::Building, 1);
        }
        for node in late {
            self.shadow_build(node);
        }
        self.shadow_progress();
    }

    fn is_old_one_building(&self) -> bool {
        self.builds.iter().flatten().any(|build| build.frame == 0 && !build.is_shadow && self.is_affected(build.node))
    }

    fn made_meanwhile(&self) -> Vec<NodeId> {
        let Some(reload) = &self.reload else { return Vec::new() };
        let is_late = |node: &NodeId| {
            let is_there = matches!(self.frames[0].slot_state(*node), Some(SlotState::Ready(_)));
            is_there && reload.is_affected[node.index()] && !reload.slots.contains_key(node)
        };
        self.plan.order().iter().copied().filter(is_late).collect()
    }

    /// Something has been made, or has failed, that a swap may wait for.
    pub(super) fn old_one_built(&mut self) {
        if self.reload.as_ref().is_some_and(|reload| reload.step == Step::Waiting && reload.failure.is_none()) {
            self.swap_unless_behind();
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

    fn swap(&mut self) {
        let Some(reload) = self.reload.take() else { return };
        let Reload { generation, is_affected, slots, args, built, started, .. } = reload;
        let mut values: Vec<(NodeId, Instance)> = slots
            .iter()
            .filter_map(|(&node, &state)| if let SlotState::Ready(instance) = state { Some((node, instance)) } else { None })
            .collect();
        values.sort_unstable();
        for (&node, &state) in &slots {
            self.frames[0].put(node, state);
        }
        let is_old = |exit: &Exit| is_affected[exit.node.index()] || exit.holder.is_some_and(|holder| is_affected[holder.index()]);
        let (old, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.frames[0].exits).into_iter().partition(is_old);
        self.frames[0].exits = kept;
        self.frames[0].exits.extend(built);
        let mut hooks = Vec::new();
        for (index, hook) in self.hooks.iter_mut().enumerate() {
            let id = HookId(index as u32);
            match hook.age {
                Age::Next if started.contains(&id) => hook.age = Age::Current,
                Age::Current if is_affected[hook.node.index()] => {
                    hook.age = Age::Old;
                    hooks.push(id);
                }
                _ => {}
            }
        }
        self.reschedule();
        self.args.extend(args);
        self.commands.push(Command::Swap { values });
        self.tell(EventKind::Swapped, None, None, "");
        self.commands.push(Command::Reloaded { generation, failure: None });
        let frames: Vec<_> = (1..self.frames.len()).filter(|&frame| !self.frames[frame].is_closed()).collect();
        let users = self.renew_workers(&is_affected) + frames.len() + 1;
        self.begin_retirement(Retirement {
            hooks,
            exits: old,
            cause: CloseCause::Superseded,
            users,
            frames,
            is_busy: false,
            stopping: None,
        });
        self.reload_again();
    }

    /// All that is up stays up, among what took another's place.
    fn reschedule(&mut self) {
        self.schedule = Schedule::of(&self.plan, self.options.order, &self.hooks, &self.workers);
        (0..self.schedule.items.len()).for_each(|item| self.schedule.set(item, ItemState::Up));
    }

    /// Has workers that hold what was replaced run again, and returns how many must end first.
    fn renew_workers(&mut self, is_affected: &[bool]) -> usize {
        let retirement = self.retirements.len();
        let mut ending = 0;
        for worker in 0..self.workers.len() {
            let is_running = matches!(self.workers[worker].state, WorkerState::Running(_));
            if is_running && is_affected[self.workers[worker].node.index()] {
                self.workers[worker].renewed_for = Some(retirement);
                self.stop_worker(worker);
                ending += 1;
            }
        }
        ending
    }

    fn reload_again(&mut self) {
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
        self.begin_retirement(Retirement {
            hooks: started,
            exits: built,
            cause: CloseCause::Unwanted,
            users: 0,
            frames: Vec::new(),
            is_busy: false,
            stopping: None,
        });
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

    // What was replaced.

    fn begin_retirement(&mut self, retirement: Retirement) {
        let index = self.retirements.len();
        let is_in_use = retirement.users > 0;
        let node = retirement.exits.last().map_or(NodeId::new(0), |exit| exit.node);
        self.retirements.push(Some(retirement));
        if is_in_use {
            let op = self.begin(Task::AwaitUsers(index), node, self.options.retire_timeout);
            self.commands.push(Command::AwaitUsers { op });
        } else {
            self.retirement_progress(index);
        }
    }

    /// One of those who use what was replaced has left.
    pub(super) fn user_left(&mut self, index: usize) {
        if let Some(Some(retirement)) = self.retirements.get_mut(index) {
            retirement.users = retirement.users.saturating_sub(1);
        }
        self.retirement_progress(index);
    }

    /// The host has no more users, or has waited for them long enough.
    pub(super) fn users_left(&mut self, index: usize, outcome: Outcome) {
        if let (Some(Some(retirement)), false) = (self.retirements.get_mut(index), outcome == Outcome::Done) {
            retirement.users = 1;
            retirement.frames.clear();
        }
        self.user_left(index);
    }

    /// A scope is closed that may have used what was replaced.
    pub(super) fn frame_left(&mut self, frame: usize) {
        for index in 0..self.retirements.len() {
            let Some(Some(retirement)) = self.retirements.get_mut(index) else { continue };
            let before = retirement.frames.len();
            retirement.frames.retain(|&other| other != frame);
            if retirement.frames.len() < before {
                self.user_left(index);
            }
        }
    }

    fn retirement_progress(&mut self, index: usize) {
        let Some(Some(retirement)) = self.retirements.get_mut(index) else { return };
        if retirement.users > 0 || retirement.is_busy {
            return;
        }
        if let Some(hook) = retirement.hooks.pop() {
            (retirement.is_busy, retirement.stopping) = (true, Some(hook));
            return self.stop_hook(hook);
        }
        let cause = retirement.cause;
        while let Some(Some(retirement)) = self.retirements.get_mut(index) {
            match retirement.exits.pop() {
                Some(exit) if exit.is_held => {
                    retirement.is_busy = true;
                    return self.finalize(Task::Retire(index), exit, cause);
                }
                Some(exit) => self.commands.push(Command::Forget { instances: vec![exit.instance] }),
                None => {
                    self.retirements[index] = None;
                    if self.retirements.iter().all(Option::is_none) {
                        self.retirements.clear();
                    }
                    return self.check_down();
                }
            }
        }
    }

    /// A step of a retirement has ended, well or not.
    fn retirement_step(&mut self, index: usize) {
        if let Some(Some(retirement)) = self.retirements.get_mut(index) {
            (retirement.is_busy, retirement.stopping) = (false, None);
        }
        self.retirement_progress(index);
    }

    pub(super) fn retired(&mut self, index: usize, work: &Work, outcome: Outcome) {
        self.tell_finalized(work, outcome);
        self.retirement_step(index);
    }

    pub(super) fn retire_failed(&mut self, index: usize, failure: &Failure) {
        self.tell(EventKind::FinalizeFailed, Some(failure.node), None, failure.message.clone());
        self.retirement_step(index);
    }

    pub(super) fn old_hook_stopped(&mut self, hook: HookId) {
        let is_its =
            |retirement: &Option<Retirement>| retirement.as_ref().is_some_and(|retirement| retirement.stopping == Some(hook));
        if let Some(index) = self.retirements.iter().position(is_its) {
            self.retirement_step(index);
        }
    }

    /// Has everything that was replaced go now, and returns whether all of it has.
    pub(super) fn finish_retirements(&mut self) -> bool {
        if !self.retirements.is_empty() {
            self.close_inner_frames();
        }
        let is_awaited = |work: Option<&Work>| matches!(work, Some(Work { task: Task::AwaitUsers(_), .. }));
        for op in self.ops.all().into_iter().filter(|&op| is_awaited(self.ops.get(op))).collect::<Vec<_>>() {
            if let Some(Work { task: Task::AwaitUsers(index), .. }) = self.ops.end(op) {
                self.commands.push(Command::Abandon { op });
                self.user_left(index);
            }
        }
        self.retirements.is_empty() && self.reload.is_none()
    }

    /// Returns whether nothing of an earlier generation is left.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.reload.is_none() && self.retirements.is_empty()
    }
}
