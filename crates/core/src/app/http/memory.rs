//! Connections in memory, for tests: a client of hyper's on the engine's thread, over a connection that has no socket.
//!
//! ```text
//! test's runtime                           engine thread
//!   Door::connect --- Order::Connect --->    the engine's end  <-->  Wire, polled by hyper's client
//!   SendRequest   <------------------------------------------------/
//!   request, response, body                  wakers only: what is sent and received is read from memory
//! ```

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{
    client::conn::http1::{SendRequest, handshake},
    rt::{Read, ReadBufCursor, Write},
};
use tokio::sync::oneshot;

use super::thread::{Order, Orders};
use crate::{app::error::BoxError, engine::duplex::ClientEnd};

/// The body of a request that a test sends.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, BoxError>;

/// Makes one request after another over a connection.
pub(crate) type Requests = SendRequest<Outgoing>;

/// The way to one `http` declaration without a socket.
#[derive(Clone)]
pub(crate) struct Door {
    /// As it was declared.
    pub(crate) address: String,
    orders: Orders,
}

impl Door {
    pub(super) fn new(address: String, orders: Orders) -> Self {
        Self { address, orders }
    }

    /// Opens a connection, or nothing if the server takes none any more.
    pub(crate) async fn connect(&self) -> Option<Requests> {
        let (reply, connected) = oneshot::channel();
        self.orders.give(Order::Connect(reply));
        connected.await.ok()
    }
}

/// Where requests of tests come from: a client on the machine, which has no port. Over a unix socket, a client has no address.
pub(super) fn peer(address: &str) -> Option<SocketAddr> {
    (!address.starts_with("unix:")).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Speaks HTTP over a connection until either side closes it.
pub(super) async fn converse(end: ClientEnd, reply: oneshot::Sender<Requests>) {
    // Nothing is sent before the first request.
    let Ok((requests, connection)) = handshake(Wire(end)).await else { return };
    if reply.send(requests).is_ok()
        && let Err(error) = connection.await
    {
        // Who made the request is told so too.
        tracing::debug!(target: "hostloop::http", %error, "a connection of a test has broken off");
    }
}

/// A client's end, as hyper reads and writes it.
struct Wire(ClientEnd);

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.poll_receive(cx, buffer.remaining()).map(|bytes| {
            buffer.put_slice(&bytes);
            Ok(())
        })
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, bytes).map(Ok)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shutdown_write();
        Poll::Ready(Ok(()))
    }
}
