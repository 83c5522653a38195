//! Who still uses what was replaced.
//!
//! An epoch is the time between two swaps. Every scope that is entered and every value that is lent in it holds it; a swap ends it for
//! those to come. When its last holder has gone, what was replaced then is in nobody's hands. An older epoch holds the next: its holders
//! may use what the next swap replaces.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::Driver;
use crate::lifecycle::{Op, Outcome};

/// The time between two swaps.
pub(crate) struct Epoch {
    next: OnceLock<Arc<Epoch>>,
    awaited: Mutex<Option<(Weak<Driver>, Op)>>,
}

impl Epoch {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { next: OnceLock::new(), awaited: Mutex::default() })
    }

    /// Begins the epoch after this.
    pub(super) fn next(&self) -> Arc<Self> {
        Arc::clone(self.next.get_or_init(Self::new))
    }

    /// Answers this command when the last holder has gone.
    pub(super) fn tell(&self, driver: &Arc<Driver>, op: Op) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::downgrade(driver), op));
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        let awaited = self.awaited.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((driver, op)) = awaited
            && let Some(driver) = driver.upgrade()
        {
            driver.act(|state, now| {
                state.running.remove(&op);
                state.run.complete(now, op, Outcome::Done);
            });
        }
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Epoch")
    }
}
