//! hostloop is an engine that runs inside the event loop a program already has.
//!
//! # The model
//!
//! ```text
//! host loop (asyncio, libuv, a Ruby scheduler, Tokio, a C program's poll())
//!     |  watches one descriptor
//!     v
//! Engine::turn(&mut events)    never blocks, never calls host code, runs on the host's own thread
//!     |  reads and writes sockets, speaks HTTP, fires timers
//!     v
//! a batch of events            the host handles them with its own functions and objects
//!     |
//!     v
//! verbs: respond, write, timer_start, ...     and the next turn
//! ```
//!
//! The engine is a guest: it owns no thread and takes no lock. A [`Handle`] names a thing in it; a **verb** is a short call that
//! copies its input and never blocks; an [`Event`] is what [`Engine::turn`] reports. The host gives a token with what it starts, and
//! the events carry it back. The engine holds ids and bytes; functions and objects stay on the host's side.
//!
#![cfg_attr(feature = "app", doc = "A service on Tokio is written with [`App`], which the module [`app`] tells about.")]
//!
//! # The promises
//!
//! - **G1** Every verb accepted leads to exactly one final event with its token; a verb refused leads to none.
//! - **G2** What a verb was given may be freed when it returns; an event's bytes are the host's to keep.
//! - **G3** Cancel is a request: the target still ends by its own final event. A timer cancelled in time never fires.
//! - **G4** [`Event::Closed`], or [`Event::Timer`] for a timer that fired, is a handle's last event; after it the handle is stale.
//! - **G5** No host code runs inside `turn` or a verb, but the drop of a buffer that the host lent with `Bytes::from_owner`.
//! - **G6** Nothing is dropped: queues are bounded by bytes, and a full one stops reading or accepting.
//! - **G7** Events of one handle come in order.
//! - **G8** A panic becomes an error with a message, in the call that hit it; the host process lives on.
//! - **G9** Closing the engine ends with one [`Event::Shutdown`]; the descriptor is closed after it.
//! - **G10** After `fork` the child's inherited engine gives [`ErrorKind::Forked`], and a new engine works.
//!
//! # An example
//!
//! A host that has no loop of its own waits in [`Engine::park`]:
//!
//! ```
//! use hostloop::{Config, Engine, Event, Events, ResponseHead, RouteOptions, ServerOptions};
//! use http::Method;
//!
//! # fn main() -> Result<(), hostloop::Error> {
//! let engine = Engine::new(Config::default())?;
//! let server = engine.http_server(ServerOptions::default(), 0)?;
//! engine.http_route(server, Method::GET, "/hello/{name}", 1, RouteOptions::default())?;
//! let client = engine.http_connect(server, 2)?; // in memory; http_listen takes an address
//! engine.client_send(client, b"GET /hello/you HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
//!
//! let (mut events, mut answer) = (Events::new(), Vec::new());
//! loop {
//!     engine.park(&mut events, None)?;
//!     for event in events.drain() {
//!         match event {
//!             Event::Request { handle, head, .. } => {
//!                 let name = head.param(0).unwrap_or_default();
//!                 engine.respond(handle, ResponseHead::default(), format!("hello {name}").into())?;
//!             }
//!             Event::Received { bytes, .. } => answer.extend(bytes),
//!             Event::Closed { handle, .. } if handle == client => {
//!                 assert!(answer.ends_with(b"hello you"));
//!                 return Ok(());
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking"))]

mod api;
#[cfg(feature = "app")]
pub mod app;
mod engine;
mod error;
mod event;
mod handle;
mod http;
pub mod lifecycle;
mod timer;
#[cfg(feature = "watch")]
mod watch;

#[cfg(feature = "watch")]
pub use crate::watch::Watcher;
pub use crate::{
    api::Engine,
    engine::{Config, poller::Interest, remote::Remote},
    error::{Error, ErrorKind, Result},
    event::{Access, Cause, Chunk, Event, Events, RequestHead},
    handle::{Handle, Kind},
    http::{Address, BodyMode, Limits, ListeningSocket, ResponseHead, RouteOptions, Routes, ServerOptions, ServerStatus, Timeouts},
    timer::{Clock, ManualClock, TimerId, Wheel},
};
#[cfg(feature = "app")]
pub use crate::{
    app::{App, Resource, Stop},
    lifecycle::Restart,
};
