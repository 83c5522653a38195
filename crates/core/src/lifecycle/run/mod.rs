//! The machine that starts, watches and stops what a plan describes.
//!
//! It makes no call and reads no clock. The host takes commands, does them with its own functions, and answers each by
//! [`Run::complete`]; it calls [`Run::poll`] when the deadline that `poll` returned has come. Values stay with the host, under the
//! numbers that the commands give them.
//!
//! ```text
//! new -> building -> invoking -> starting -> running -> stopping -> closing -> closed
//!            \__________\___________\__________________/  (a failure or a stop undoes what has been done)
//! ```

mod build;
mod command;
mod condition;
mod failure;
mod forsake;
mod frame;
mod ops;
mod regroup;
mod reload;
mod request;
mod retire;
mod schedule;
mod start;
mod stop;
mod supervise;
mod swap;

use std::{collections::HashMap, sync::Arc, time::Duration};

pub use self::command::{
    Arg, CancelReason, CloseCause, Command, Event, EventKind, Failure, FailureCause, Frame, HookId, Instance, Op, Outcome, Ticket,
};
pub use self::request::Request;
use self::{
    build::Build,
    frame::FrameState,
    ops::{Alarm, Ops, Stage as OpStage, Task, Work},
    regroup::Regroup,
    reload::Reload,
    request::TicketState,
    retire::Retirement,
    schedule::Schedule,
    supervise::Worker,
};
use super::{graph::NodeId, plan::Plan};
use crate::{
    error::{Error, Result},
    timer::clock::nanos,
};

/// In which order hooks and workers start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// All of one level before any of the next: hooks by their level, then workers by theirs, then listeners.
    #[default]
    Levels,
    /// Each as soon as all that it depends on has started.
    Dependencies,
}

/// Settings of a run. `None` waits without end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The order of the start; the stop is its reverse. Default: by levels.
    pub order: Order,
    /// For the whole start. Default: none.
    pub start_timeout: Option<Duration>,
    /// For one constructor, one start of a hook or one ready gate that has no timeout of its own. Default: 15 s, as in fx.
    pub step_timeout: Option<Duration>,
    /// For one stop of a hook or worker and for taking back one value, if it has no timeout of its own. Default: 5 s.
    pub stop_step_timeout: Option<Duration>,
    /// For the whole stop after the pre-stop delay, and for undoing a failed start. A fifth of it is kept for taking values back.
    /// Default: 28 s, so that it ends before the 30 s that Kubernetes grants.
    pub stop_timeout: Option<Duration>,
    /// Between saying that the application is not ready and closing its listeners. Default: none.
    pub pre_stop_delay: Duration,
    /// For requests that are under way when the stop begins. Default: 15 s.
    pub drain_timeout: Option<Duration>,
    /// For the end of what was cancelled, before it is abandoned. Default: 1 s.
    pub grace: Duration,
    /// For the rest, after a second signal. Default: 1 s.
    pub cut_short: Duration,
    /// For the last users of values that were replaced. Default: 30 s.
    pub retire_timeout: Option<Duration>,
    /// How long one call may keep the loop from going on before it is told. Default: 0.1 s.
    pub blocked_after: Duration,
    /// Where the jitter of waits starts from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            order: Order::default(),
            start_timeout: None,
            step_timeout: Some(Duration::from_secs(15)),
            stop_step_timeout: Some(Duration::from_secs(5)),
            stop_timeout: Some(Duration::from_secs(28)),
            pre_stop_delay: Duration::ZERO,
            drain_timeout: Some(Duration::from_secs(15)),
            grace: Duration::from_secs(1),
            cut_short: Duration::from_secs(1),
            retire_timeout: Some(Duration::from_secs(30)),
            blocked_after: Duration::from_millis(100),
            seed: 0x5eed,
        }
    }
}

/// What the application is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Nothing has been done.
    New,
    /// Values are made.
    Building,
    /// What runs once runs.
    Invoking,
    /// Hooks, workers and listeners start.
    Starting,
    /// All is up.
    Running,
    /// It says that it is not ready any more, and waits.
    PreStop,
    /// Listeners drain, then workers and hooks stop.
    Stopping,
    /// Values are taken back.
    Closing,
    /// All is down.
    Closed,
}

impl Stage {
    /// Returns the word for it in logs and data.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Building => "building",
            Self::Invoking => "invoking",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::PreStop => "pre-stop",
            Self::Stopping => "stopping",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }

    /// Returns whether the start is under way.
    #[must_use]
    pub fn is_starting(self) -> bool {
        matches!(self, Self::Building | Self::Invoking | Self::Starting)
    }

    /// Returns whether the stop has begun.
    #[must_use]
    pub fn is_stopping(self) -> bool {
        matches!(self, Self::PreStop | Self::Stopping | Self::Closing | Self::Closed)
    }
}

/// Which generation of values a hook is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Of a reload that is under way.
    Next,
    Current,
    /// Of values that were replaced, or never used.
    Old,
}

/// A hook as it is known to the run.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) node: NodeId,
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Option<Duration>,
    pub(crate) age: Age,
    pub(crate) args: Vec<Arg>,
    pub(crate) took: Option<u64>,
}

/// What a constructor tells of a hook that it adds.
#[derive(Clone, Debug, Default)]
pub struct AddedHook {
    /// What texts call it.
    pub label: String,
    /// Where it was written.
    pub source: String,
    /// For its start.
    pub start_timeout: Option<Duration>,
    /// For its stop.
    pub stop_timeout: Option<Duration>,
}

/// One life of an application: from its start to its stop.
#[derive(Debug)]
pub struct Run {
    pub(crate) plan: Arc<Plan>,
    options: Options,
    now: u64,
    polls: u64,
    stage: Stage,
    stage_since: u64,
    phase: u32,
    ops: Ops,
    commands: Vec<Command>,
    events: Vec<Event>,
    builds: Vec<Option<Build>>,
    free_builds: Vec<usize>,
    frames: Vec<FrameState>,
    free_frames: Vec<usize>,
    tickets: HashMap<Ticket, TicketState>,
    next_instance: u64,
    next_ticket: u64,
    hooks: Vec<Hook>,
    workers: Vec<Worker>,
    /// What was gathered for hooks, workers and listeners.
    args: HashMap<NodeId, Vec<Arg>>,
    schedule: Schedule,
    /// Builds that the start waits for.
    start_left: usize,
    next_invoke: usize,
    has_failed: bool,
    /// The node whose failure undid the start or stopped the application.
    failed_at: Option<NodeId>,
    failures: Vec<Failure>,
    code: i32,
    signals: u32,
    /// When the phase that is under way must be over.
    budget: Option<u64>,
    closing_budget: Option<u64>,
    reload: Option<Reload>,
    reload_next: Vec<NodeId>,
    retirements: Vec<Option<Retirement>>,
    generation: u64,
    regroup: Option<Regroup>,
    random: u64,
    took: HashMap<NodeId, u64>,
}

impl Run {
    /// Makes a run of a plan, which is new.
    #[must_use]
    pub fn new(plan: Arc<Plan>, options: Options) -> Self {
        let workers = plan.nodes().filter(|&node| plan.kind(node) == super::NodeKind::Worker && !plan.is_replaced(node));
        Self {
            workers: workers.map(Worker::new).collect(),
            random: options.seed | 1,
            plan,
            options,
            now: 0,
            polls: 0,
            stage: Stage::New,
            stage_since: 0,
            phase: 0,
            ops: Ops::default(),
            commands: Vec::new(),
            events: Vec::new(),
            builds: Vec::new(),
            free_builds: Vec::new(),
            frames: vec![FrameState::root()],
            free_frames: Vec::new(),
            tickets: HashMap::new(),
            next_instance: 0,
            next_ticket: 0,
            hooks: Vec::new(),
            args: HashMap::new(),
            schedule: Schedule::default(),
            start_left: 0,
            next_invoke: 0,
            has_failed: false,
            failed_at: None,
            failures: Vec::new(),
            code: 0,
            signals: 0,
            budget: None,
            closing_budget: None,
            reload: None,
            reload_next: Vec::new(),
            retirements: Vec::new(),
            generation: 0,
            regroup: None,
            took: HashMap::new(),
        }
    }

    /// Returns what the run does now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns the plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Returns whether the application takes requests: it is up, and its stop has not begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Takes what the host is to do, in order.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Takes what happened.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Acts on every deadline that has come, and returns the next, in nanoseconds of the host's clock.
    pub fn poll(&mut self, now: u64) -> Option<u64> {
        self.look(now);
        self.polls += 1;
        while let Some(alarm) = self.ops.due(self.now) {
            match alarm {
                Alarm::Op(op) => self.op_due(op),
                Alarm::Backoff(worker, serial) => self.backoff_over(worker, serial),
                Alarm::Watchdog(worker, serial) => self.watchdog_due(worker, serial),
                Alarm::Gate(worker, serial) => self.gate_due(worker, serial),
                Alarm::Phase(phase) => self.phase_due(phase),
            }
        }
        self.ops.next()
    }

    /// Notes that the host begins with a command only now, having done others of its batch one after the other. How long it takes
    /// is counted from here; when it must have ended stays as it is.
    pub fn began(&mut self, now: u64, op: Op) {
        self.look(now);
        self.ops.began(op, self.now);
    }

    /// Answers a command, and returns whether it was still waited for. If not, the host takes back what was made.
    pub fn complete(&mut self, now: u64, op: Op, outcome: Outcome) -> bool {
        self.look(now);
        let Some(work) = self.ops.end(op) else { return false };
        self.check_blocked(&work);
        self.answered(&work, outcome);
        true
    }

    fn answered(&mut self, work: &Work, outcome: Outcome) {
        match work.task {
            Task::Construct(build) => self.constructed(build, work, outcome),
            Task::Finalize(frame) => self.finalized(frame, work, outcome),
            Task::StartHook(hook) => self.hook_started(hook, work, outcome),
            Task::StopHook(hook) => self.hook_stopped(hook, work, outcome),
            Task::Worker(worker) => self.worker_ended(worker, work, outcome),
            Task::Listen(item) => self.listening(item, work, outcome),
            Task::Drain(item) => self.drained(item, work, outcome),
            Task::AwaitUsers(retirement) => self.users_left(retirement, outcome),
            Task::Retire(retirement) => self.retired(retirement, work, outcome),
        }
    }

    /// A call that had the loop for itself from its beginning to its end.
    fn check_blocked(&mut self, work: &Work) {
        let took = self.now.saturating_sub(work.started);
        if work.turn == self.polls && took > nanos(self.options.blocked_after) {
            self.tell(EventKind::Blocked, Some(work.node), Some(took), "");
        }
    }

    fn op_due(&mut self, op: Op) {
        let Some(work) = self.ops.get(op).cloned() else { return };
        match work.stage {
            OpStage::Running => {
                let reason = match work.task {
                    Task::Worker(_) => CancelReason::Shutdown,
                    _ => CancelReason::Timeout,
                };
                let took = self.now.saturating_sub(work.started);
                self.tell(EventKind::TimedOut, Some(work.node), Some(took), "");
                self.cancel(op, reason);
            }
            OpStage::Cancelling(_) => {
                self.ops.end(op);
                self.commands.push(Command::Abandon { op });
                let took = self.now.saturating_sub(work.started);
                self.tell(EventKind::Abandoned, Some(work.node), Some(took), "");
                self.abandoned(&work);
            }
        }
    }

    /// What ignored its cancellation counts as cancelled, and says so.
    fn abandoned(&mut self, work: &Work) {
        let failure = self.late(work, true);
        match work.task {
            Task::Construct(build) => self.construct_abandoned(build, failure),
            Task::Finalize(frame) => self.finalize_failed(frame, failure),
            Task::StartHook(hook) => self.hook_start_failed(hook, failure, work),
            Task::StopHook(hook) => self.hook_stop_failed(hook, failure),
            Task::Worker(worker) => self.worker_abandoned(worker, work, failure),
            Task::Listen(item) => self.listen_failed(item, failure, work),
            Task::Drain(item) => self.drain_failed(item, failure),
            Task::AwaitUsers(retirement) => self.users_left(retirement, Outcome::Cancelled),
            Task::Retire(retirement) => self.retire_failed(retirement, &failure),
        }
    }

    fn cancel(&mut self, op: Op, reason: CancelReason) {
        let until = if self.is_overtime() { self.now + 1 } else { self.now.saturating_add(nanos(self.options.grace)) };
        if self.ops.cancel(op, reason, self.now, until) {
            self.commands.push(Command::Cancel { op, reason });
        }
    }

    fn begin(&mut self, task: Task, node: NodeId, timeout: Option<Duration>) -> Op {
        let own = timeout.map(|timeout| self.now.saturating_add(nanos(timeout)));
        // In overtime there is one turn for each.
        let whole = self.budget.map(|end| end.max(self.now + 1));
        let due = [own, whole].into_iter().flatten().min();
        self.ops.begin(Work { task, node, started: self.now, stage: OpStage::Running, due, cancelled_at: None, turn: self.polls })
    }

    fn is_overtime(&self) -> bool {
        self.budget.is_some_and(|end| end < self.now)
    }

    fn look(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    fn tell(&mut self, kind: EventKind, node: Option<NodeId>, took: Option<u64>, detail: impl Into<String>) {
        let duration = took.map(Duration::from_nanos);
        self.events.push(Event { at: self.now, kind, node, duration, detail: detail.into() });
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.stage_since = self.now;
        self.tell(EventKind::Phase, None, None, stage.name());
    }

    /// Has [`Run::phase_due`] called then, unless another phase has begun.
    fn set_phase_alarm(&mut self, at: Option<u64>) {
        self.phase += 1;
        if let Some(at) = at {
            self.ops.alarm_at(at, Alarm::Phase(self.phase));
        }
    }

    fn new_instance(&mut self) -> Instance {
        self.next_instance += 1;
        Instance(self.next_instance)
    }

    /// Adds a hook for the node whose constructor this is, to be started and stopped with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) once hooks are being started.
    pub fn add_hook(&mut self, constructor: Op, hook: AddedHook) -> Result<HookId> {
        let owner = self.ops.get(constructor).and_then(|work| match work.task {
            Task::Construct(build) => self.build(build).map(|build| (work.node, build.is_shadow)),
            _ => None,
        });
        let is_open = matches!(self.stage, Stage::Building | Stage::Invoking);
        match owner {
            Some((node, is_shadow)) if is_open || is_shadow => Ok(self.new_hook(node, hook, is_shadow)),
            _ => Err(Error::conflict(
                "hook",
                format!("hook `{}` is added after the start; add it in a constructor, or declare it with hook(...)", hook.label),
            )),
        }
    }

    fn new_hook(&mut self, node: NodeId, hook: AddedHook, is_shadow: bool) -> HookId {
        let AddedHook { label, source, start_timeout, stop_timeout } = hook;
        self.hooks.push(Hook {
            node,
            label,
            source,
            start_timeout,
            stop_timeout,
            age: if is_shadow { Age::Next } else { Age::Current },
            args: Vec::new(),
            took: None,
        });
        HookId(self.hooks.len() as u32 - 1)
    }

    /// Returns the node that a hook was added for.
    #[must_use]
    pub fn hook_node(&self, hook: HookId) -> Option<NodeId> {
        self.hooks.get(hook.0 as usize).map(|hook| hook.node)
    }
}
