//! What tests of applications share: a log of what happened, and times on Tokio's paused clock.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use hostloop::{
    App,
    app::{AppBuilder, AppError, AppHandle},
};
use tokio::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What happened, in order. Clones are the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// Notes it, in a future.
    pub(crate) fn noting(&self, what: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let log = self.clone();
        async move { log.note(what) }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Notes that a future was dropped before it had ended.
pub(crate) struct Unfinished(pub(crate) Log, pub(crate) &'static str);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.note(format!("{} dropped", self.1));
    }
}

pub(crate) fn built(builder: AppBuilder) -> App {
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a future and returns how long it took on the paused clock, in seconds.
pub(crate) async fn timed<T>(future: impl Future<Output = T>) -> (T, f64) {
    let began = Instant::now();
    let output = future.await;
    // The clock ticks in milliseconds.
    (output, (began.elapsed().as_secs_f64() * 100.0).round() / 100.0)
}

pub(crate) fn text(error: &AppError) -> String {
    error.to_string()
}

/// Waits until the application says this of itself.
pub(crate) async fn until(app: &AppHandle, what: impl Fn(&AppHandle) -> bool) {
    while !what(app) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A failure of the test's own.
pub(crate) fn broken(what: &str) -> BoxError {
    what.into()
}
