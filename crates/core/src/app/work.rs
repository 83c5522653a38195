//! What workers and constructors are given besides values.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    declare::Hook,
    driver::{Driver, Origin, wait::first_of},
    error::AppError,
};
use crate::lifecycle::Op;

/// Tells a worker that it is to end.
///
/// A worker that ends by itself when this is requested is never cancelled in the middle of a step. One that does not take notice is
/// dropped at its next `.await` after [`Options::stop_step_timeout`](crate::lifecycle::Options). Nothing else can take one:
///
/// ```compile_fail
/// hostloop::App::builder().construct(|stop: hostloop::Stop| 7_u8);
/// ```
///
/// The worker of a link shortener:
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use hostloop::Stop;
/// # struct Links;
/// # impl Links { async fn drop_expired(&self) {} }
///
/// async fn sweep(links: Arc<Links>, stop: Stop) {
///     while stop.sleep(Duration::from_secs(60)).await {
///         links.drop_expired().await;
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of a [`Stop`].
#[derive(Debug)]
pub(crate) struct StopSource(watch::Sender<bool>);

impl StopSource {
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Returns whether the worker is to end.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the worker is to end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn requested(&self) {
        // An error says that nobody is there any more to request it.
        let _ = self.0.clone().wait_for(|is_requested| *is_requested).await;
    }

    /// Waits this long, and returns whether the worker is to go on.
    pub async fn sleep(&self, duration: Duration) -> bool {
        self.or(tokio::time::sleep(duration)).await.is_some()
    }

    /// Waits for a future, and gives it up when the worker is to end.
    pub async fn or<F: Future>(&self, future: F) -> Option<F::Output> {
        first_of(self.requested(), future).await.err()
    }
}

/// Who watches over a worker.
#[derive(Clone, Debug)]
pub struct Supervisor {
    driver: Arc<Driver>,
    op: Op,
    attempt: u32,
}

impl Supervisor {
    pub(crate) fn new(driver: Arc<Driver>, op: Op, attempt: u32) -> Self {
        Self { driver, op, attempt }
    }

    /// Says that the worker is ready: a start that waits for it goes on. See [`Worker::ready_within`](super::Worker::ready_within).
    pub fn ready(&self) {
        self.driver.act(|state, now| state.run.worker_ready(now, self.op));
    }

    /// Says that the worker is alive. With [`Policy::watchdog`](crate::lifecycle::Policy), one that is silent for longer is run again.
    pub fn tick(&self) {
        self.driver.act(|state, now| state.run.worker_tick(now, self.op));
    }

    /// Returns which run of the worker this is, from 1 on.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// Where a constructor adds hooks that belong to what it makes.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// use hostloop::app::{AppError, Hook, Lifecycle};
///
/// struct Cache;
///
/// impl Cache {
///     async fn warm_up(self: Arc<Self>) {}
/// }
///
/// async fn cache(lifecycle: Lifecycle) -> Result<Arc<Cache>, AppError> {
///     let cache = Arc::new(Cache);
///     let warmed = Arc::clone(&cache);
///     lifecycle.add(Hook::new("warm the cache").on_start(move || Arc::clone(&warmed).warm_up()))?;
///     Ok(cache)
/// }
///
/// let app = hostloop::App::builder().provide_arc(cache).build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
#[derive(Debug)]
pub struct Lifecycle {
    driver: Arc<Driver>,
    origin: Origin,
}

impl Lifecycle {
    pub(crate) fn new(driver: Arc<Driver>, origin: Origin) -> Self {
        Self { driver, origin }
    }

    /// Adds a hook, which starts and stops with what the constructor makes. Its closures take no parameters: they keep what they need.
    ///
    /// # Errors
    ///
    /// If the constructor has returned already, or if the hook's closures take parameters.
    pub fn add(&self, hook: Hook) -> Result<(), AppError> {
        let (added, calls) = hook.into_added()?;
        match self.origin.op {
            Some(op) => self.driver.add_hook(op, added, calls),
            None => Err(AppError::closed(format!("hook `{}` is added outside a constructor", added.label))),
        }
    }
}
