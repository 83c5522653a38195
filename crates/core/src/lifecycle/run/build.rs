//! Making values: one construction for each node and frame, however many wait for it.
//!
//! A build waits for the builds of what it needs, then for its constructor. Who waits for it is either another build, a ticket of
//! the host's (`request.rs`), or the start. With the last of them gone it is cancelled (`forsake.rs`).

use super::{
    super::{
        graph::{NodeId, NodeKind},
        plan::Dep,
    },
    Run,
    command::{Arg, CancelReason, CloseCause, Command, EventKind, Failure, Instance, Op, Outcome, Ticket},
    frame::{Exit, SlotState},
    ops::{Stage as OpStage, Task, Work},
    start::is_gathered,
};

#[derive(Debug)]
pub(super) struct Build {
    pub(super) node: NodeId,
    pub(super) frame: usize,
    pub(super) is_shadow: bool,
    pub(super) stage: BuildStage,
    args: Vec<Arg>,
    /// Builds that this one waits for, and the argument that each gives.
    pub(super) holds: Vec<(usize, usize)>,
    pub(super) waiters: Vec<Waiter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BuildStage {
    Waiting,
    Constructing(Op, Instance),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    Build(usize),
    Ticket(Ticket),
    /// The start, or a reload.
    Stage,
}

/// What a wish for a value leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Ready(Arg),
    Building(usize),
}

impl Run {
    pub(super) fn build(&self, build: usize) -> Option<&Build> {
        self.builds.get(build)?.as_ref()
    }

    pub(super) fn build_mut(&mut self, build: usize) -> Option<&mut Build> {
        self.builds.get_mut(build)?.as_mut()
    }

    pub(super) fn constructing(&self, op: Op) -> Option<usize> {
        match self.ops.get(op)?.task {
            Task::Construct(build) => Some(build),
            _ => None,
        }
    }

    /// Finds a value or has it built, without waiting for it.
    pub(super) fn wish(&mut self, node: NodeId, frame: usize, is_shadow: bool) -> Result<Wish, Failure> {
        let node = self.plan.behind(node);
        let home = if self.plan.is_transient(node) { frame } else { self.home(frame, self.plan.depth(node)) };
        if !self.plan.is_transient(node) {
            match self.slot(home, node, is_shadow) {
                Some(SlotState::Ready(instance)) => return Ok(Wish::Ready(Arg::Value(instance))),
                Some(SlotState::Building(build)) => return Ok(Wish::Building(build)),
                None => {}
            }
        }
        if !self.frames[home].is_open() {
            return Err(self.closed(node));
        }
        if self.plan.kind(node) == NodeKind::Context {
            return Err(self.not_given(node));
        }
        let build = self.new_build(node, home, is_shadow)?;
        // What only takes values has them at once, if all of them are there.
        Ok(if self.build(build).is_some() { Wish::Building(build) } else { Wish::Ready(Arg::Absent) })
    }

    fn new_build(&mut self, node: NodeId, frame: usize, is_shadow: bool) -> Result<usize, Failure> {
        let deps = self.plan.deps(node).to_vec();
        let is_soft = self.plan.facts[node.index()].is_soft;
        let entry = Build {
            node,
            frame,
            is_shadow,
            stage: BuildStage::Waiting,
            args: vec![Arg::Absent; deps.len()],
            holds: Vec::new(),
            waiters: Vec::new(),
        };
        let build = self.free_builds.pop().unwrap_or_else(|| {
            self.builds.push(None);
            self.builds.len() - 1
        });
        self.builds[build] = Some(entry);
        self.frames[frame].builds += 1;
        if !self.plan.is_transient(node) {
            self.set_slot(frame, node, is_shadow, Some(SlotState::Building(build)));
        }
        for (place, dep) in deps.into_iter().enumerate() {
            let wish = match dep {
                Dep::Absent => continue,
                Dep::Lazy(target) => Ok(Wish::Ready(Arg::Lazy(target))),
                Dep::Node(target) if is_soft && !self.is_there(target, frame) => continue,
                Dep::Node(target) => self.wish(target, frame, is_shadow),
            };
            match wish {
                Ok(Wish::Ready(arg)) => self.set_arg(build, place, arg),
                Ok(Wish::Building(other)) => {
                    self.wait_for(other, Waiter::Build(build));
                    self.hold(build, other, place);
                }
                Err(failure) => {
                    self.remove_build(build);
                    return Err(failure);
                }
            }
        }
        self.construct_if_complete(build);
        Ok(build)
    }

    fn is_there(&self, node: NodeId, frame: usize) -> bool {
        let node = self.plan.behind(node);
        matches!(self.slot(self.home(frame, self.plan.depth(node)), node, false), Some(SlotState::Ready(_)))
    }

    fn set_arg(&mut self, build: usize, place: usize, arg: Arg) {
        if let Some(build) = self.build_mut(build) {
            build.args[place] = arg;
        }
    }

    fn hold(&mut self, build: usize, other: usize, place: usize) {
        if let Some(build) = self.build_mut(build) {
            build.holds.push((other, place));
        }
    }

    pub(super) fn wait_for(&mut self, build: usize, waiter: Waiter) {
        if let Some(build) = self.build_mut(build) {
            build.waiters.push(waiter);
        }
    }

    fn construct_if_complete(&mut self, build: usize) {
        let Some(entry) = self.build(build) else { return };
        if !entry.holds.is_empty() || entry.stage != BuildStage::Waiting {
            return;
        }
        let (node, frame, args, is_shadow) = (entry.node, entry.frame, entry.args.clone(), entry.is_shadow);
        let kind = self.plan.kind(node);
        if is_gathered(kind) {
            self.gathered(node, is_shadow, args);
            return self.finish_gathering(build);
        }
        let instance = self.new_instance();
        let op = self.begin(Task::Construct(build), node, self.construct_timeout(node));
        if let Some(entry) = self.build_mut(build) {
            entry.stage = BuildStage::Constructing(op, instance);
        }
        if is_told(kind) {
            self.tell(EventKind::Constructing, Some(node), None, "");
        }
        let is_soft = self.plan.facts[node.index()].is_soft;
        let args = if is_soft { args.into_iter().filter(|arg| *arg != Arg::Absent).collect() } else { args };
        let frame = self.frames[frame].name(frame);
        self.commands.push(Command::Construct { op, node, instance, frame, args });
    }

    fn construct_timeout(&self, node: NodeId) -> Option<std::time::Duration> {
        self.plan.node(node).start_timeout.or(self.options.step_timeout)
    }

    pub(super) fn constructed(&mut self, build: usize, work: &Work, outcome: Outcome) {
        let is_unwanted = self.build(build).is_none_or(|build| build.waiters.is_empty());
        let is_late = matches!(work.stage, OpStage::Cancelling(CancelReason::Timeout));
        match outcome {
            Outcome::Done | Outcome::Held if is_unwanted || is_late => {
                self.take_back(build, work, outcome == Outcome::Held);
                self.construct_failed(build, self.late(work, false));
            }
            Outcome::Done | Outcome::Held => self.built(build, work, outcome == Outcome::Held),
            // Somebody asked again while it was being cancelled.
            Outcome::Cancelled if !is_unwanted && work.stage == OpStage::Cancelling(CancelReason::Unwanted) => {
                if let Some(entry) = self.build_mut(build) {
                    entry.stage = BuildStage::Waiting;
                }
                self.construct_if_complete(build);
            }
            Outcome::Cancelled => self.construct_failed(build, self.cancelled(work)),
            Outcome::Failed(error) | Outcome::Fatal(error) => self.construct_failed(build, self.failed(work, error)),
        }
        self.one_less();
    }

    /// Something ended that the undoing of a start or of a reload may wait for.
    fn one_less(&mut self) {
        if self.has_failed {
            self.check_undone();
        }
        self.discard_if_quiet();
        self.old_one_built();
    }

    fn built(&mut self, build: usize, work: &Work, is_held: bool) {
        let Some(Build { node, frame, is_shadow, stage: BuildStage::Constructing(_, instance), waiters, .. }) =
            self.end_build(build)
        else {
            return;
        };
        if !self.plan.is_transient(node) {
            self.set_slot(frame, node, is_shadow, Some(SlotState::Ready(instance)));
        }
        let holder = waiters.iter().find_map(|waiter| match waiter {
            Waiter::Build(other) if self.plan.is_transient(node) => self.build(*other).map(|other| other.node),
            _ => None,
        });
        let exit = Exit { node, instance, is_held, holder };
        if is_shadow {
            self.shadow_built(exit);
        } else {
            self.frames[frame].exits.push(exit);
        }
        if is_told(self.plan.kind(node)) {
            let took = self.now.saturating_sub(work.started);
            self.took.insert(node, took);
            self.tell(EventKind::Constructed, Some(node), Some(took), "");
        }
        for waiter in waiters {
            match waiter {
                Waiter::Build(other) => self.give(other, build, Arg::Value(instance)),
                Waiter::Ticket(ticket) => self.settle(ticket, Ok(Arg::Value(instance))),
                Waiter::Stage => self.stage_built(is_shadow),
            }
        }
        self.frame_progress(frame);
    }

    /// What only takes values has them all.
    fn finish_gathering(&mut self, build: usize) {
        let Some(Build { node, frame, is_shadow, waiters, .. }) = self.end_build(build) else { return };
        self.set_slot(frame, node, is_shadow, None);
        if waiters.contains(&Waiter::Stage) {
            self.stage_built(is_shadow);
        }
    }

    fn give(&mut self, build: usize, from: usize, arg: Arg) {
        let Some(entry) = self.build_mut(build) else { return };
        let Build { holds, args, .. } = entry;
        holds.retain(|&(held, place)| {
            if held == from {
                args[place] = arg;
            }
            held != from
        });
        self.construct_if_complete(build);
    }

    /// A value that nobody waits for any more.
    fn take_back(&mut self, build: usize, work: &Work, is_held: bool) {
        let Some(Build { stage: BuildStage::Constructing(_, instance), .. }) = self.build(build) else { return };
        let instance = *instance;
        if is_held {
            let op = self.begin(Task::Finalize(usize::MAX), work.node, self.finalize_timeout(work.node));
            self.tell(EventKind::Finalizing, Some(work.node), None, "");
            self.commands.push(Command::Finalize { op, node: work.node, instance, cause: CloseCause::Unwanted });
        } else {
            self.commands.push(Command::Forget { instances: vec![instance] });
        }
    }

    pub(super) fn construct_abandoned(&mut self, build: usize, failure: Failure) {
        self.construct_failed(build, failure);
        self.one_less();
    }
}

/// Whether making it is worth telling.
fn is_told(kind: NodeKind) -> bool {
    matches!(kind, NodeKind::Factory | NodeKind::Resource | NodeKind::Decorator | NodeKind::Invoke)
}
