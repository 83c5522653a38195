//! The texts of what went wrong while running.

use std::time::Duration;

use super::{
    Run,
    command::{Failure, FailureCause, HookId},
    ops::{Stage, Task, Work},
};
use crate::lifecycle::run::command::CancelReason;

impl Run {
    /// What an answer other than success means.
    pub(super) fn failed(&self, work: &Work, error: u64) -> Failure {
        let message = format!("{} failed{}", self.name(work), after(self.took(work)));
        Failure { node: work.node, cause: FailureCause::Error(error), message }
    }

    /// What was cancelled, by the machine or not.
    pub(super) fn cancelled(&self, work: &Work) -> Failure {
        match work.stage {
            Stage::Cancelling(_) => self.late(work, false),
            Stage::Running => {
                let message = format!("{} was cancelled{}", self.name(work), after(self.took(work)));
                Failure { node: work.node, cause: FailureCause::Cancelled, message }
            }
        }
    }

    /// What took longer than it may, or was cancelled for another reason.
    pub(super) fn late(&self, work: &Work, is_abandoned: bool) -> Failure {
        let name = self.name(work);
        let ignored = if is_abandoned { ", and ignored its cancellation" } else { "" };
        let until = work.cancelled_at.unwrap_or(self.now).saturating_sub(work.started);
        let (cause, message) = match work.stage {
            Stage::Cancelling(CancelReason::Timeout) => {
                let finished = self.finished(work);
                (FailureCause::TimedOut, format!("{name} did not end in {}{ignored}{finished}", seconds(until)))
            }
            Stage::Cancelling(CancelReason::Watchdog) => {
                (FailureCause::Silent, format!("{name} was silent for longer than its watchdog allows{ignored}"))
            }
            _ => (FailureCause::Cancelled, format!("{name} was cancelled{}{ignored}", after(until))),
        };
        Failure { node: work.node, cause, message }
    }

    fn took(&self, work: &Work) -> u64 {
        self.now.saturating_sub(work.started)
    }

    /// What it is, called and written.
    pub(super) fn name(&self, work: &Work) -> String {
        match work.task {
            Task::StartHook(hook) => format!("the start of hook {}", self.hook_name(hook)),
            Task::StopHook(hook) => format!("the stop of hook {}", self.hook_name(hook)),
            Task::Construct(_) => format!("{} {}", self.plan.kind(work.node).name(), self.plan.step(work.node).quoted()),
            Task::Finalize(_) | Task::Retire(_) => format!("the teardown of {}", self.plan.step(work.node).quoted()),
            Task::Worker(_) => format!("worker {}", self.plan.step(work.node).quoted()),
            Task::Listen(_) | Task::Drain(_) => format!("listener {}", self.plan.step(work.node).quoted()),
            Task::AwaitUsers(_) => "the last user of what was replaced".into(),
        }
    }

    fn hook_name(&self, hook: HookId) -> String {
        let hook = &self.hooks[hook.0 as usize];
        match &hook.source[..] {
            "" => format!("`{}`", hook.label),
            source => format!("`{}` ({source})", hook.label),
        }
    }

    /// Of the hooks that had started when one did not, how long each took.
    fn finished(&self, work: &Work) -> String {
        if !matches!(work.task, Task::StartHook(_)) {
            return String::new();
        }
        let finished = self.hooks.iter().filter_map(|hook| Some(format!("{} {}", hook.label, seconds(hook.took?))));
        let finished: Vec<_> = finished.collect();
        if finished.is_empty() { String::new() } else { format!("; finished: {}", finished.join(", ")) }
    }
}

/// How long something took, if that is worth telling.
fn after(nanos: u64) -> String {
    if nanos < 10_000_000 { String::new() } else { format!(" after {}", seconds(nanos)) }
}

/// A duration to be read.
pub(super) fn seconds(nanos: u64) -> String {
    let seconds = Duration::from_nanos(nanos).as_secs_f64();
    if seconds < 0.01 { format!("{:.2} ms", seconds * 1000.0) } else { format!("{seconds:.2} s") }
}
