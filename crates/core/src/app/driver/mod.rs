//! The driver: one life of an application on Tokio.
//!
//! The machine of [`lifecycle`](crate::lifecycle) decides; the driver does what it says. The machine stands behind a lock that is held for
//! a step and never while code of the user's runs:
//!
//! ```text
//! act(change) --> lock --> change the machine --> carry out its commands --> unlock --> drop values, tell events
//!    ^                                               |
//!    |   the end of a task, a handle's wish,         | spawns tasks, settles waiters
//!    \-- a deadline  <-------------------------------/
//! ```
//!
//! Each command that calls the user becomes a task of its own. A task is cancelled by dropping its future; one that blocks its thread
//! cannot be dropped and is abandoned by the machine.

mod afterwards;
mod command;
mod ends;
mod epoch;
mod events;
mod state;
mod task;
pub(crate) mod wait;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, oneshot, watch},
    time::Instant,
};

pub(crate) use self::epoch::Epoch;
use self::{
    afterwards::Afterwards,
    command::Step,
    state::{Asked, State},
    wait::first_of,
};
use super::{
    blueprint::Blueprint,
    error::{AppError, AppFailure, SharedError},
    http::Door,
    recipe::HookCalls,
    value::Held,
};
use crate::{
    Address,
    lifecycle::{AddedHook, CloseCause, Frame, NodeId, Op, Run},
    timer::clock::nanos,
};

/// Who asks: a scope, and in a constructor the constructor, so that nobody waits for itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) frame: Frame,
    pub(crate) op: Option<Op>,
}

impl Origin {
    pub(crate) const APP: Self = Self { frame: Frame::APP, op: None };
}

/// How requests reach the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Through the sockets that it listens on.
    Sockets,
    /// Through memory, in tests.
    Memory,
}

/// How far the application has come.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    Starting,
    Up,
    Down(Result<(), AppError>),
}

/// What a resolved wish gives: the value, and the generation that it is of.
pub(crate) type Settled = Result<(Held, Arc<Epoch>), AppFailure>;

/// One life of an application.
pub(crate) struct Driver {
    pub(crate) blueprint: Arc<Blueprint>,
    pub(crate) runtime: Handle,
    pub(crate) reach: Reach,
    zero: Instant,
    state: Mutex<State>,
    alarm: Notify,
    progress: watch::Sender<Progress>,
}

impl Driver {
    /// Begins a life, and its start.
    pub(crate) fn launch(blueprint: &Arc<Blueprint>, reach: Reach) -> Arc<Self> {
        let state = State::new(Run::new(Arc::clone(&blueprint.plan), blueprint.options.clone()));
        let driver = Arc::new(Self {
            blueprint: Arc::clone(blueprint),
            runtime: Handle::current(),
            reach,
            zero: Instant::now(),
            state: Mutex::new(state),
            alarm: Notify::new(),
            progress: watch::Sender::new(Progress::Starting),
        });
        driver.runtime.spawn(Arc::clone(&driver).keep_time());
        driver.act(|state, now| {
            // A run that is new can be started.
            let _ = state.run.start(now);
        });
        driver
    }

    /// Changes the machine and does what it says then.
    pub(crate) fn act<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, u64) -> R) -> R {
        self.act_told(None, change)
    }

    /// The same, at the end of a task that failed with an error: events of its node tell it.
    fn act_told<R>(self: &Arc<Self>, error: Option<(NodeId, SharedError)>, change: impl FnOnce(&mut State, u64) -> R) -> R {
        let mut afterwards = Afterwards::default();
        let result = {
            let mut state = self.lock();
            let now = self.now();
            // Deadlines that have come are met first, and in the order of time.
            state.run.poll(now);
            let result = change(&mut state, now);
            Step { driver: self, state: &mut state, now, afterwards: &mut afterwards }.carry_out();
            afterwards.told = events::take(&mut state.run, error.as_ref());
            result
        };
        afterwards.finish(self);
        result
    }

    /// Looks at the machine without changing it.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the user's runs under the lock, so that a panic in it cannot have left the state in pieces.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        nanos(self.zero.elapsed())
    }

    /// Acts on deadlines, for as long as the application lives.
    async fn keep_time(self: Arc<Self>) {
        while !matches!(&*self.progress.borrow(), Progress::Down(_)) {
            let at = self.look(|state| state.alarm_at).map(Duration::from_nanos);
            let moved = self.alarm.notified();
            match at.and_then(|at| self.zero.checked_add(at)) {
                Some(due) => drop(first_of(moved, tokio::time::sleep_until(due)).await),
                None => moved.await,
            }
            self.act(|_, _| ());
        }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Waits for the application's end.
    pub(crate) async fn ended(&self) -> Result<(), AppError> {
        let mut progress = self.progress();
        let end = progress.wait_for(|progress| matches!(progress, Progress::Down(_))).await;
        match end.as_deref() {
            Ok(Progress::Down(outcome)) => outcome.clone(),
            _ => Ok(()),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.look(|state| state.addresses.clone())
    }

    /// The ways in through memory.
    pub(crate) fn doors(&self) -> Vec<Door> {
        self.look(|state| state.doors.clone())
    }

    /// Finds a value, or has it made.
    pub(crate) async fn resolve(self: &Arc<Self>, node: NodeId, origin: Origin) -> Result<(Held, Arc<Epoch>), AppError> {
        let asked = self.act(|state, now| state.ask(now, node, origin));
        let (held, epoch) = match asked {
            Asked::Settled(settled) => settled.map_err(AppError::one)?,
            Asked::Pending(ticket, settled) => wait::Asking::new(self, ticket, settled).await?,
        };
        Ok((self.blueprint.adapt(node, held), epoch))
    }

    /// Opens a scope inside another and gives it what comes with it.
    pub(crate) fn open_frame(
        self: &Arc<Self>,
        parent: Frame,
        depth: usize,
        given: Vec<(NodeId, Held)>,
    ) -> Result<(Frame, Arc<Epoch>), AppError> {
        self.act(|state, _| {
            let frame = state.run.open_frame(parent, depth)?;
            state.frames.insert(frame, Vec::new());
            for (node, held) in given {
                let instance = state.run.give_context(frame, node)?;
                state.values.insert(instance, held);
            }
            Ok((frame, Arc::clone(&state.epoch)))
        })
    }

    /// Begins to close a scope, and returns what tells of its end, if that has not come already.
    pub(crate) fn close_frame(self: &Arc<Self>, frame: Frame) -> Option<oneshot::Receiver<Vec<AppFailure>>> {
        self.act(|state, now| {
            let waiting = state.frames.get_mut(&frame)?;
            let (sender, receiver) = oneshot::channel();
            waiting.push(sender);
            state.run.close_frame(now, frame, CloseCause::Normal);
            Some(receiver)
        })
    }

    pub(crate) fn add_hook(self: &Arc<Self>, constructor: Op, hook: AddedHook, calls: HookCalls) -> Result<(), AppError> {
        self.act(|state, _| {
            let id = state.run.add_hook(constructor, hook)?;
            state.added_hooks.insert(id, calls);
            Ok(())
        })
    }

    /// Has values made anew together, and returns what tells of the swap.
    pub(crate) fn reload(self: &Arc<Self>, nodes: &[NodeId]) -> Result<oneshot::Receiver<Option<AppFailure>>, AppError> {
        self.act(|state, now| {
            let generation = state.run.reload(now, nodes)?;
            let (sender, receiver) = oneshot::channel();
            state.reloads.push((generation, sender));
            Ok(receiver)
        })
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
