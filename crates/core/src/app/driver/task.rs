//! One call of the user's, as a task: it can be cancelled, a panic in it is a failure, and one that keeps its thread is told.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Driver, events};
use crate::{
    app::{
        error::{BoxError, Panicked, SharedError},
        listening::Hurry,
        recipe::{BoxFuture, Later},
        work::StopSource,
    },
    lifecycle::NodeId,
};

/// How a task ended.
pub(super) enum Ended<T> {
    Done(T),
    Failed(SharedError),
    Cancelled,
}

impl<T> Ended<T> {
    pub(super) fn error(&self) -> Option<SharedError> {
        match self {
            Self::Failed(error) => Some(Arc::clone(error)),
            Self::Done(_) | Self::Cancelled => None,
        }
    }
}

/// What is under way, by what ends it early.
pub(super) enum Running {
    /// A task: its future is dropped.
    Task(oneshot::Sender<()>),
    /// A worker: it is asked, then dropped.
    Worker(oneshot::Sender<()>, StopSource),
    /// A drain: what it waits for is cut off, and it ends soon after.
    Drain(Option<oneshot::Sender<()>>, Option<Hurry>),
    /// The wait for the users of what was replaced.
    Users,
}

/// A future that makes its call with the first poll.
pub(super) struct Guarded<T> {
    call: Option<Later<T>>,
    future: Option<BoxFuture<Result<T, BoxError>>>,
    cancelled: oneshot::Receiver<()>,
    blocked_after: Duration,
    driver: Arc<Driver>,
    node: NodeId,
}

impl<T> Guarded<T> {
    pub(super) fn new(
        driver: &Arc<Driver>,
        node: NodeId,
        call: impl FnOnce() -> BoxFuture<Result<T, BoxError>> + Send + 'static,
    ) -> (oneshot::Sender<()>, Self) {
        let (cancel, cancelled) = oneshot::channel();
        let blocked_after = driver.blueprint.options.blocked_after;
        let guarded = Self { call: Some(Box::new(call)), future: None, cancelled, blocked_after, driver: Arc::clone(driver), node };
        (cancel, guarded)
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, BoxError>> {
        if let Some(call) = self.call.take() {
            self.future = Some(call());
        }
        match &mut self.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Drops the user's future, in which a panic counts as little as anything else that it does now.
    fn give_up(&mut self) {
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl<T> Future for Guarded<T> {
    type Output = Ended<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<T>> {
        let this = &mut *self;
        let began = Instant::now();
        let step = catch_unwind(AssertUnwindSafe(|| this.step(cx)));
        let took = began.elapsed();
        if took > this.blocked_after {
            events::blocked(&this.driver.blueprint.plan, this.node, took);
        }
        let ended = match step {
            Ok(Poll::Ready(Ok(value))) => Ended::Done(value),
            Ok(Poll::Ready(Err(error))) => Ended::Failed(error.into()),
            Err(panic) => Ended::Failed(Arc::new(Panicked::new(&*panic))),
            // A sender that is gone says that the machine waits no longer: what was begun goes on by itself.
            Ok(Poll::Pending) => match Pin::new(&mut this.cancelled).poll(cx) {
                Poll::Ready(Ok(())) => Ended::Cancelled,
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            },
        };
        this.give_up();
        Poll::Ready(ended)
    }
}
