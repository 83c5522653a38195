//! A running application, and requests of it.

use std::{fmt, ops::Deref, sync::Arc};

use ::http::{Method, Request};
use bytes::Buf;
use http_body::Body;

use super::{error::TestError, request::TestRequest};
use crate::app::{error::BoxError, http::Door, running::Running};

/// An application that runs without a socket, and makes requests of its own `http`. Made by [`App::test`](crate::App::test).
///
/// All that is declared is built and started as in production, and is at hand: the client is a [`Running`] and an
/// [`AppHandle`](crate::app::AppHandle) too, with `resolve`, `scope`, `reload`, `stop` and the others.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// use axum::{Json, Router, extract::State, routing::post};
/// use hostloop::App;
/// use serde_json::{Value, json};
///
/// #[derive(Default)]
/// struct Visits(AtomicU32);
///
/// async fn visit(State(visits): State<Arc<Visits>>, Json(who): Json<Value>) -> Json<Value> {
///     Json(json!({ "who": who["name"], "visit": visits.0.fetch_add(1, Ordering::Relaxed) + 1 }))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = App::builder()
///     .supply(Visits::default())
///     .http("0.0.0.0:8000", |visits: Arc<Visits>| Router::new().route("/visits", post(visit)).with_state(visits))
///     .build()?;
///
/// let client = app.test().await?;
/// let response = client.post("/visits").json(&json!({ "name": "Ada" })).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.json::<Value>()?, json!({ "who": "Ada", "visit": 1 }));
/// assert_eq!(client.resolve::<Visits>().await?.0.load(Ordering::Relaxed), 1);
/// client.stop().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What differs from production
///
/// - No address is looked up or bound. [Listeners](crate::app::listener) of the user's own are left out.
/// - Each request has a connection of its own, with `host: testserver` and `connection: close` unless it says otherwise, and comes from
///   `127.0.0.1:0`.
/// - One engine answers, whatever [`Http::threads`](crate::app::Http::threads) says.
/// - A clock that `tokio::time::pause` has stopped stands still while a request is at work, for up to 5 s of real time, and goes on when its
///   handler waits. What it waits for is known if it is Tokio's: a task, a timer, `spawn_blocking`. If it is a thread of its own, or another
///   process, the clock sees nobody at work and jumps to the next timer meanwhile, such as a test's `timeout`.
///   The server's own timeouts are real time.
///
/// # Which listener
///
/// With one `http` declaration, that is asked. With several, [`TestClient::at`] says which; a request that does not is an error.
///
/// # Its end
///
/// Clones are the same application. When the last is dropped, it is stopped in the background; [`Running::stop`] also waits and tells what
/// failed.
#[derive(Clone)]
pub struct TestClient {
    running: Arc<Running>,
    address: Option<String>,
}

impl TestClient {
    pub(crate) fn new(running: Running) -> Self {
        Self { running: Arc::new(running), address: None }
    }

    /// Makes requests of the `http` with this address, as it was declared.
    #[must_use]
    pub fn at(&self, address: impl Into<String>) -> Self {
        Self { running: Arc::clone(&self.running), address: Some(address.into()) }
    }

    /// Makes a GET request of a path, which may have a query: `/links?page=2`.
    pub fn get(&self, path: &str) -> TestRequest {
        self.request(Method::GET, path)
    }

    /// Makes a POST request.
    pub fn post(&self, path: &str) -> TestRequest {
        self.request(Method::POST, path)
    }

    /// Makes a PUT request.
    pub fn put(&self, path: &str) -> TestRequest {
        self.request(Method::PUT, path)
    }

    /// Makes a PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest {
        self.request(Method::PATCH, path)
    }

    /// Makes a DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest {
        self.request(Method::DELETE, path)
    }

    /// Makes a HEAD request.
    pub fn head(&self, path: &str) -> TestRequest {
        self.request(Method::HEAD, path)
    }

    /// Makes an OPTIONS request.
    pub fn options(&self, path: &str) -> TestRequest {
        self.request(Method::OPTIONS, path)
    }

    /// Makes a request of any method.
    pub fn request(&self, method: Method, path: &str) -> TestRequest {
        TestRequest::new(self.door(), method, path)
    }

    /// Makes a request that is there already, with any body: `Body::from_stream(..)` of axum, a `String`, and others. It is sent as HTTP/1.1,
    /// or as HTTP/1.0 if it says so.
    pub fn send<B>(&self, request: Request<B>) -> TestRequest
    where
        B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        TestRequest::of(self.door(), request)
    }

    /// The `http` that is asked.
    fn door(&self) -> Result<Door, TestError> {
        let mut doors = self.running.driver().doors();
        let known = doors.iter().map(|door| format!("`{}`", door.address)).collect::<Vec<_>>().join(", ");
        if let Some(address) = &self.address {
            doors.retain(|door| door.address == *address);
        }
        let problem = match (doors.pop(), &self.address) {
            (Some(door), _) if doors.is_empty() => return Ok(door),
            (Some(_), None) => format!("HTTP is served at {known}; choose one with at(..)"),
            (Some(door), Some(_)) => format!("HTTP is served at `{}` more than once; declare different addresses", door.address),
            (None, _) if known.is_empty() => "nothing serves HTTP; add http(address, ...)".into(),
            (None, address) => format!("nothing serves HTTP at `{}`; use {known}", address.as_deref().unwrap_or_default()),
        };
        Err(TestError::new("no request can be made", problem))
    }
}

impl Deref for TestClient {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("address", &self.address).finish_non_exhaustive()
    }
}
