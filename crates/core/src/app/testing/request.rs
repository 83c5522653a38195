//! A request that is put together and sent.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version,
    header::{CONNECTION, CONTENT_TYPE, HOST},
};
use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use serde_core::Serialize;

use super::{
    error::TestError,
    response::{TestBody, TestResponse},
};
use crate::app::{
    error::BoxError,
    http::{Door, Outgoing},
};

/// A request that is about to be made: await it for the whole response, or [`stream`](TestRequest::stream) it.
///
/// A mistake in it, such as a header that cannot be sent, is told when it is awaited.
#[must_use = "it is made when it is awaited"]
pub struct TestRequest(Result<(Door, Request<Outgoing>), TestError>);

impl TestRequest {
    pub(super) fn new(door: Result<Door, TestError>, method: Method, path: &str) -> Self {
        let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
        Self(door.and_then(|door| match path.parse() {
            Ok(uri) => {
                let mut request = Request::new(empty);
                (*request.method_mut(), *request.uri_mut()) = (method, uri);
                Ok((door, request))
            }
            Err(error) => Err(TestError::new(format!("{method} {path}"), "the path cannot be sent").caused_by(error)),
        }))
    }

    pub(super) fn of<B>(door: Result<Door, TestError>, request: Request<B>) -> Self
    where
        B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let in_bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        let outgoing = |body: B| body.map_frame(move |frame| frame.map_data(in_bytes)).map_err(Into::into).boxed_unsync();
        Self(door.map(|door| (door, request.map(outgoing))))
    }

    /// Adds a header.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<::http::Error>>,
        V: TryInto<HeaderValue, Error: Into<::http::Error>>,
    {
        self.change(|request| {
            let (name, value) = (name.try_into().map_err(Into::into)?, value.try_into().map_err(Into::into)?);
            request.headers_mut().append(name, value);
            Ok(())
        })
    }

    /// Sets the body, whose length is told.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.change(|request| {
            *request.body_mut() = whole(body.into());
            Ok(())
        })
    }

    /// Sets the body to a value as JSON, and says so in `content-type` unless that is set.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        self.change(|request| {
            *request.body_mut() = whole(serde_json::to_vec(value)?.into());
            default_to(request.headers_mut(), CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(())
        })
    }

    /// Makes the request and returns when the head of its response is there; the body is read from the server as it is asked for.
    /// Dropped, the body takes the client away.
    ///
    /// ```
    /// # async fn test(client: hostloop::app::TestClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut events = client.get("/events").stream().await?.into_body();
    /// assert_eq!(events.next().await.transpose()?, Some("data: 1\n\n".into()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the request cannot be sent, or if no response comes.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the client leaves, and the server gives up the request.
    pub async fn stream(self) -> Result<Response<TestBody>, TestError> {
        let (door, mut request) = self.0?;
        let told = told(&request);
        address(&mut request).map_err(|problem| TestError::new(&told, problem))?;
        let Some(mut requests) = door.connect().await else {
            return Err(TestError::new(told, "the application takes no requests any more"));
        };
        match requests.send_request(request).await {
            Ok(response) => Ok(response.map(|incoming| TestBody::new(told, incoming))),
            Err(error) => Err(TestError::new(told, "no response came").caused_by(error)),
        }
    }

    async fn answered(self) -> Result<TestResponse, TestError> {
        TestResponse::collect(self.stream().await?).await
    }

    fn change(self, change: impl FnOnce(&mut Request<Outgoing>) -> Result<(), BoxError>) -> Self {
        Self(self.0.and_then(|(door, mut request)| match change(&mut request) {
            Ok(()) => Ok((door, request)),
            Err(error) => Err(TestError::new(told(&request), "it cannot be sent").caused_by(error)),
        }))
    }
}

/// What a request is called in errors.
fn told(request: &Request<Outgoing>) -> String {
    format!("{} {}", request.method(), request.uri())
}

fn whole(body: Bytes) -> Outgoing {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Addresses a request as a client on a connection does: with the path alone, and the host in a header.
fn address(request: &mut Request<Outgoing>) -> Result<(), String> {
    let uri = request.uri().clone();
    let Some(path) = uri.path_and_query() else { return Err(format!("`{uri}` is no path; write `/{uri}`")) };
    let host = uri.authority().and_then(|authority| authority.as_str().parse().ok());
    *request.uri_mut() = Uri::from(path.clone());
    // The server speaks HTTP/1.
    if request.version() != Version::HTTP_10 {
        *request.version_mut() = Version::HTTP_11;
    }
    default_to(request.headers_mut(), HOST, host.unwrap_or(HeaderValue::from_static("testserver")));
    default_to(request.headers_mut(), CONNECTION, HeaderValue::from_static("close"));
    Ok(())
}

fn default_to(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

impl IntoFuture for TestRequest {
    type Output = Result<TestResponse, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answered())
    }
}

impl fmt::Debug for TestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok((_, request)) => f.debug_tuple("TestRequest").field(&told(request)).finish(),
            Err(error) => f.debug_tuple("TestRequest").field(error).finish(),
        }
    }
}
