//! Builds that end without a value: those that fail, those that nobody waits for, and those whose frame closes.

use super::{
    Run,
    build::{Build, BuildStage, Waiter},
    command::{CancelReason, EventKind, Failure},
};

impl Run {
    pub(super) fn construct_failed(&mut self, build: usize, failure: Failure) {
        let Some(entry) = self.end_build(build) else { return };
        self.tell(EventKind::ConstructFailed, Some(entry.node), None, failure.message.clone());
        self.fail_waiters(entry, &failure);
    }

    fn fail_waiters(&mut self, entry: Build, failure: &Failure) {
        let Build { node, frame, is_shadow, waiters, .. } = entry;
        if !self.plan.is_transient(node) {
            self.set_slot(frame, node, is_shadow, None);
        }
        for waiter in waiters {
            match waiter {
                Waiter::Build(other) => {
                    if let Some(entry) = self.end_build(other) {
                        self.release_holds(&entry, other);
                        self.fail_waiters(entry, failure);
                    }
                }
                Waiter::Ticket(ticket) => self.settle(ticket, Err(failure.clone())),
                Waiter::Stage => self.stage_failed(is_shadow, failure),
            }
        }
        self.frame_progress(frame);
    }

    pub(super) fn end_build(&mut self, build: usize) -> Option<Build> {
        let entry = self.builds.get_mut(build)?.take()?;
        self.free_builds.push(build);
        self.frames[entry.frame].builds -= 1;
        Some(entry)
    }

    /// Forgets a build that has not begun.
    pub(super) fn remove_build(&mut self, build: usize) {
        let Some(entry) = self.end_build(build) else { return };
        if !self.plan.is_transient(entry.node) {
            self.set_slot(entry.frame, entry.node, entry.is_shadow, None);
        }
        self.release_holds(&entry, build);
        self.frame_progress(entry.frame);
    }

    fn release_holds(&mut self, entry: &Build, build: usize) {
        for &(held, _) in &entry.holds {
            self.unwait(held, Waiter::Build(build));
        }
    }

    pub(super) fn unwait(&mut self, build: usize, waiter: Waiter) {
        if let Some(entry) = self.build_mut(build) {
            entry.waiters.retain(|other| *other != waiter);
        }
        self.forsake(build);
    }

    /// Cancels a build that nobody waits for.
    pub(super) fn forsake(&mut self, build: usize) {
        match self.build(build) {
            Some(Build { waiters, stage, .. }) if waiters.is_empty() => match *stage {
                BuildStage::Waiting => self.remove_build(build),
                BuildStage::Constructing(op, _) => self.cancel(op, CancelReason::Unwanted),
            },
            _ => {}
        }
    }

    /// Fails what is being built in a frame that closes, and cancels its constructors.
    pub(super) fn cancel_builds(&mut self, frame: usize, reason: CancelReason) {
        for build in 0..self.builds.len() {
            let Some(entry) = self.build(build).filter(|entry| entry.frame == frame) else { continue };
            let (node, stage) = (entry.node, entry.stage);
            let tickets: Vec<_> = entry
                .waiters
                .iter()
                .filter_map(|waiter| if let Waiter::Ticket(ticket) = waiter { Some(*ticket) } else { None })
                .collect();
            let failure = self.closed(node);
            for ticket in tickets {
                self.settle(ticket, Err(failure.clone()));
            }
            match stage {
                BuildStage::Waiting => {
                    if let Some(entry) = self.end_build(build) {
                        self.release_holds(&entry, build);
                        self.set_slot(frame, node, entry.is_shadow, None);
                    }
                }
                BuildStage::Constructing(op, _) => {
                    if let Some(entry) = self.build_mut(build) {
                        entry.waiters.retain(|waiter| !matches!(waiter, Waiter::Ticket(_)));
                    }
                    self.cancel(op, reason);
                }
            }
        }
    }

    /// Has every build of the start or of a reload go on without it.
    pub(super) fn leave_builds(&mut self, is_shadow: bool, reason: CancelReason) {
        for build in 0..self.builds.len() {
            let Some(entry) = self.build_mut(build).filter(|entry| entry.is_shadow == is_shadow) else { continue };
            if !entry.waiters.contains(&Waiter::Stage) {
                continue;
            }
            entry.waiters.retain(|waiter| *waiter != Waiter::Stage);
            if let (true, BuildStage::Constructing(op, _)) = (entry.waiters.is_empty(), entry.stage) {
                self.cancel(op, reason);
            } else {
                self.forsake(build);
            }
        }
    }
}
