//! Timers: a hierarchical wheel with one owner, and the clock that drives it.

pub(crate) mod clock;
pub(crate) mod wheel;

pub use clock::{Clock, ManualClock};
pub use wheel::{TimerId, Wheel};
