//! How another thread reaches an engine.

use std::sync::Arc;

use super::{fork::Birthplace, tasks::Shared};
use crate::error::{Error, ErrorKind, Result};

/// Posts to an engine from any thread.
///
/// A post wakes the engine's descriptor, once for each change from empty to full, and arrives as
/// [`Event::Posted`](crate::Event::Posted).
#[derive(Clone)]
pub struct Remote {
    pub(crate) shared: Arc<Shared>,
    pub(crate) birthplace: Birthplace,
}

impl Remote {
    /// Posts a token. Posts of one thread arrive in order; what is posted to a closed engine arrives nowhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if as many posts are waiting as [`Config::inbox_capacity`](crate::Config::inbox_capacity) allows: the
    /// host does not take turns. [`ErrorKind::Forked`] in a forked process.
    pub fn post(&self, token: u64) -> Result<()> {
        if self.birthplace.is_elsewhere() {
            return Err(forked("post"));
        }
        if self.shared.post(token) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Full, "post", "the inbox is full; give the engine's thread time to take a turn, then post again"))
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

pub(crate) fn forked(operation: &'static str) -> Error {
    Error::new(ErrorKind::Forked, operation, "this process was forked after the engine was made; make a new engine here")
}
