//! How fast changes are followed: not in the midst of a series of them, not much later than its beginning, and slower and slower where
//! making a value changes what it is made of.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use tokio::time::{sleep, timeout};

use super::changes::Changes;

/// How long nothing changes after a series of changes.
const QUIET: Duration = Duration::from_millis(100);

/// How long a series of changes is waited for that does not end.
const LONGEST_SERIES: Duration = Duration::from_secs(1);

/// How many reloads in a row may be followed at once by changes of the same paths: tests do so too, that change a file when they see that
/// it was read.
const MOST_REPEATS: u32 = 10;

/// The longest pause after a reload.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Waits for the end of a series of changes, but not for long.
pub(super) async fn until_quiet(changes: &Changes) {
    let quiet = async { while timeout(QUIET, changes.come()).await.is_ok() {} };
    let _ = timeout(LONGEST_SERIES, quiet).await;
}

/// The pauses between reloads.
#[derive(Default)]
pub(super) struct Pace {
    /// How many reloads in a row were followed at once by changes of the same paths.
    repeats: u32,
}

impl Pace {
    /// Pauses after a reload: what it has itself changed comes at once. Too many in a row, and each doubles the pause.
    pub(super) async fn rest(&mut self, changes: &Changes, paths: &BTreeSet<PathBuf>) {
        let doubled = 2u32.saturating_pow(self.repeats.saturating_sub(MOST_REPEATS));
        sleep(QUIET.saturating_mul(doubled).min(LONGEST_PAUSE)).await;
        self.repeats = if changes.is_due_again(paths) { self.repeats.saturating_add(1) } else { 0 };
        if self.repeats == MOST_REPEATS {
            tracing::warn!(
                target: "hostloop::lifecycle",
                ?paths,
                "files have changed again and again while what is made of them was made, which is done less often now; if it writes there \
                 itself, have it write only what differs"
            );
        }
    }
}
