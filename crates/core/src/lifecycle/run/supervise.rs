//! Workers: run, watched, run again.
//!
//! ```text
//! idle -> running --failure--> waiting --backoff--> running
//!            |  \--return--> completed    \--too often--> exhausted
//!            \--stop--> stopped
//! ```

use super::{
    super::{
        graph::NodeId,
        worker::{OnExhausted, Policy, Restart},
    },
    Run, Stage,
    command::{CancelReason, Command, EventKind, Failure, FailureCause, Op, Outcome},
    ops::{Alarm, Stage as OpStage, Task, Work},
    schedule::{ItemState, What},
};
use crate::{
    error::{Error, Result},
    timer::clock::nanos,
};

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) node: NodeId,
    pub(crate) state: WorkerState,
    pub(crate) attempts: u32,
    pub(crate) restarts: u32,
    /// When it was run again, within the window.
    history: Vec<u64>,
    /// Waits in a row, which make the next longer.
    waits: u32,
    since: u64,
    is_ready: bool,
    /// It is to run again with other values when it has ended, and then no longer uses what retires.
    pub(super) renewed_for: Option<usize>,
    pub(super) regrouped: Option<u64>,
    last_tick: u64,
    /// Makes alarms of earlier runs stale.
    serial: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    Idle,
    Running(Op),
    /// It has failed, and is run again after a while.
    Waiting,
    /// It was asked to end.
    Stopping(Op),
    Completed,
    Exhausted,
    Stopped,
}

impl WorkerState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running(_) => "running",
            Self::Waiting => "backing off",
            Self::Stopping(_) => "stopping",
            Self::Completed => "completed",
            Self::Exhausted => "exhausted",
            Self::Stopped => "stopped",
        }
    }
}

impl Worker {
    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            state: WorkerState::Idle,
            attempts: 0,
            restarts: 0,
            history: Vec::new(),
            waits: 0,
            since: 0,
            is_ready: false,
            renewed_for: None,
            regrouped: None,
            last_tick: 0,
            serial: 0,
        }
    }
}

impl Run {
    fn policy(&self, worker: usize) -> Policy {
        self.plan.node(self.workers[worker].node).policy.clone()
    }

    pub(super) fn run_worker(&mut self, worker: usize) {
        let node = self.workers[worker].node;
        let policy = self.policy(worker);
        let op = self.ops.begin(Work {
            task: Task::Worker(worker),
            node,
            started: self.now,
            stage: OpStage::Running,
            due: None,
            cancelled_at: None,
            turn: self.polls,
        });
        let entry = &mut self.workers[worker];
        entry.state = WorkerState::Running(op);
        entry.attempts += 1;
        entry.serial += 1;
        (entry.since, entry.last_tick) = (self.now, self.now);
        let (attempt, serial) = (entry.attempts, entry.serial);
        let args = self.args_of(node, false);
        self.tell(EventKind::WorkerStarted, Some(node), None, format!("attempt {attempt}"));
        self.commands.push(Command::RunWorker { op, node, attempt, args });
        if let Some(watchdog) = policy.watchdog {
            self.ops.alarm_at(self.now.saturating_add(nanos(watchdog)), Alarm::Watchdog(worker, serial));
        }
        if !policy.has_ready_gate {
            self.worker_is_up(worker);
        } else if attempt == 1
            && let Some(timeout) = self.plan.node(node).start_timeout.or(self.options.step_timeout)
        {
            self.ops.alarm_at(self.now.saturating_add(nanos(timeout)), Alarm::Gate(worker, 0));
        }
    }

    fn worker_is_up(&mut self, worker: usize) {
        if let Some(item) = self.schedule.find(What::Worker(worker))
            && matches!(self.schedule.items[item].state, ItemState::Starting(_))
        {
            self.item_up(item);
        }
        self.regroup_progress();
    }

    fn running_worker(&self, op: Op) -> Option<usize> {
        match self.ops.get(op)?.task {
            Task::Worker(worker) => Some(worker),
            _ => None,
        }
    }

    /// Notes that a worker is ready: its gate opens.
    pub fn worker_ready(&mut self, now: u64, op: Op) {
        self.look(now);
        let Some(worker) = self.running_worker(op) else { return };
        if !std::mem::replace(&mut self.workers[worker].is_ready, true) {
            let took = self.now.saturating_sub(self.workers[worker].since);
            self.tell(EventKind::WorkerReady, Some(self.workers[worker].node), Some(took), "");
            self.worker_is_up(worker);
        }
    }

    /// Notes that a worker is alive.
    pub fn worker_tick(&mut self, now: u64, op: Op) {
        self.look(now);
        if let Some(worker) = self.running_worker(op) {
            self.workers[worker].last_tick = self.now;
        }
    }

    pub(super) fn watchdog_due(&mut self, worker: usize, serial: u32) {
        let entry = &self.workers[worker];
        let (WorkerState::Running(op), true) = (entry.state, entry.serial == serial) else { return };
        let Some(watchdog) = self.policy(worker).watchdog else { return };
        let due = self.workers[worker].last_tick.saturating_add(nanos(watchdog));
        if due > self.now {
            return self.ops.alarm_at(due, Alarm::Watchdog(worker, serial));
        }
        let silent = self.now - self.workers[worker].last_tick;
        self.tell(EventKind::TimedOut, Some(self.workers[worker].node), Some(silent), "no tick");
        self.cancel(op, CancelReason::Watchdog);
    }

    pub(super) fn gate_due(&mut self, worker: usize, _serial: u32) {
        let Some(item) = self.schedule.find(What::Worker(worker)) else { return };
        if self.workers[worker].is_ready
            || self.stage != Stage::Starting
            || self.schedule.items[item].state != ItemState::Starting(None)
        {
            return;
        }
        let node = self.workers[worker].node;
        let took = super::failure::seconds(self.now.saturating_sub(self.stage_since));
        let message = format!("worker {} was not ready after {took}", self.plan.step(node).quoted());
        self.start_failed(Failure { node, cause: FailureCause::TimedOut, message });
    }

    pub(super) fn worker_ended(&mut self, worker: usize, work: &Work, outcome: Outcome) {
        let took = self.now.saturating_sub(work.started);
        let (how, failure) = match (outcome, work.stage) {
            (_, OpStage::Cancelling(CancelReason::Watchdog)) => ("silent", Some(self.late(work, false))),
            (Outcome::Done | Outcome::Held, _) => ("returned", None),
            (Outcome::Cancelled, _) => ("cancelled", None),
            (Outcome::Failed(error) | Outcome::Fatal(error), _) => ("failed", Some(self.failed(work, error))),
        };
        self.tell(EventKind::WorkerExited, Some(work.node), Some(took), how);
        let entry = &mut self.workers[worker];
        entry.serial += 1;
        if matches!(entry.state, WorkerState::Stopping(_)) {
            entry.state = WorkerState::Stopped;
            // What fails while it stops is told, not healed.
            self.failures.extend(failure);
            return self.worker_is_down(worker);
        }
        let is_fatal = matches!(outcome, Outcome::Fatal(_));
        match (self.policy(worker).restart, failure, outcome) {
            // Somebody else's cancellation is an end like any other.
            (Restart::Never | Restart::OnFailure, None, _) => self.worker_completed(worker),
            (Restart::Always, None, _) => self.restart_worker(worker, took, None),
            (Restart::Never, failure, _) => self.worker_exhausted(worker, failure),
            (_, failure, _) if is_fatal => self.worker_exhausted(worker, failure),
            (_, failure, _) => self.restart_worker(worker, took, failure),
        }
    }

    fn worker_completed(&mut self, worker: usize) {
        self.workers[worker].state = WorkerState::Completed;
        self.worker_is_up(worker);
    }

    fn restart_worker(&mut self, worker: usize, took: u64, failure: Option<Failure>) {
        let policy = self.policy(worker);
        let (now, window) = (self.now, nanos(policy.window));
        let entry = &mut self.workers[worker];
        if took >= nanos(policy.stable_after) {
            entry.history.clear();
            entry.waits = 0;
        }
        entry.history.retain(|&at| now - at < window);
        if entry.history.len() >= policy.max_restarts as usize {
            return self.worker_exhausted(worker, failure);
        }
        entry.history.push(now);
        entry.restarts += 1;
        entry.waits += 1;
        entry.state = WorkerState::Waiting;
        let (serial, node) = (entry.serial, entry.node);
        let delay = self.backoff(&policy, self.workers[worker].waits - 1);
        let why = failure.map(|failure| failure.message).unwrap_or_default();
        self.tell(EventKind::WorkerBackoff, Some(node), Some(delay), why);
        self.ops.alarm_at(self.now.saturating_add(delay), Alarm::Backoff(worker, serial));
    }

    fn backoff(&mut self, policy: &Policy, waits: u32) -> u64 {
        let grown = policy.backoff.as_secs_f64() * policy.factor.powi(waits.min(1000) as i32);
        let jitter = 1.0 + policy.jitter * (2.0 * self.next_random() - 1.0);
        (grown.min(policy.max_backoff.as_secs_f64()) * jitter * 1e9) as u64
    }

    /// Between 0 and 1, by xorshift: nothing here is secret.
    fn next_random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn backoff_over(&mut self, worker: usize, serial: u32) {
        let entry = &self.workers[worker];
        if entry.state == WorkerState::Waiting && entry.serial == serial {
            self.run_worker(worker);
        }
    }

    fn worker_exhausted(&mut self, worker: usize, failure: Option<Failure>) {
        let (node, policy) = (self.workers[worker].node, self.policy(worker));
        self.workers[worker].state = WorkerState::Exhausted;
        let times = self.workers[worker].history.len();
        let message = match &failure {
            Some(failure) if times == 0 => failure.message.clone(),
            Some(failure) => format!("{}, after {times} restarts in {:?}", failure.message, policy.window),
            None => format!("worker {} returned {} times in {:?}", self.plan.step(node).quoted(), times + 1, policy.window),
        };
        let cause = failure.map_or(FailureCause::Exhausted, |failure| failure.cause);
        self.tell(EventKind::WorkerExhausted, Some(node), None, message.clone());
        let failure = Failure { node, cause, message };
        if self.stage.is_starting() {
            if let Some(item) = self.schedule.find(What::Worker(worker)) {
                self.schedule.set(item, ItemState::Done);
            }
            return self.start_failed(failure);
        }
        match policy.on_exhausted {
            OnExhausted::StopApp => self.stop_for(failure),
            OnExhausted::Degrade => {}
            OnExhausted::RestartDependents => self.regroup(worker, failure),
        }
    }

    pub(super) fn stop_for(&mut self, failure: Failure) {
        self.failed_at = self.failed_at.or(Some(failure.node));
        self.failures.push(failure);
        self.stop(self.now, 1);
    }

    /// Returns whether a worker has been given up.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.workers.iter().any(|worker| worker.state == WorkerState::Exhausted)
    }

    pub(super) fn stop_worker(&mut self, worker: usize) {
        let entry = &mut self.workers[worker];
        match entry.state {
            WorkerState::Running(op) => {
                entry.state = WorkerState::Stopping(op);
                let node = entry.node;
                let timeout = self.plan.node(node).stop_timeout.or(self.options.stop_step_timeout);
                let own = timeout.map(|timeout| self.now.saturating_add(nanos(timeout)));
                let whole = self.budget.map(|end| end.max(self.now + 1));
                self.commands.push(Command::StopWorker { op });
                if let Some(due) = [own, whole].into_iter().flatten().min() {
                    self.ops.set_due(op, due);
                }
            }
            _ => {
                entry.state = if entry.state == WorkerState::Waiting { WorkerState::Stopped } else { entry.state };
                entry.serial += 1;
                self.worker_is_down(worker);
            }
        }
    }

    fn worker_is_down(&mut self, worker: usize) {
        match self.schedule.find(What::Worker(worker)) {
            Some(item) if self.stage == Stage::Stopping => self.item_down(item),
            _ => match self.workers[worker].renewed_for.take() {
                Some(retirement) => self.renewed(worker, retirement),
                None => self.regroup_progress(),
            },
        }
    }

    fn renewed(&mut self, worker: usize, retirement: usize) {
        if self.stage == Stage::Running {
            self.renew(worker);
            self.run_worker(worker);
        }
        self.user_left(retirement);
    }

    pub(super) fn worker_abandoned(&mut self, worker: usize, work: &Work, failure: Failure) {
        let took = self.now.saturating_sub(work.started);
        self.tell(EventKind::WorkerExited, Some(work.node), Some(took), "abandoned");
        let entry = &mut self.workers[worker];
        entry.serial += 1;
        if matches!(entry.state, WorkerState::Stopping(_)) {
            entry.state = WorkerState::Stopped;
            self.failures.push(failure);
            self.worker_is_down(worker);
        } else {
            self.restart_worker(worker, took, Some(failure));
        }
    }

    /// Runs a worker that has ended, whatever its policy: its history begins anew.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if it runs, or if the application does not.
    pub fn restart(&mut self, now: u64, node: NodeId) -> Result<()> {
        self.look(now);
        let Some(worker) = self.workers.iter().position(|worker| worker.node == node) else {
            return Err(Error::conflict("restart", format!("`{}` is no worker", self.plan.label(node))));
        };
        let state = self.workers[worker].state;
        if self.stage != Stage::Running || matches!(state, WorkerState::Running(_) | WorkerState::Stopping(_)) {
            return Err(Error::conflict(
                "restart",
                format!("worker `{}` is {}, and the application {}", self.plan.label(node), state.name(), self.stage.name()),
            ));
        }
        self.renew(worker);
        self.run_worker(worker);
        Ok(())
    }

    pub(super) fn renew(&mut self, worker: usize) {
        let entry = &mut self.workers[worker];
        entry.history.clear();
        entry.waits = 0;
        entry.serial += 1;
        entry.is_ready = false;
        entry.state = WorkerState::Idle;
    }
}
