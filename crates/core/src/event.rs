//! Events: what a turn tells the host.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::{engine::poller::Interest, handle::Handle};

/// One thing that happened, with the token that the host gave when it asked for it.
///
/// [`Event::is_final`] says which events end what they report on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A timer fired. Its handle is stale.
    Timer {
        /// The timer.
        handle: Handle,
        /// The token it was started with.
        token: u64,
    },
    /// A watched descriptor is ready. Reported again each turn for as long as it lasts.
    Ready {
        /// The watch.
        handle: Handle,
        /// The token it was started with.
        token: u64,
        /// In which directions.
        ready: Interest,
    },
    /// Another thread posted through a [`Remote`](crate::Remote).
    Posted {
        /// What it posted.
        token: u64,
    },
    /// A request arrived for a route. The host answers it.
    Request {
        /// The request, until its [`Event::Closed`].
        handle: Handle,
        /// The token of its route.
        token: u64,
        /// Its head. The host's to keep.
        head: Box<RequestHead>,
        /// Its whole body, if the route asked for that. The host's to keep.
        body: Option<Bytes>,
    },
    /// What came of reading a request's body.
    Body {
        /// The request.
        handle: Handle,
        /// The token that was given with the read.
        token: u64,
        /// The next bytes, the end, or why there are no more.
        chunk: Chunk,
    },
    /// A piece of a streamed response left the queue.
    Written {
        /// The request.
        handle: Handle,
        /// The token that was given with the write.
        token: u64,
        /// Whether it went to the client; if not, the client is gone.
        sent: bool,
    },
    /// A response has left, or will not: what an access log says of it. Only with
    /// [`ServerOptions::report_access`](crate::ServerOptions::report_access).
    Access {
        /// The token of the server.
        token: u64,
        /// The request and its response.
        entry: Box<Access>,
    },
    /// The server wrote to an in-memory connection.
    Received {
        /// The client's end.
        handle: Handle,
        /// The token it was made with.
        token: u64,
        /// What the server wrote.
        bytes: Vec<u8>,
    },
    /// An in-memory connection has room again, after [`client_send`](crate::Engine::client_send) did not take everything.
    Writable {
        /// The client's end.
        handle: Handle,
        /// The token it was made with.
        token: u64,
    },
    /// The last event of a handle, which is stale now.
    Closed {
        /// What has ended.
        handle: Handle,
        /// The token it was started with.
        token: u64,
        /// Why.
        cause: Cause,
    },
    /// The last event of an engine.
    Shutdown,
}

impl Event {
    /// Returns whether this is the last event for its token.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::Ready { .. } | Self::Request { .. } | Self::Access { .. } | Self::Received { .. } | Self::Writable { .. }
        )
    }
}

/// Why something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// It ran its course: a response was sent, a server drained.
    Done,
    /// The host asked for it.
    Cancelled,
    /// The client went away.
    Disconnected,
    /// A timeout ran out: the handler's, the body's or the write's.
    TimedOut,
    /// What the client sent was refused in the middle, such as a malformed chunk or a body over its limit.
    Refused,
    /// The drain's deadline passed.
    Drained,
}

/// What came of reading a body.
#[derive(Debug)]
#[non_exhaustive]
pub enum Chunk {
    /// The next bytes, never empty.
    Data(Bytes),
    /// The body is complete.
    End,
    /// There will be no more: the request has ended.
    Aborted,
}

/// The head of a request. Nothing in it was decoded or copied.
#[derive(Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The target as it was sent.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header fields.
    pub headers: HeaderMap,
    /// Where each parameter of the route lies in the path, in the route's order, in bytes.
    pub params: Vec<(u32, u32)>,
    /// The client's address. Unix sockets and in-memory connections have none.
    pub peer: Option<SocketAddr>,
}

impl RequestHead {
    /// Returns a path parameter by its place in the route, still percent-encoded.
    #[must_use]
    pub fn param(&self, index: usize) -> Option<&str> {
        let &(start, end) = self.params.get(index)?;
        self.uri.path().get(start as usize..end as usize)
    }
}

/// One line of an access log.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Access {
    /// The client's address. Unix sockets and in-memory connections have none.
    pub peer: Option<SocketAddr>,
    /// The method, target and version; nothing for what was refused before it could be read.
    pub request: Option<(Method, Uri, Version)>,
    /// The status; nothing if the client left before it was sent.
    pub status: Option<StatusCode>,
    /// Bytes of the response's body that were handed to the connection.
    pub bytes: u64,
    /// From the request's head to the end of its response.
    pub duration: Duration,
}

/// A batch of events, to be used again for each turn.
#[derive(Default)]
pub struct Events(pub(crate) Vec<Event>);

impl Events {
    /// Makes an empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the events out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.0.drain(..)
    }

    /// Returns how many events are in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}
