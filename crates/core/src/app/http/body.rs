//! The body of a request: read from the client when it is polled, and not before.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use ::http::{HeaderMap, header};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::thread::Bell;
use crate::{Chunk, Handle};

/// The body of a request. It may be read on any thread; nothing is read from the client before it is asked for.
pub struct RequestBody {
    /// Nothing once the end has come, and for a request without a body.
    reading: Option<Arc<Reading>>,
    left: Option<u64>,
}

/// A body between its reader and the engine's thread.
pub(super) struct Reading {
    pub(super) handle: Handle,
    bell: Arc<Bell>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the engine has been asked for the next piece.
    is_asked: bool,
    came: Option<Chunk>,
    waker: Option<Waker>,
}

impl Reading {
    pub(super) fn new(handle: Handle, bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { handle, bell, state: Mutex::default() })
    }

    /// Gives the reader what has come.
    pub(super) fn came(&self, chunk: Chunk) {
        let mut state = self.state();
        state.came = Some(chunk);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Chunk> {
        let mut state = self.state();
        if let Some(chunk) = state.came.take() {
            state.is_asked = false;
            return Poll::Ready(chunk);
        }
        state.waker = Some(cx.waker().clone());
        if !std::mem::replace(&mut state.is_asked, true) {
            drop(state);
            self.bell.read(Arc::clone(self));
        }
        Poll::Pending
    }
}

impl RequestBody {
    /// Makes the body of a request with these headers, which `reading` is made for if it has one.
    pub(super) fn new(headers: &HeaderMap, reading: impl FnOnce() -> Arc<Reading>) -> (Self, Option<Arc<Reading>>) {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let has_one = length.map_or_else(|| headers.contains_key(header::TRANSFER_ENCODING), |length| length > 0);
        let reading = has_one.then(reading);
        (Self { reading: reading.clone(), left: if has_one { length } else { Some(0) } }, reading)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(reading) = &self.reading else { return Poll::Ready(None) };
        match std::task::ready!(reading.poll(cx)) {
            Chunk::Data(bytes) => {
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Chunk::End => {
                self.reading = None;
                Poll::Ready(None)
            }
            _ => {
                self.reading = None;
                Poll::Ready(Some(Err(BodyError)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The request has ended before its body did: the client went away, sent what is not allowed, or was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyError;

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request ended before its body did")
    }
}

impl std::error::Error for BodyError {}
