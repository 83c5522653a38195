//! What takes requests, and how that ends.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    error::{BoxError, Ended},
    http::Door,
    recipe::{BoxFuture, LaterWith},
};
use crate::Address;

/// What a [`listener`](super::listener) has begun: it takes requests until it is drained. Dropped, it ends at once.
///
/// ```
/// # use std::{io, sync::Arc, time::Duration};
/// use hostloop::app::Listening;
/// # struct Greeter;
/// # struct Server;
/// # impl Server {
/// #     async fn bind(_: &str, _: Arc<Greeter>) -> io::Result<Self> { Ok(Self) }
/// #     async fn shut_down(self, _: Option<Duration>) -> io::Result<()> { Ok(()) }
/// # }
///
/// let app = hostloop::App::builder()
/// #   .supply(Greeter)
///     .listener("grpc", |greeter: Arc<Greeter>| async move {
///         let server = Server::bind("127.0.0.1:50051", greeter).await?;
///         Ok::<_, io::Error>(Listening::new(move |patience| server.shut_down(patience)))
///     })
///     .build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
#[must_use = "it ends when it is dropped"]
pub struct Listening {
    drain: LaterWith<Option<Duration>>,
    hurry: Option<Hurry>,
    addresses: Vec<Address>,
    door: Option<Door>,
}

/// Cuts off what a drain waits for.
#[derive(Clone)]
pub(crate) struct Hurry(Arc<dyn Fn() + Send + Sync>);

impl Hurry {
    pub(crate) fn new(cut_off: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(cut_off))
    }

    pub(crate) fn now(&self) {
        (self.0)();
    }
}

impl Listening {
    /// Says how it ends: no new request is taken, those under way are finished within the time that is given, and then all is closed. A
    /// drain that takes longer is dropped.
    pub fn new<F, Fut>(drain: F) -> Self
    where
        F: FnOnce(Option<Duration>) -> Fut + Send + 'static,
        Fut: Future<Output: Ended> + Send + 'static,
    {
        let drain = |patience| -> BoxFuture<Result<(), BoxError>> {
            let drained = drain(patience);
            Box::pin(async move { drained.await.ended() })
        };
        Self { drain: Box::new(drain), hurry: None, addresses: Vec::new(), door: None }
    }

    /// Notes where it listens, for [`Running::addresses`](super::Running::addresses).
    pub fn at(mut self, address: Address) -> Self {
        self.addresses.push(address);
        self
    }

    /// Has a drain that takes too long cut off what it waits for, instead of being dropped.
    pub(crate) fn hurried_by(self, hurry: Hurry) -> Self {
        Self { hurry: Some(hurry), ..self }
    }

    /// Has it reached through memory.
    pub(crate) fn through(self, door: Door) -> Self {
        Self { door: Some(door), ..self }
    }

    pub(crate) fn door(&self) -> Option<Door> {
        self.door.clone()
    }

    pub(crate) fn hurry(&self) -> Option<Hurry> {
        self.hurry.clone()
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        self.addresses.iter().cloned()
    }

    pub(crate) fn drain(self, patience: Option<Duration>) -> BoxFuture<Result<(), BoxError>> {
        (self.drain)(patience)
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
