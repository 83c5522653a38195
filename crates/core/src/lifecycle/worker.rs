//! How a worker is supervised.

use std::time::Duration;

/// When a worker that has ended is run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Not at all; a failure counts as exhaustion.
    Never,
    /// After a failure. A normal return is the end of its work.
    #[default]
    OnFailure,
    /// After a failure, a normal return, and a cancellation by somebody else.
    Always,
}

/// What follows when a worker has failed too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnExhausted {
    /// The application stops.
    #[default]
    StopApp,
    /// The application goes on without it and says so.
    Degrade,
    /// What starts after it is stopped, and all of them are started anew.
    RestartDependents,
}

/// How a worker is supervised.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// When it is run again. Default: after a failure.
    pub restart: Restart,
    /// The wait before the first restart. Default: 0.2 s.
    pub backoff: Duration,
    /// How much longer each next wait is. Default: 2.
    pub factor: f64,
    /// The longest wait. Default: 30 s.
    pub max_backoff: Duration,
    /// The part of a wait that is random, up or down. Default: 0.1.
    pub jitter: f64,
    /// Restarts within `window` before it counts as exhausted. Default: 5.
    pub max_restarts: u32,
    /// Default: 60 s.
    pub window: Duration,
    /// After running this long, waits begin again at `backoff`, and earlier restarts are forgotten. Default: 60 s.
    pub stable_after: Duration,
    /// What follows then. Default: the application stops.
    pub on_exhausted: OnExhausted,
    /// Whether the start waits until the worker says that it is ready. Default: no.
    pub has_ready_gate: bool,
    /// The longest time between two ticks of the worker; longer is a failure. Default: it need not tick.
    pub watchdog: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::default(),
            backoff: Duration::from_millis(200),
            factor: 2.0,
            max_backoff: Duration::from_secs(30),
            jitter: 0.1,
            max_restarts: 5,
            window: Duration::from_secs(60),
            stable_after: Duration::from_secs(60),
            on_exhausted: OnExhausted::default(),
            has_ready_gate: false,
            watchdog: None,
        }
    }
}
