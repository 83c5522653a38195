//! HTTP for a Tokio service: an engine of hostloop's on a thread of its own, and a [`tower`](https://docs.rs/tower) service that answers.
//!
//! ```text
//! engine thread                                  the service's Tokio runtime
//!   Engine::park      one epoll, no hand-off        timers, sockets and tasks that handlers start
//!   Event::Request -> service.call(request)         (the thread has entered it)
//!                     polled here
//!   respond, write <- response
//! ```
//!
//! A request is read, handled and answered on the thread it arrived on. What a handler spawns runs on the runtime that the application runs
//! on, and lives on after the drain. With [`Http::threads`], several engines share the port.

mod body;
mod exchange;
mod memory;
mod server;
mod stillness;
mod thread;

use std::{fmt, net::SocketAddr, num::NonZero, sync::Arc};

use ::http::{Request, Response};
use bytes::Buf;

pub use self::body::{BodyError, RequestBody};
pub(crate) use self::memory::{Door, Outgoing};
use super::{
    call::Call, declare::Listener, error::BoxError, handle::AppHandle, parameter::InListener, recipe::BoxFuture,
    verbs::listener_labelled,
};
use crate::{Address, ServerOptions};

/// Where and how HTTP is served. Made of an address, such as `"127.0.0.1:8000"`, `"localhost:8000"` or `"unix:/run/app.sock"`.
///
/// ```
/// use std::time::Duration;
/// use hostloop::app::Http;
///
/// let http = Http::new("0.0.0.0:8000").threads(4).options(|options| {
///     options.limits.body_bytes = 1024 * 1024;
///     options.timeouts.handler = Some(Duration::from_secs(10));
/// });
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is served once it is given to `http`"]
pub struct Http {
    address: String,
    threads: usize,
    options: ServerOptions,
}

impl Http {
    /// Serves at this address. Port 0 takes any free port, which [`Running::addresses`](super::Running::addresses) tells.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), threads: 1, options: ServerOptions::default() }
    }

    /// Serves with this many engines, each on a thread of its own with a socket of its own at the same port: the system spreads connections
    /// among them. 0 is as many as the machine has cores. Default: 1. A unix socket is served by one.
    pub fn threads(self, threads: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { threads: if threads == 0 { cores() } else { threads }, ..self }
    }

    /// Changes limits, timeouts and whether every response is logged, with the target `hostloop::access`. The time for a drain is
    /// [`Options::drain_timeout`](crate::lifecycle::Options), which replaces [`Timeouts::drain`](crate::Timeouts).
    pub fn options(mut self, change: impl FnOnce(&mut ServerOptions)) -> Self {
        change(&mut self.options);
        self
    }
}

impl From<&str> for Http {
    fn from(address: &str) -> Self {
        Self::new(address)
    }
}

impl From<String> for Http {
    fn from(address: String) -> Self {
        Self::new(address)
    }
}

impl From<SocketAddr> for Http {
    fn from(address: SocketAddr) -> Self {
        Self::new(address.to_string())
    }
}

impl From<Address> for Http {
    fn from(address: Address) -> Self {
        Self::new(address.to_string())
    }
}

/// The address of the client that sent a request, in the request's extensions. Requests over a unix socket have none; those of a
/// [`TestClient`](super::TestClient) come from `127.0.0.1:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A [`tower`](https://docs.rs/tower) service that answers HTTP requests, such as an axum `Router`.
///
/// Implemented for every service that takes a `http::Request<RequestBody>`, and can be cloned and sent to a thread. Its futures need not be
/// `Send`: they stay on the thread.
///
/// The client's leaving drops the future. An error of the service, or a panic, is a 500. Trailers of a response are left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer HTTP requests",
    note = "return a tower service that takes `http::Request<hostloop::app::RequestBody>` and is `Clone + Send`, such as an axum `Router`"
)]
pub trait Service: Clone + Send + 'static {
    /// Answers a request, with a body in pieces.
    #[doc(hidden)]
    fn answer(self, request: Request<RequestBody>) -> impl Future<Output = Result<Response<impl Pieces>, BoxError>> + 'static;
}

/// The body of a response.
#[doc(hidden)]
pub trait Pieces: http_body::Body<Data: Buf, Error: Into<BoxError>> + 'static {}

impl<B> Pieces for B where B: http_body::Body<Data: Buf, Error: Into<BoxError>> + 'static {}

impl<S, B> Service for S
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: 'static,
    B: Pieces,
{
    async fn answer(mut self, request: Request<RequestBody>) -> Result<Response<impl Pieces>, BoxError> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await.map_err(Into::into)?;
        self.call(request).await.map_err(Into::into)
    }
}

/// Serves HTTP with a service that the closure makes of what it takes. It takes requests when all else is up, and is drained first.
#[track_caller]
pub fn http<F, A, S>(at: impl Into<Http>, f: F) -> Listener
where
    F: Call<A, InListener, Output = S>,
    S: Service,
{
    let http: Http = at.into();
    let label = format!("http {}", http.address);
    let listen = move |given: &mut super::parameter::Given| -> BoxFuture<Result<_, BoxError>> {
        let service = f.call(given);
        let (http, app) = (http.clone(), AppHandle::new(Arc::clone(&given.driver), given.origin));
        Box::pin(async move { server::start(http, app, service).await.map_err(Into::into) })
    };
    listener_labelled(label, F::wishes(), Arc::new(listen))
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
