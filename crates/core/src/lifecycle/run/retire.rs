//! Retirement: what was replaced goes when its last user has left, hooks first, and what was never used goes at once.
//!
//! ```text
//! users leave -> hooks stop, the last first -> values are taken back, the last first
//! ```

use super::{
    super::graph::NodeId,
    Run,
    command::{CloseCause, Command, EventKind, Failure, HookId, Outcome},
    frame::Exit,
    ops::{Task, Work},
};

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

impl Retirement {
    /// Of what others took the place of, when as many users have left.
    pub(super) fn of_replaced(hooks: Vec<HookId>, exits: Vec<Exit>, users: usize, frames: Vec<usize>) -> Self {
        Self { hooks, exits, cause: CloseCause::Superseded, users, frames, is_busy: false, stopping: None }
    }

    /// Of what nobody has used.
    pub(super) fn of_unused(hooks: Vec<HookId>, exits: Vec<Exit>) -> Self {
        Self { hooks, exits, cause: CloseCause::Unwanted, users: 0, frames: Vec::new(), is_busy: false, stopping: None }
    }
}

impl Run {
    pub(super) fn begin_retirement(&mut self, retirement: Retirement) {
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
}
