//! What came back.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use ::http::Response;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_core::de::DeserializeOwned;

use super::error::TestError;

/// A whole response. It is an `http::Response<Bytes>`, with `status()`, `headers()`, `body()` and the others, and what tests want besides.
pub struct TestResponse {
    request: String,
    response: Response<Bytes>,
}

impl TestResponse {
    pub(super) async fn collect(response: Response<TestBody>) -> Result<Self, TestError> {
        let (head, body) = response.into_parts();
        let request = body.request.clone();
        let body = body.collect().await?.to_bytes();
        Ok(Self { request, response: Response::from_parts(head, body) })
    }

    /// Returns the body as text. What is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.body())
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// If it is none, or none of this type; the status and the body are told.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, TestError> {
        serde_json::from_slice(self.body()).map_err(|error| {
            let problem = format!("the body of the {} is not the JSON that is wanted: `{}`", self.status(), self.text());
            TestError::new(&self.request, problem).caused_by(error)
        })
    }

    /// Returns the response alone.
    #[must_use]
    pub fn into_inner(self) -> Response<Bytes> {
        self.response
    }
}

impl Deref for TestResponse {
    type Target = Response<Bytes>;

    fn deref(&self) -> &Response<Bytes> {
        &self.response
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("TestResponse");
        told.field("request", &self.request).field("status", &self.status()).field("headers", self.headers());
        told.field("body", &self.text()).finish()
    }
}

/// The body of a response while it comes. Nothing is read ahead of who asks: a server that sends more than 64 KiB waits.
pub struct TestBody {
    request: String,
    incoming: Incoming,
}

impl TestBody {
    pub(super) fn new(request: String, incoming: Incoming) -> Self {
        Self { request, incoming }
    }

    /// Returns the next piece, or nothing at the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub async fn next(&mut self) -> Option<Result<Bytes, TestError>> {
        loop {
            match poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?.map(Frame::into_data) {
                Ok(Ok(piece)) => return Some(Ok(piece)),
                // Trailers are no piece.
                Ok(Err(_)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = TestError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TestError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let broken = |error| TestError::new(&self.request, "the response broke off").caused_by(error);
        Poll::Ready(frame.map(|frame| frame.map_err(broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for TestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBody").field("request", &self.request).finish_non_exhaustive()
    }
}
