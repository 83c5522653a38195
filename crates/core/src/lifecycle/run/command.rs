//! What the machine asks of its host, what the host answers, and what it is told besides.

use std::time::Duration;

use super::super::graph::NodeId;

/// Work under way that the host answers with [`Run::complete`](super::Run::complete).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op(pub(crate) u64);

/// A value that the host holds. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(pub(crate) u64);

/// One scope that is open: the application's, a request's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(pub(crate) u64);

/// A request for a value, until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A hook: a node's of its own, or one that a constructor added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub(crate) u32);

macro_rules! number {
    ($($name:ident: $inner:ty),*) => {$(
        impl $name {
            /// Returns it as a number, for tables of the host's.
            #[must_use]
            pub fn to_bits(self) -> u64 {
                u64::from(self.0)
            }

            /// Makes it from such a number.
            #[must_use]
            pub fn from_bits(bits: u64) -> Self {
                Self(bits as $inner)
            }
        }
    )*};
}
number!(Op: u64, Instance: u64, Frame: u64, Ticket: u64, HookId: u32);

impl Frame {
    /// The application's scope.
    pub const APP: Self = Self(0);
}

/// What a call is given for one of its needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// This value.
    Value(Instance),
    /// A way to ask for the node's value later, in the frame that the call is made for.
    Lazy(NodeId),
    /// Nothing.
    Absent,
}

/// Why a value is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// Its scope ends.
    Normal,
    /// Its scope ends with an error: the host throws it into what is taken back.
    Error(u64),
    /// Nobody waits for it any more.
    Unwanted,
    /// A newer one took its place.
    Superseded,
}

impl CloseCause {
    /// Returns the word for it, the same in every language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Error(_) => "error",
            Self::Unwanted => "unwanted",
            Self::Superseded => "superseded",
        }
    }

    /// Returns the number of the host's error, if it is one.
    #[must_use]
    pub fn error(self) -> Option<u64> {
        if let Self::Error(error) = self { Some(error) } else { None }
    }
}

/// Why something is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// Its time is up.
    Timeout,
    /// Everything stops.
    Shutdown,
    /// Another of the same start has failed.
    Sibling,
    /// Nobody waits for it any more.
    Unwanted,
    /// It was silent for too long.
    Watchdog,
}

impl CancelReason {
    /// Returns the word for it, the same in every language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Shutdown => "shutdown",
            Self::Sibling => "sibling",
            Self::Unwanted => "unwanted",
            Self::Watchdog => "watchdog",
        }
    }
}

/// What the host is to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are named after their types")]
pub enum Command {
    /// Make a value from these, and keep it under its number. To be answered.
    Construct { op: Op, node: NodeId, instance: Instance, frame: Frame, args: Vec<Arg> },
    /// Take a value back. To be answered.
    Finalize { op: Op, node: NodeId, instance: Instance, cause: CloseCause },
    /// Forget these values: nothing will name them again.
    Forget { instances: Vec<Instance> },
    /// Run the start of a hook. To be answered.
    StartHook { op: Op, hook: HookId, args: Vec<Arg> },
    /// Run the stop of a hook. To be answered.
    StopHook { op: Op, hook: HookId, args: Vec<Arg> },
    /// Run a worker. To be answered when it ends.
    RunWorker { op: Op, node: NodeId, attempt: u32, args: Vec<Arg> },
    /// Ask a worker to end. Its run is answered when it has.
    StopWorker { op: Op },
    /// Begin to take requests. To be answered.
    Listen { op: Op, node: NodeId, args: Vec<Arg> },
    /// Stop taking new connections, and let those that are there finish within this time. To be answered.
    Drain { op: Op, node: NodeId, timeout: Option<Duration> },
    /// Answer when the last user of what was replaced by [`Command::Swap`] has left.
    AwaitUsers { op: Op },
    /// Cancel it; it is still to be answered.
    Cancel { op: Op, reason: CancelReason },
    /// Leave it to itself: an answer is too late. What it still makes, the host takes back.
    Abandon { op: Op },
    /// A ticket has its value, or none will come.
    Settle { ticket: Ticket, outcome: Result<Arg, Failure> },
    /// Put these values in the place of others, all in one step.
    Swap { values: Vec<(NodeId, Instance)> },
    /// A reload has ended; without a failure, the new values are in use.
    Reloaded { generation: u64, failure: Option<Failure> },
    /// A scope is closed.
    FrameClosed { frame: Frame, failures: Vec<Failure> },
    /// The start has ended well.
    Started,
    /// Everything has ended, with these failures, the first cause first.
    Stopped { code: i32, failures: Vec<Failure> },
    /// End the process now.
    Exit { code: i32 },
}

/// How what was asked for went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Well. Of a value: there is nothing to take back.
    Done,
    /// Well, and the value is to be taken back at the end of its scope.
    Held,
    /// It failed, with an error of the host's that has this number.
    Failed(u64),
    /// It failed, and trying again is of no use.
    Fatal(u64),
    /// It was cancelled.
    Cancelled,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FailureCause {
    /// The host's error of this number.
    Error(u64),
    /// It took longer than it may.
    TimedOut,
    /// It was cancelled, and not by the machine.
    Cancelled,
    /// It ended too often.
    Exhausted,
    /// It was silent for longer than its watchdog allows.
    Silent,
    /// Each waits for the other.
    Deadlock,
    /// Its scope is closed or closing.
    Closed,
}

impl FailureCause {
    /// Returns the word for it, the same in every language.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Exhausted => "exhausted",
            Self::Silent => "silent",
            Self::Deadlock => "deadlock",
            Self::Closed => "closed",
        }
    }

    /// Returns the number of the host's error, if it is one.
    #[must_use]
    pub fn error(&self) -> Option<u64> {
        if let Self::Error(error) = self { Some(*error) } else { None }
    }
}

/// What failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The node that it is about.
    pub node: NodeId,
    /// Why.
    pub cause: FailureCause,
    /// What happened, to be read.
    pub message: String,
}

/// What happened, for logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in nanoseconds of the host's clock.
    pub at: u64,
    /// What.
    pub kind: EventKind,
    /// To which node.
    pub node: Option<NodeId>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// More to be read, or empty.
    pub detail: String,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// What can happen.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
        }

        impl EventKind {
            /// Returns the name as it stands in logs and data.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}
events! {
    /// A constructor was called.
    Constructing = "constructing",
    /// A value is there.
    Constructed = "constructed",
    /// A constructor failed, or was cancelled.
    ConstructFailed = "construct failed",
    /// A value is taken back.
    Finalizing = "finalizing",
    /// A value was taken back.
    Finalized = "finalized",
    /// Taking a value back failed.
    FinalizeFailed = "finalize failed",
    /// A hook's start was called.
    HookStarting = "hook starting",
    /// A hook has started.
    HookStarted = "hook started",
    /// A hook's start or stop failed.
    HookFailed = "hook failed",
    /// A hook's stop was called.
    HookStopping = "hook stopping",
    /// A hook has stopped.
    HookStopped = "hook stopped",
    /// Something took longer than it may.
    TimedOut = "timed out",
    /// Something ignored that it was cancelled, and is waited for no longer.
    Abandoned = "abandoned",
    /// Something did not let the loop go on while it ran.
    Blocked = "blocked",
    /// A failed start is undone.
    RollingBack = "rolling back",
    /// The application has entered this phase.
    Phase = "phase",
    /// A worker runs.
    WorkerStarted = "worker started",
    /// A worker said that it is ready.
    WorkerReady = "worker ready",
    /// A worker ended.
    WorkerExited = "worker exited",
    /// A worker is run again after a while.
    WorkerBackoff = "worker backing off",
    /// A worker has failed too often.
    WorkerExhausted = "worker exhausted",
    /// A listener takes requests.
    Listening = "listening",
    /// A listener has let its requests finish.
    Drained = "drained",
    /// New values are made to take the place of others.
    Reloading = "reloading",
    /// New values took the place of others.
    Swapped = "swapped",
    /// New values could not be made; the others stay.
    ReloadFailed = "reload failed",
    /// Everything has ended.
    Closed = "closed",
}
