//! A paused clock stands still while an engine's thread is at work.
//!
//! Tokio moves a paused clock on as soon as its own thread has nothing to do. It does not see that a request is being answered on another
//! thread, and a test would find that hours have passed. It does see a blocking task, so there is one as long as the engine's thread is at
//! work. Once that thread waits, so does the test, and the clock goes on to whatever either waits for.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::runtime::{Handle as Runtime, RuntimeFlavor};

/// A handler that keeps the engine's thread for longer does not keep the clock, nor the end of the runtime.
const LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Stillness {
    runtime: Runtime,
    thread: Mutex<Thread>,
    changed: Condvar,
}

/// What the engine's thread does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    Works,
    Waits,
    /// It has ended, and what wakes it comes too late.
    Ended,
}

/// Held by the engine's thread until it ends.
pub(super) struct Working(Arc<Stillness>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.change(&mut self.0.lock(), Thread::Ended);
    }
}

impl Stillness {
    /// Begins with the work of starting the thread.
    pub(super) fn new(runtime: &Runtime) -> Arc<Self> {
        let stillness = Arc::new(Self { runtime: runtime.clone(), thread: Mutex::new(Thread::Waits), changed: Condvar::new() });
        stillness.begin();
        stillness
    }

    /// There is work for the engine's thread.
    pub(super) fn begin(self: &Arc<Self>) {
        let mut thread = self.lock();
        if *thread != Thread::Waits {
            return;
        }
        *thread = Thread::Works;
        // No other runtime has a clock that can be paused.
        if self.runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let stillness = Arc::clone(self);
            drop(self.runtime.spawn_blocking(move || stillness.hold()));
        }
    }

    /// The engine's thread begins, and ends when what this returns is dropped.
    pub(super) fn working(self: &Arc<Self>) -> Working {
        Working(Arc::clone(self))
    }

    /// The engine's thread is about to wait, unless there is work again. Returns whether it may.
    pub(super) fn wait_unless(&self, has_work: impl FnOnce() -> bool) -> bool {
        let mut thread = self.lock();
        // Who brings work says so first and comes here then: either it is seen here, or it begins anew.
        if has_work() {
            return false;
        }
        self.change(&mut thread, Thread::Waits);
        true
    }

    fn change(&self, thread: &mut Thread, to: Thread) {
        *thread = to;
        self.changed.notify_all();
    }

    /// Holds the clock while the thread works.
    fn hold(&self) {
        let _ = self.changed.wait_timeout_while(self.lock(), LONGEST, |thread| *thread == Thread::Works);
    }

    fn lock(&self) -> MutexGuard<'_, Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
