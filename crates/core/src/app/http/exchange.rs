//! One request, from the service's future to the last byte of its response.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, Waker},
};

use ::http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use bytes::{Buf, Bytes};
use http_body::Body;

use super::{Pieces, RequestBody, Service};
use crate::{
    Engine, Error, ErrorKind, Handle, ResponseHead,
    app::error::{BoxError, Chain, Panicked},
};

/// The engine's side of a response that is under way.
pub(super) struct Exchange {
    pub(super) engine: Rc<Engine>,
    pub(super) handle: Handle,
    /// Whether a piece has left the queue since it was full.
    has_room: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    is_answered: Cell<bool>,
}

/// Why a response ends early.
enum Broken {
    /// The request has ended: nobody waits for the rest.
    Gone,
    /// The engine does not take the response.
    Refused(Error),
    /// The body failed in the middle.
    Body(BoxError),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Stale | ErrorKind::Closed => Self::Gone,
            _ => Self::Refused(error),
        }
    }
}

impl Exchange {
    pub(super) fn new(engine: Rc<Engine>, handle: Handle) -> Rc<Self> {
        Rc::new(Self { engine, handle, has_room: Cell::new(false), waker: RefCell::default(), is_answered: Cell::new(false) })
    }

    /// Notes that a piece has left the queue.
    pub(super) fn written(&self) {
        self.has_room.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Answers a request. A panic of the service's, there or in the body, is an answer too.
    pub(super) async fn serve(self: Rc<Self>, service: impl Service, request: Request<RequestBody>) {
        let mut serving = pin!(self.answer(service, request));
        let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(Panicked::new(&*panic))),
        });
        if let Err(panic) = ended.await {
            self.fail(&panic);
        }
    }

    async fn answer(&self, service: impl Service, request: Request<RequestBody>) {
        let sent = match service.answer(request).await {
            Ok(response) => self.send(response).await,
            Err(error) => return self.fail(&*error),
        };
        match sent {
            Ok(()) | Err(Broken::Gone) => {}
            Err(Broken::Refused(error)) => self.fail(&error),
            Err(Broken::Body(error)) => self.fail(&*error),
        }
    }

    /// Sends a body that is there at once as a whole, and any other piece by piece.
    async fn send(&self, response: Response<impl Pieces>) -> Result<(), Broken> {
        let (parts, body) = response.into_parts();
        let mut head = ResponseHead { status: parts.status, headers: parts.headers };
        if head.status == StatusCode::NO_CONTENT {
            // Frameworks state the length of the body that a HEAD would have; RFC 9110 8.6 forbids it here.
            head.headers.remove(CONTENT_LENGTH);
        }
        let length = body.size_hint().exact();
        let mut body = pin!(body);
        let first = match next_now(&mut body).await? {
            Now::End => return Ok(self.respond(head, Bytes::new())?),
            Now::Piece(first) => match next_now(&mut body).await? {
                Now::End => return Ok(self.respond(head, first)?),
                Now::Piece(second) => vec![first, second],
                Now::Later => vec![first],
            },
            Now::Later => Vec::new(),
        };
        if let Some(length) = length {
            head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        self.engine.respond_streamed(self.handle, head)?;
        self.is_answered.set(true);
        for piece in first {
            self.write(piece).await?;
        }
        while let Some(piece) = next(&mut body).await? {
            self.write(piece).await?;
        }
        Ok(self.engine.finish(self.handle)?)
    }

    fn respond(&self, head: ResponseHead, body: Bytes) -> Result<(), Error> {
        self.engine.respond(self.handle, head, body)?;
        self.is_answered.set(true);
        Ok(())
    }

    async fn write(&self, piece: Bytes) -> Result<(), Broken> {
        loop {
            self.has_room.set(false);
            match self.engine.write(self.handle, piece.clone(), 0) {
                Err(error) if error.kind() == ErrorKind::Full => self.room().await,
                result => return Ok(result?),
            }
        }
    }

    /// Waits until a piece has left the queue.
    async fn room(&self) {
        poll_fn(|cx| {
            if self.has_room.get() {
                return Poll::Ready(());
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Answers with a 500, or, in the middle of a response, lets the client see that it is incomplete.
    fn fail(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(target: "hostloop::http", error = %Chain(error), "a request failed");
        let ended = if self.is_answered.get() {
            self.engine.abort(self.handle)
        } else {
            let mut head = ResponseHead { status: StatusCode::INTERNAL_SERVER_ERROR, ..ResponseHead::default() };
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            self.respond(head, Bytes::from_static(FAILED))
        };
        if let Err(error) = ended {
            tracing::debug!(target: "hostloop::http", %error, "the client has left before");
        }
    }
}

/// An error in the user's service, as problem details (RFC 9457). What it was stands in the log, and not here.
const FAILED: &[u8] =
    br#"{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the service failed; its log says why"}"#;

/// What a body has at once.
enum Now {
    Piece(Bytes),
    End,
    Later,
}

async fn next_now<B: Pieces>(body: &mut Pin<&mut B>) -> Result<Now, Broken> {
    let mut next = pin!(next(body));
    poll_fn(|cx| {
        Poll::Ready(match next.as_mut().poll(cx) {
            Poll::Ready(Ok(Some(piece))) => Ok(Now::Piece(piece)),
            Poll::Ready(Ok(None)) => Ok(Now::End),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(Now::Later),
        })
    })
    .await
}

/// The next piece, or nothing at the end. Trailers are left out.
async fn next<B: Pieces>(body: &mut Pin<&mut B>) -> Result<Option<Bytes>, Broken> {
    loop {
        if body.is_end_stream() {
            return Ok(None);
        }
        match poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(Broken::Body(error.into())),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut piece) if piece.has_remaining() => return Ok(Some(piece.copy_to_bytes(piece.remaining()))),
                Ok(_) | Err(_) => {}
            },
        }
    }
}
