//! SIGINT and SIGTERM, for as long as an application runs.
//!
//! Tokio takes a signal over for the rest of the process, so that Ctrl-C would do nothing once the application has ended. Here what a
//! signal did before is put back, and Tokio's own handler when the next application runs.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::{AppError, AppFailure};
use crate::lifecycle::FailureCause;

/// Signals that are caught, until this is dropped.
pub(crate) struct Signals {
    caught: [(i32, Signal); 2],
    _restored: [Restored; 2],
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, AppError> {
        let refused = |error: io::Error| {
            let failure = AppFailure::new("SIGINT and SIGTERM cannot be caught", FailureCause::Closed);
            AppError::one(failure.caused_by(Some(std::sync::Arc::new(error))))
        };
        let (interrupt, first) = catch(libc::SIGINT).map_err(refused)?;
        let (terminate, second) = catch(libc::SIGTERM).map_err(refused)?;
        Ok(Self { caught: [(libc::SIGINT, interrupt), (libc::SIGTERM, terminate)], _restored: [first, second] })
    }

    /// Waits for the next, and returns its number.
    pub(crate) async fn next(&mut self) -> i32 {
        poll_fn(|cx| {
            for (number, signal) in &mut self.caught {
                if let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }
}

fn catch(number: i32) -> io::Result<(Signal, Restored)> {
    let mut caught = CAUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    let before = action(number, None)?;
    let signal = signal(SignalKind::from_raw(number))?;
    match caught.iter_mut().find(|catch| catch.number == number) {
        None => caught.push(Caught { number, runs: 1, before, tokios: action(number, None)? }),
        Some(catch) => {
            if catch.runs == 0 {
                // Tokio has installed its handler long ago, and takes it for being there.
                catch.before = action(number, Some(&catch.tokios))?;
            }
            catch.runs += 1;
        }
    }
    Ok((signal, Restored(number)))
}

/// A signal that some run has caught.
struct Caught {
    number: i32,
    /// How many runs catch it now.
    runs: usize,
    before: libc::sigaction,
    tokios: libc::sigaction,
}

// SAFETY: the structure is plain data; what it points at is code.
unsafe impl Send for Caught {}

static CAUGHT: Mutex<Vec<Caught>> = Mutex::new(Vec::new());

/// Puts back what a signal did before, with the last run that has caught it.
struct Restored(i32);

impl Drop for Restored {
    fn drop(&mut self) {
        let mut caught = CAUGHT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catch) = caught.iter_mut().find(|catch| catch.number == self.0) {
            catch.runs -= 1;
            if catch.runs == 0 {
                // It cannot fail: the same action was there before.
                let _ = action(self.0, Some(&catch.before));
            }
        }
    }
}

/// Returns what a signal does, and changes it if there is something to change it to.
fn action(number: i32, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::uninit();
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or an action that this function has returned; `old` has room for one.
    let result = unsafe { libc::sigaction(number, new, old.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, and then it has written the old action.
    Ok(unsafe { old.assume_init() })
}
