//! How long a peer may keep the engine waiting: a time that waiting uses up and bytes earn back.

use std::cell::Cell;

use crate::engine::alarm::NEVER;

pub(crate) struct Patience {
    /// Never more than this is left, in nanoseconds. `NEVER` does not run out.
    full: u64,
    nanos_per_byte: u64,
    left: Cell<u64>,
    waiting_since: Cell<Option<u64>>,
}

impl Patience {
    pub(crate) fn new(full: u64, min_rate: u32) -> Self {
        let nanos_per_byte = 1_000_000_000 / u64::from(min_rate.max(1));
        Self { full, nanos_per_byte, left: Cell::new(full), waiting_since: Cell::new(None) }
    }

    /// Starts anew, for the next message.
    pub(crate) fn reset(&self) {
        self.left.set(self.full);
        self.waiting_since.set(None);
    }

    /// Notes that bytes came or went.
    pub(crate) fn progress(&self, bytes: u64) {
        if self.full != NEVER {
            let earned = bytes.saturating_mul(self.nanos_per_byte);
            self.left.set(self.left.get().saturating_add(earned).min(self.full));
        }
    }

    /// Notes whether the peer is waited for now, and returns when that must end.
    pub(crate) fn wait(&self, is_waiting: bool, now: u64) -> u64 {
        if self.full == NEVER {
            return NEVER;
        }
        if let Some(since) = self.waiting_since.take() {
            self.left.set(self.left.get().saturating_sub(now - since));
        }
        if !is_waiting {
            return NEVER;
        }
        self.waiting_since.set(Some(now));
        now.saturating_add(self.left.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn waiting_uses_it_up_and_not_waiting_does_not() {
        let patience = Patience::new(10 * SECOND, 1);
        assert_eq!(patience.wait(true, 0), 10 * SECOND);
        assert_eq!(patience.wait(false, 4 * SECOND), NEVER);
        assert_eq!(patience.wait(true, 100 * SECOND), 106 * SECOND);
    }

    #[test]
    fn a_trickle_runs_out_and_a_steady_stream_does_not() {
        let ends = |bytes_a_second: u64| {
            let patience = Patience::new(10 * SECOND, 240);
            (1..1000).find(|second| {
                patience.progress(bytes_a_second);
                patience.wait(true, second * SECOND) <= second * SECOND
            })
        };
        assert!(ends(1).is_some_and(|second| second <= 12));
        assert_eq!(ends(240), None);
    }
}
