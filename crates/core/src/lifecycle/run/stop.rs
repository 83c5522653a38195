//! The stop: listeners drain, workers and hooks stop in the reverse of the start, values are taken back. Nothing that fails or
//! hangs keeps the rest from its turn.

use std::time::Duration;

use super::{
    Age, Run, Stage,
    command::{CancelReason, CloseCause, Command, EventKind, Failure, HookId, Outcome},
    ops::{Stage as OpStage, Task, Work},
    schedule::{ItemState, What},
};
use crate::timer::clock::nanos;

/// How long a listener has after the end of its drain to send what was answered in its handlers' place, and to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Run {
    /// Stops the application. Ends with [`Command::Stopped`], which carries the code of the first who asked.
    pub fn stop(&mut self, now: u64, code: i32) {
        self.look(now);
        match self.stage {
            Stage::New => {
                self.code = code;
                self.finish();
            }
            Stage::Building | Stage::Invoking | Stage::Starting if !self.has_failed => {
                self.code = code;
                self.undo(CancelReason::Shutdown);
            }
            Stage::Running => {
                self.code = code;
                self.drop_reload();
                self.enter(Stage::PreStop);
                let delay = nanos(self.options.pre_stop_delay);
                if delay == 0 {
                    self.begin_stopping();
                } else {
                    self.set_phase_alarm(Some(self.now.saturating_add(delay)));
                }
            }
            _ => {}
        }
    }

    /// Takes a signal: the first stops, the second cuts the stop short, the third ends the process.
    pub fn signal(&mut self, now: u64, number: i32) {
        self.look(now);
        self.signals += 1;
        match self.signals {
            1 => self.stop(now, 0),
            2 => {
                self.code = 128 + number;
                self.stop(now, self.code);
                self.cut_short();
            }
            _ => self.commands.push(Command::Exit { code: 128 + number }),
        }
    }

    fn cut_short(&mut self) {
        if self.stage == Stage::PreStop {
            self.begin_stopping();
        }
        let end = self.now.saturating_add(nanos(self.options.cut_short));
        self.closing_budget = Some(self.closing_budget.map_or(end, |own| own.min(end)));
        self.budget = Some(self.budget.map_or(end, |own| own.min(end)));
        self.hurry(CancelReason::Shutdown);
    }

    /// Cancels everything that is under way.
    fn hurry(&mut self, reason: CancelReason) {
        for op in self.ops.all() {
            if self.ops.get(op).is_some_and(|work| work.stage == OpStage::Running) {
                let until =
                    self.now.saturating_add(nanos(self.options.grace)).min(self.budget.unwrap_or(u64::MAX).max(self.now + 1));
                if self.ops.cancel(op, reason, self.now, until) {
                    self.commands.push(Command::Cancel { op, reason });
                }
            }
        }
    }

    pub(super) fn begin_stopping(&mut self) {
        // What is cancelled at the very end still has its grace.
        let whole = self.options.stop_timeout.map(|whole| nanos(whole).saturating_sub(nanos(self.options.grace)));
        self.closing_budget = whole.map(|whole| self.now.saturating_add(whole));
        self.budget = whole.map(|whole| self.now.saturating_add(whole - whole / 5));
        self.enter(Stage::Stopping);
        self.set_phase_alarm(None);
        let first = self.schedule.begin_stop();
        self.bring_down_all(first);
        self.check_down();
    }

    fn bring_down_all(&mut self, items: Vec<usize>) {
        for item in items {
            self.bring_down(item);
        }
    }

    fn bring_down(&mut self, item: usize) {
        let (what, node, state) = (self.schedule.items[item].what, self.schedule.items[item].node, self.schedule.items[item].state);
        if state != ItemState::Up {
            return self.item_down(item);
        }
        match what {
            What::Barrier => self.item_down(item),
            What::Hook(hook) => self.stop_hook(hook),
            What::Worker(worker) => self.stop_worker(worker),
            What::Listener => {
                let op = self.begin(Task::Drain(item), node, self.options.drain_timeout.map(|timeout| timeout + LAST_WORDS));
                let left = self.ops.get(op).and_then(|work| work.due).map(|due| due.saturating_sub(self.now));
                let timeout = left.map(|left| Duration::from_nanos(left).saturating_sub(LAST_WORDS));
                self.commands.push(Command::Drain { op, node, timeout });
            }
        }
        if self.schedule.items[item].state == ItemState::Up {
            self.schedule.set(item, ItemState::Stopping(None));
        }
    }

    pub(super) fn stop_hook(&mut self, hook: HookId) {
        let entry = &self.hooks[hook.0 as usize];
        let (node, args, label) = (entry.node, entry.args.clone(), entry.label.clone());
        let timeout = entry.stop_timeout.or(self.options.stop_step_timeout);
        let op = self.begin(Task::StopHook(hook), node, timeout);
        self.tell(EventKind::HookStopping, Some(node), None, label);
        self.commands.push(Command::StopHook { op, hook, args });
    }

    pub(super) fn item_down(&mut self, item: usize) {
        self.schedule.set(item, ItemState::Done);
        if self.stage == Stage::Stopping {
            let next = self.schedule.is_down(item);
            self.bring_down_all(next);
            self.check_down();
        }
    }

    pub(super) fn check_down(&mut self) {
        let is_down = self.schedule.is_all(ItemState::Done);
        if self.stage == Stage::Stopping && is_down && self.finish_retirements() {
            self.begin_closing();
        }
    }

    fn begin_closing(&mut self) {
        // The last of what was replaced may have brought this about already.
        if self.stage != Stage::Stopping {
            return;
        }
        self.enter(Stage::Closing);
        self.budget = self.closing_budget;
        self.close_frame_at(0, CloseCause::Normal);
    }

    pub(super) fn hook_stopped(&mut self, hook: HookId, work: &Work, outcome: Outcome) {
        match outcome {
            Outcome::Done | Outcome::Held => {
                let took = self.now.saturating_sub(work.started);
                let label = self.hooks[hook.0 as usize].label.clone();
                self.tell(EventKind::HookStopped, Some(work.node), Some(took), label);
                self.hook_is_down(hook);
            }
            Outcome::Failed(error) | Outcome::Fatal(error) => self.hook_stop_failed(hook, self.failed(work, error)),
            Outcome::Cancelled => self.hook_stop_failed(hook, self.cancelled(work)),
        }
    }

    pub(super) fn hook_stop_failed(&mut self, hook: HookId, failure: Failure) {
        self.tell(EventKind::HookFailed, Some(failure.node), None, failure.message.clone());
        if self.hooks[hook.0 as usize].age == Age::Current {
            self.failures.push(failure);
        }
        self.hook_is_down(hook);
    }

    fn hook_is_down(&mut self, hook: HookId) {
        match self.schedule.find(What::Hook(hook)) {
            Some(item) if self.hooks[hook.0 as usize].age == Age::Current => self.item_down(item),
            _ => self.old_hook_stopped(hook),
        }
    }

    pub(super) fn drained(&mut self, item: usize, work: &Work, outcome: Outcome) {
        match outcome {
            Outcome::Done | Outcome::Held => {
                let took = self.now.saturating_sub(work.started);
                self.tell(EventKind::Drained, Some(work.node), Some(took), "");
                self.item_down(item);
            }
            Outcome::Failed(error) | Outcome::Fatal(error) => self.drain_failed(item, self.failed(work, error)),
            Outcome::Cancelled => self.drain_failed(item, self.cancelled(work)),
        }
    }

    pub(super) fn drain_failed(&mut self, item: usize, failure: Failure) {
        self.failures.push(failure);
        self.item_down(item);
    }

    pub(super) fn finish(&mut self) {
        self.set_phase_alarm(None);
        self.enter(Stage::Closed);
        self.tell(EventKind::Closed, None, None, "");
        let failures = std::mem::take(&mut self.failures);
        if self.code == 0 && !failures.is_empty() {
            self.code = 1;
        }
        self.commands.push(Command::Stopped { code: self.code, failures });
    }
}
