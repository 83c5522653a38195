//! Waiting: for the first of two, and for a value that is made.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{Driver, Epoch, Settled};
use crate::{
    app::{error::AppError, value::Held},
    lifecycle::Ticket,
};

/// Waits for the first of two futures and drops the other. If both are done, the first counts.
pub(crate) async fn first_of<A: Future, B: Future>(a: A, b: B) -> Result<A::Output, B::Output> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| match a.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => b.as_mut().poll(cx).map(Err),
    })
    .await
}

/// A request for a value. Dropped before it is settled, it is given up; others that wait for the value are not harmed.
pub(crate) struct Asking<'d> {
    driver: &'d Arc<Driver>,
    ticket: Ticket,
    settled: oneshot::Receiver<Settled>,
    is_settled: bool,
}

impl<'d> Asking<'d> {
    pub(super) fn new(driver: &'d Arc<Driver>, ticket: Ticket, settled: oneshot::Receiver<Settled>) -> Self {
        Self { driver, ticket, settled, is_settled: false }
    }
}

impl Future for Asking<'_> {
    type Output = Result<(Held, Arc<Epoch>), AppError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let settled = std::task::ready!(Pin::new(&mut self.settled).poll(cx));
        self.is_settled = true;
        Poll::Ready(match settled {
            Ok(settled) => settled.map_err(AppError::one),
            Err(_) => Err(AppError::closed("the application has stopped")),
        })
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.driver.act(|state, now| {
                state.tickets.remove(&self.ticket);
                state.run.abandon(now, self.ticket);
            });
        }
    }
}
