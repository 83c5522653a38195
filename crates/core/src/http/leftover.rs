//! What is left of a request's body when its response has been given.
//!
//! It is read and thrown away, up to a limit, so that the connection can serve its next request. Beyond the limit the connection closes, and
//! where that is known in time the response says so.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Poll},
};

use http_body::Body as _;
use hyper::body::Incoming;

use super::exchange::poll_data;

/// Bytes that are thrown away at most, as in Go.
const MOST: u64 = 256 * 1024;

/// The rest of a body that nobody wants.
#[derive(Default)]
pub(crate) struct Leftover {
    incoming: RefCell<Option<Incoming>>,
    thrown_away: Cell<u64>,
}

impl Leftover {
    /// Takes the rest of a body, and returns whether it can be thrown away. If not, the connection closes after the response.
    #[must_use]
    pub(crate) fn take(&self, incoming: Incoming) -> bool {
        if incoming.is_end_stream() {
            return true;
        }
        if incoming.size_hint().lower() > MOST {
            return false;
        }
        self.thrown_away.set(0);
        self.incoming.replace(Some(incoming));
        true
    }

    /// Gives up the rest: hyper closes the connection once the response has left.
    pub(crate) fn forget(&self) {
        let incoming = self.incoming.take();
        drop(incoming);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.incoming.borrow().is_some()
    }

    /// Throws away what has come.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) {
        loop {
            let mut incoming = self.incoming.borrow_mut();
            let Some(body) = incoming.as_mut() else { return };
            let Poll::Ready(chunk) = poll_data(body, cx) else { return };
            drop(incoming);
            let length = match chunk {
                Some(Ok(bytes)) => bytes.len() as u64,
                Some(Err(_)) | None => return self.forget(),
            };
            self.thrown_away.set(self.thrown_away.get() + length);
            if self.thrown_away.get() > MOST {
                return self.forget();
            }
        }
    }
}
