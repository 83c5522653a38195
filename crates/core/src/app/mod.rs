//! Applications for Tokio: what a service is made of, wired, started, supervised and stopped.
//!
//! A service says what needs what, by the types of its closures' parameters. [`AppBuilder::build`] reports every mistake in that at once, and
//! runs nothing. [`App::run`] builds all that is needed, as much at once as can be, starts it level by level, and serves until a signal
//! comes. Then it takes everything back in the opposite order, each step with its time limit, whatever fails meanwhile.
//!
//! ```no_run
//! use std::{io, sync::Arc, time::Duration};
//!
//! use axum::{Router, routing::get};
//! use hostloop::{App, Resource, Restart, Stop};
//!
//! struct Database;
//!
//! impl Database {
//!     async fn open(path: &str) -> io::Result<Self> {
//!         # let _ = path;
//!         Ok(Self)
//!     }
//!
//!     async fn close(self: Arc<Self>) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! struct Links(Arc<Database>);
//!
//! impl Links {
//!     async fn drop_expired(&self) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! async fn sweep(links: Arc<Links>, stop: Stop) -> io::Result<()> {
//!     while stop.sleep(Duration::from_secs(60)).await {
//!         links.drop_expired().await?;
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let app = App::builder()
//!         .resource(|| async { Database::open("links.db").await.map(|db| Resource::new(db, Database::close)) })
//!         .construct(Links)
//!         .worker("sweeper", Restart::OnFailure, sweep)
//!         .http("127.0.0.1:8000", |links: Arc<Links>| Router::new().route("/", get(|| async { "links" })).with_state(links))
//!         .build()?;
//!     app.run().await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is declared
//!
//! | | |
//! |---|---|
//! | [`supply`](AppBuilder::supply) | a value that is ready |
//! | [`provide`](AppBuilder::provide), [`construct`](AppBuilder::construct) | how to make one |
//! | [`resource`](AppBuilder::resource) | how to make one and take it back |
//! | [`alias`](AppBuilder::alias) | another type for one, such as a trait |
//! | [`decorate`](AppBuilder::decorate) | what wraps one |
//! | [`invoke`](AppBuilder::invoke) | a call that is made once, when all is built |
//! | [`hook`](AppBuilder::hook) | calls at the start and the stop |
//! | [`worker`](AppBuilder::worker) | what runs until the stop, supervised |
//! | [`http`](AppBuilder::http), [`listener`](AppBuilder::listener) | what takes requests |
//! | [`module`](AppBuilder::module) | a group of these, with what is private to it |
//!
//! What a closure may take stands at [`Parameter`]; settings of a declaration at the type that [`supply()`], [`provide()`] and the others
//! return. A value is made once for the application, if something needs it; [`Scope`] and [`transient`](Provide::transient) say otherwise.
//!
//! # Starting and stopping
//!
//! Values are made first, then each [`invoke`](AppBuilder::invoke), then hooks start by levels, then workers, then listeners. A failure
//! cancels what is under way and undoes exactly what had been done. To cancel is to drop a future; one that blocks its thread cannot be
//! dropped and is left behind, and named. [`AppBuilder::options`] changes every limit.
//!
//! A panic in a closure is a failure like any other, with its message. A worker is run again after one, with growing waits, and
//! [`Policy`](crate::lifecycle::Policy) says when that is given up and what follows.
//!
//! # What happened
//!
//! All of it is told through `tracing` with the target `hostloop::lifecycle`: constructions and hooks at the level debug, phases at info, what
//! took too long and what is tried again at warn, failures at error. [`AppHandle::explain`] gives the graph with states and durations as
//! JSON, DOT, Mermaid or an HTML page.
//!
//! # Reloading
//!
//! [`AppHandle::reload`] makes a value anew beside the old one, with all that holds it, and swaps it in at once. Who uses the old values
//! keeps them until the end of the use: a scope, a [`Lease`], a worker until it has ended and is run again. If anything fails, the old
//! values stay and nothing is left of the new ones.
//!
//! With the feature `watch`, files do it: `provide(settings).watch("settings.toml")` makes the settings anew when the file changes, be it
//! written, replaced by another of its name, or the target of a link. What is replaced is followed: a link that is turned, and a folder that
//! goes and comes again. Code is not reloaded; settings, certificates and templates are.
//! What requests use has to be asked for as [`Lazy`], since a listener is not replaced:
//!
#![cfg_attr(feature = "watch", doc = "```")]
#![cfg_attr(not(feature = "watch"), doc = "```ignore")]
//! use std::{io, sync::Arc};
//! use axum::{Router, extract::State, http::StatusCode, routing::get};
//! use hostloop::{App, app::{Lazy, provide}};
//!
//! struct Banner(String);
//!
//! async fn banner() -> io::Result<Banner> {
//!     tokio::fs::read_to_string("banner.txt").await.map(Banner)
//! }
//!
//! async fn show(State(banner): State<Lazy<Banner>>) -> Result<String, StatusCode> {
//!     let banner = banner.get().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
//!     Ok(banner.0.clone())
//! }
//!
//! let app = App::builder()
//!     .add(provide(banner).watch("banner.txt"))
//!     .http("127.0.0.1:8000", |banner: Lazy<Banner>| Router::new().route("/", get(show)).with_state(banner))
//!     .build()?;
//! # Ok::<(), hostloop::lifecycle::WiringError>(())
//! ```
//!
//! # Testing
//!
//! [`App::with_overrides`] puts other values in the place of the real ones. [`App::test`] starts the application without a socket, and the
//! [`TestClient`] that it returns makes requests of it and gives its values by type:
//!
//! ```
//! # use std::{io, sync::Arc};
//! # use axum::{Router, extract::State, routing::get};
//! # struct Clock(u32);
//! # async fn clock() -> io::Result<Clock> { Ok(Clock(12)) }
//! # async fn year(State(clock): State<Arc<Clock>>) -> String { clock.0.to_string() }
//! # fn service() -> hostloop::App {
//! #     let router = |clock: Arc<Clock>| Router::new().route("/year", get(year)).with_state(clock);
//! #     hostloop::App::builder().provide(clock).http("127.0.0.1:8000", router).build().unwrap()
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = service().with_overrides(|with| with.supply(Clock(1984)))?.test().await?;
//! assert_eq!(client.get("/year").await?.text(), "1984");
//! client.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`App::start`] starts with sockets, on real ports, and touches no signals either. Time is Tokio's: with `tokio::time::pause` no test
//! waits, and the clock stands still while the test client's request is at work.

mod application;
mod blueprint;
mod builder;
mod call;
mod declare;
mod driver;
mod error;
mod handle;
mod http;
mod key;
mod label;
mod lazy;
mod listening;
mod parameter;
mod recipe;
mod resource;
mod running;
mod signals;
mod testing;
mod value;
mod verbs;
#[cfg(feature = "watch")]
mod watching;
mod work;

pub use self::{
    application::App,
    builder::{AppBuilder, Module},
    call::Call,
    declare::{Alias, Context, Declaration, Decorate, Hook, Invoke, Listener, Provide, Scope, Supply, Worker},
    error::{AppError, AppFailure, Ended, Fatal},
    handle::{AppHandle, Entering, OpenScope},
    http::{BodyError, Http, Peer, RequestBody, Service, http},
    lazy::{Lazy, Lease},
    listening::Listening,
    parameter::{InConstructor, InHook, InListener, InWorker, Named, Parameter},
    resource::Resource,
    running::Running,
    testing::{TestBody, TestClient, TestError, TestRequest, TestResponse},
    verbs::{alias, construct, context, decorate, invoke, listener, provide, provide_arc, resource, supply, supply_arc, worker},
    work::{Lifecycle, Stop, Supervisor},
};

/// The program of the README is compiled with the documentation's tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
