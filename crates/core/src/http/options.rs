//! Limits and timeouts of a server.

use std::time::Duration;

use crate::error::{Error, Result};

/// How much a server takes before it refuses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's head, from the request line to the empty line, up to 1 MiB. More is a 431, as are trailers of more
    /// than 8 KiB. Default: 32 KiB.
    pub head_bytes: usize,
    /// Bytes of a request's target, up to 65,534. More is a 414. Default: 8 KiB.
    pub target_bytes: usize,
    /// Header fields of a request, up to 24,576. More is a 431. Default: 100.
    pub header_count: usize,
    /// Bytes of a request's body. More is a 413. Default: 16 MiB.
    pub body_bytes: u64,
    /// Open connections. Beyond it the server stops accepting, and clients wait in the listener's queue. Default: 65,536.
    pub connections: usize,
    /// Requests that are not answered, from their head on. Beyond it a request gets a 503. Default: 16,384.
    pub requests: usize,
    /// Bytes of bodies that are on their way to handlers that take them whole, of all connections together. A request that goes
    /// beyond it gets a 503. Default: 256 MiB.
    pub gathered_bytes: usize,
    /// Bytes of a streamed response that wait to be sent. Beyond it a write is refused until there is room. Default: 256 KiB.
    pub stream_bytes: usize,
    /// Bytes a second that a client must send of a body, or take of a response, once its timeout is used up. Default: 240, as in
    /// Kestrel.
    pub min_rate: u32,
}

/// The most that heads may be allowed: hyper and the types it gives hold no more.
const MAX_HEAD_BYTES: usize = 1024 * 1024;
const MAX_TARGET_BYTES: usize = 65_534;
const MAX_HEADER_COUNT: usize = 24_576;

impl ServerOptions {
    /// Refuses limits that could not be kept.
    pub(crate) fn check(&self) -> Result<()> {
        let limits = &self.limits;
        let heads = [
            ("head_bytes", limits.head_bytes, MAX_HEAD_BYTES),
            ("target_bytes", limits.target_bytes, MAX_TARGET_BYTES),
            ("header_count", limits.header_count, MAX_HEADER_COUNT),
        ];
        match heads.into_iter().find(|&(_, value, max)| !(1..=max).contains(&value)) {
            Some((name, value, max)) => Err(Error::invalid("http_server", format!("limit {name} is {value}; use 1 to {max}"))),
            None => Ok(()),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            header_count: 100,
            body_bytes: 16 * 1024 * 1024,
            connections: 65_536,
            requests: 16_384,
            gathered_bytes: 256 * 1024 * 1024,
            stream_bytes: 256 * 1024,
            min_rate: 240,
        }
    }
}

/// How long a server waits, in each situation by itself. `None` waits without end.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the first byte of a request's head to its last. Then a 408. Default: 30 s.
    pub header: Option<Duration>,
    /// Waiting for a body's bytes, while somebody wants them. Every byte earns time at [`Limits::min_rate`], so that a client that
    /// sends steadily is never cut off and one that trickles is. Then a 408. Default: 30 s.
    pub body: Option<Duration>,
    /// From the request to the start of its response, without the time spent waiting for the body. Then a 503, and the handler is
    /// cancelled. Default: 60 s.
    pub handler: Option<Duration>,
    /// Waiting for the client to take what is written; bytes earn time as in `body`. Then the connection is closed. Default: 30 s.
    pub write: Option<Duration>,
    /// An open connection without a request. Then it is closed. Default: 75 s, as in nginx.
    pub keep_alive: Option<Duration>,
    /// From the start of a drain to the end of waiting. Then handlers are cancelled, their requests get a 503 and connections are
    /// closed. Default: 30 s.
    pub drain: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Self {
            header: seconds(30),
            body: seconds(30),
            handler: seconds(60),
            write: seconds(30),
            keep_alive: seconds(75),
            drain: seconds(30),
        }
    }
}

/// Settings of an HTTP server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// How much it takes.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Report [`Event::Access`](crate::Event::Access) for every response. Default: no.
    pub report_access: bool,
}

/// When a request is reported that has a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyMode {
    /// At once. The body is read on demand.
    #[default]
    OnDemand,
    /// At once, and with its body if all of that has come already and in one piece, as small ones with a `Content-Length` do. Else the body
    /// is read on demand.
    AtHand,
    /// Once its whole body is there, together with it.
    Whole,
}

/// Settings of one route.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct RouteOptions {
    /// When a request is reported that has a body. Default: at once.
    pub body: BodyMode,
}

impl RouteOptions {
    /// Makes options with a mode for bodies.
    #[must_use]
    pub const fn body(body: BodyMode) -> Self {
        Self { body }
    }

    /// Makes options that ask for the whole body, or not.
    #[must_use]
    pub fn whole_body(whole_body: bool) -> Self {
        Self::body(if whole_body { BodyMode::Whole } else { BodyMode::OnDemand })
    }
}
