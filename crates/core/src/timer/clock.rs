//! Where the time comes from: the machine, or a test.

use std::{cell::Cell, rc::Rc, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// A source of monotonic time in nanoseconds.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's `CLOCK_MONOTONIC`.
    #[default]
    Monotonic,
    /// A clock that moves only when a test moves it.
    Manual(ManualClock),
}

impl Clock {
    /// Returns nanoseconds since a point that does not change while the process lives.
    #[must_use]
    pub fn now(&self) -> u64 {
        match self {
            Self::Monotonic => {
                let time = clock_gettime(ClockId::Monotonic);
                time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
            }
            Self::Manual(clock) => clock.0.get(),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }
}

/// A clock for tests: it stands still until [`ManualClock::advance`] moves it.
///
/// ```
/// use std::time::Duration;
/// use hostloop::{Clock, ManualClock};
///
/// let hand = ManualClock::new();
/// let clock = Clock::Manual(hand.clone());
/// hand.advance(Duration::from_secs(30));
/// assert_eq!(clock.now(), 30_000_000_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Rc<Cell<u64>>);

impl ManualClock {
    /// Makes a clock that shows zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.set(self.0.get() + nanos(by));
    }
}

/// A duration in nanoseconds, for a deadline that the wheel can hold.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
