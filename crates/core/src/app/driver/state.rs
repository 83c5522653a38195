//! The machine behind its lock, and what the machine knows by number alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::sync::oneshot;

use super::{
    Epoch, Origin, Settled,
    task::{Ended, Running},
};
use crate::{
    Address,
    app::{
        error::{AppFailure, Fatal, SharedError},
        http::Door,
        listening::Listening,
        recipe::{Close, HookCalls},
        value::Held,
    },
    lifecycle::{Arg, Failure, FailureCause, Frame, HookId, Instance, NodeId, Op, Outcome, Request, Run, Ticket},
};

/// The machine, and what it knows by number alone.
pub(crate) struct State {
    pub(crate) run: Run,
    pub(super) values: HashMap<Instance, Held>,
    pub(super) closes: HashMap<Instance, Close>,
    pub(super) running: HashMap<Op, Running>,
    pub(super) added_hooks: HashMap<HookId, HookCalls>,
    pub(super) listening: HashMap<NodeId, Listening>,
    pub(super) addresses: Vec<Address>,
    pub(super) doors: Vec<Door>,
    pub(super) tickets: HashMap<Ticket, oneshot::Sender<Settled>>,
    /// Scopes that are open, and who waits for the end of each.
    pub(super) frames: HashMap<Frame, Vec<oneshot::Sender<Vec<AppFailure>>>>,
    pub(super) reloads: Vec<(u64, oneshot::Sender<Option<AppFailure>>)>,
    pub(super) errors: Errors,
    pub(super) epoch: Arc<Epoch>,
    /// The generation that was replaced last, until the machine asks for its users.
    pub(super) retiring: Option<Arc<Epoch>>,
    pub(super) alarm_at: Option<u64>,
}

/// Errors that failures name by number. The last are kept: a failure that is older has lost its error, not its message.
#[derive(Default)]
pub(super) struct Errors {
    first: u64,
    kept: VecDeque<SharedError>,
}

const ERRORS_KEPT: usize = 4096;

impl Errors {
    fn keep(&mut self, error: SharedError) -> u64 {
        self.kept.push_back(error);
        if self.kept.len() > ERRORS_KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.first + self.kept.len() as u64 - 1
    }

    fn get(&self, number: u64) -> Option<SharedError> {
        self.kept.get(usize::try_from(number.checked_sub(self.first)?).ok()?).cloned()
    }
}

/// What asking for a value leads to.
pub(super) enum Asked {
    Settled(Settled),
    Pending(Ticket, oneshot::Receiver<Settled>),
}

impl State {
    pub(super) fn new(run: Run) -> Self {
        Self {
            run,
            values: HashMap::new(),
            closes: HashMap::new(),
            running: HashMap::new(),
            added_hooks: HashMap::new(),
            listening: HashMap::new(),
            addresses: Vec::new(),
            doors: Vec::new(),
            tickets: HashMap::new(),
            frames: HashMap::new(),
            reloads: Vec::new(),
            errors: Errors::default(),
            epoch: Epoch::new(),
            retiring: None,
            alarm_at: None,
        }
    }

    pub(super) fn value(&self, arg: Arg) -> Option<Held> {
        match arg {
            Arg::Value(instance) => self.values.get(&instance).cloned(),
            Arg::Lazy(_) | Arg::Absent => None,
        }
    }

    pub(super) fn ask(&mut self, now: u64, node: NodeId, Origin { frame, op }: Origin) -> Asked {
        match self.run.request(now, node, frame, op) {
            Request::Ready(arg) => Asked::Settled(self.settled(Ok(arg))),
            Request::Refused(failure) => Asked::Settled(self.settled(Err(failure))),
            Request::Pending(ticket) => {
                let (sender, receiver) = oneshot::channel();
                self.tickets.insert(ticket, sender);
                Asked::Pending(ticket, receiver)
            }
        }
    }

    pub(super) fn settled(&self, outcome: Result<Arg, Failure>) -> Settled {
        match outcome {
            Ok(Arg::Value(instance)) => match self.values.get(&instance) {
                Some(held) => Ok((held.clone(), Arc::clone(&self.epoch))),
                None => Err(AppFailure::new("the value has been taken back", FailureCause::Closed)),
            },
            Ok(Arg::Lazy(_) | Arg::Absent) => Err(AppFailure::new("it is no value", FailureCause::Closed)),
            Err(failure) => Err(self.failure(failure)),
        }
    }

    /// A failure with the error it names.
    pub(super) fn failure(&self, failure: Failure) -> AppFailure {
        let source = match failure.cause {
            FailureCause::Error(number) => self.errors.get(number),
            _ => None,
        };
        AppFailure::new(failure.message, failure.cause).caused_by(source)
    }

    pub(super) fn outcome<T>(&mut self, ended: Ended<T>, done: impl FnOnce(T) -> Outcome) -> Outcome {
        match ended {
            Ended::Done(value) => done(value),
            Ended::Cancelled => Outcome::Cancelled,
            Ended::Failed(error) => {
                let is_fatal = error.is::<Fatal>();
                let number = self.errors.keep(error);
                if is_fatal { Outcome::Fatal(number) } else { Outcome::Failed(number) }
            }
        }
    }
}
