//! The front door: every verb that a host can call, in one place.
//!
//! Each verb checks that the engine may be used at all, finds what its handle names, and delegates. Verbs neither block nor call
//! the host; what they start is told by events of later turns.

#[cfg(feature = "app")]
use std::net::SocketAddr;
use std::{
    cell::{Cell, RefCell},
    os::fd::{BorrowedFd, OwnedFd, RawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ::http::{HeaderMap, Method};
use bytes::Bytes;

#[cfg(feature = "app")]
use crate::engine::duplex::ClientEnd;
use crate::{
    engine::{
        Config, Core, Watch, panicked,
        poller::Interest,
        remote::{Remote, forked},
        timer_handle, timer_id,
    },
    error::{Error, ErrorKind, Result},
    event::{Cause, Event, Events},
    handle::{Handle, Table},
    http::{self, Address, Exchange, Http, ResponseHead, RouteOptions, Server, ServerOptions, ServerStatus, Timeouts},
    timer::clock::nanos,
};

/// One engine, on the thread that made it.
///
/// Dropping it closes every socket without another word; [`Engine::close`] ends everything with its events first.
pub struct Engine {
    core: Rc<Core>,
    http: Rc<Http>,
    stage: Cell<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Closed, and the last events wait for a turn.
    Closing,
    Closed,
}

/// The engine.
impl Engine {
    /// Makes an engine. It starts no thread.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the process has no descriptors left.
    pub fn new(config: Config) -> Result<Self> {
        let core = Rc::new(Core::new(config)?);
        let http = Rc::new(Http::new(Rc::clone(&core)));
        Ok(Self { core, http, stage: Cell::new(Stage::Open) })
    }

    /// Returns the descriptor for the host's loop to watch. It is readable whenever a turn has something to do.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.core.reactor.fd()
    }

    /// Takes one turn: does what can be done without waiting, and reports what happened.
    ///
    /// # Errors
    ///
    /// The batch is filled even so, and the engine goes on: [`ErrorKind::Panic`] if a task hit a defect, [`ErrorKind::Io`] if the
    /// reactor failed. Without a batch: [`ErrorKind::Closed`] after [`Event::Shutdown`], [`ErrorKind::Forked`] in a forked process.
    pub fn turn(&self, events: &mut Events) -> Result<()> {
        self.take_turn("turn", events, Some(0))
    }

    /// Takes one turn, and first waits up to `timeout` if there is nothing to do; `None` waits without end. For a host that has no
    /// loop of its own.
    ///
    /// # Errors
    ///
    /// As [`Engine::turn`].
    pub fn park(&self, events: &mut Events, timeout: Option<Duration>) -> Result<()> {
        self.take_turn("park", events, timeout.map(nanos))
    }

    fn take_turn(&self, operation: &'static str, events: &mut Events, wait: Option<u64>) -> Result<()> {
        if self.core.birthplace.is_elsewhere() {
            return Err(forked(operation));
        }
        events.0.clear();
        match self.stage.get() {
            Stage::Closed => return Err(closed(operation)),
            Stage::Closing => self.stage.set(Stage::Closed),
            Stage::Open => {
                let outcome = self.core.turn(wait);
                self.http.report_clients();
                self.core.take_events(&mut events.0);
                return outcome;
            }
        }
        self.core.take_events(&mut events.0);
        events.0.push(Event::Shutdown);
        Ok(())
    }

    /// Returns whether verbs have made work that the descriptor does not show. A host that is about to wait takes a turn first, once
    /// for all verbs of its batch.
    #[must_use]
    pub fn needs_turn(&self) -> bool {
        self.stage.get() == Stage::Closing || self.core.has_work()
    }

    /// Returns what other threads reach this engine by.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote { shared: Arc::clone(self.core.tasks.shared()), birthplace: self.core.birthplace }
    }

    /// Ends everything now. The next turn reports the last event of every handle, then [`Event::Shutdown`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if it is closed already.
    pub fn close(&self) -> Result<()> {
        self.enter("close", || {
            self.stage.set(Stage::Closing);
            self.http.close();
            self.core.close();
            Ok(())
        })
    }
}

/// Timers.
impl Engine {
    /// Starts a timer that fires once after `delay`, or up to `slack` later if it can share a wake-up. Final event:
    /// [`Event::Timer`], or [`Event::Closed`] if cancelled.
    ///
    /// # Errors
    ///
    /// None of its own.
    pub fn timer_start(&self, delay: Duration, slack: Duration, token: u64) -> Result<Handle> {
        self.enter("timer_start", || {
            let deadline = self.core.refresh_now().saturating_add(nanos(delay));
            let id = self.core.timers.borrow_mut().arm(deadline, nanos(slack), token);
            self.core.set_timer().map(|()| timer_handle(id))
        })
    }

    /// Moves a timer to `delay` from now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has fired or was cancelled.
    pub fn timer_restart(&self, timer: Handle, delay: Duration, slack: Duration) -> Result<()> {
        self.enter("timer_restart", || {
            let deadline = self.core.refresh_now().saturating_add(nanos(delay));
            let id = timer_id(timer).ok_or_else(|| timer.stale("timer_restart"))?;
            if !self.core.timers.borrow_mut().restart(id, deadline, nanos(slack)) {
                return Err(timer.stale("timer_restart"));
            }
            self.core.set_timer()
        })
    }

    /// Cancels a timer: it never fires. Its final event is [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has fired or was cancelled.
    pub fn timer_cancel(&self, timer: Handle) -> Result<()> {
        self.enter("timer_cancel", || {
            let token = timer_id(timer).and_then(|id| self.core.timers.borrow_mut().cancel(id));
            self.core.report_cancelled(timer, token.ok_or_else(|| timer.stale("timer_cancel"))?);
            Ok(())
        })
    }
}

/// Descriptors of the host's.
impl Engine {
    /// Watches a descriptor, level-triggered: every turn that finds it ready reports [`Event::Ready`]. Final event:
    /// [`Event::Closed`], after [`Engine::unwatch`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] if the descriptor is not open, is watched already, or cannot be watched, as a file cannot.
    ///
    /// # Safety
    ///
    /// The descriptor stays open until it is unwatched or the engine is closed.
    pub unsafe fn watch(&self, fd: RawFd, interest: Interest, token: u64) -> Result<Handle> {
        self.enter("watch", || {
            let mut watches = self.core.watches.borrow_mut();
            let handle = watches.insert(Watch { token, fd, key: 0, interest });
            // SAFETY: the caller's promise.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match self.core.reactor.watch(borrowed, interest, handle.to_bits()) {
                Ok(key) => {
                    if let Some(watch) = watches.get_mut(handle) {
                        watch.key = key;
                    }
                    Ok(handle)
                }
                Err(error) => {
                    watches.remove(handle);
                    Err(Error::io(
                        "watch",
                        format!("descriptor {fd} cannot be watched; it must be open, watched once, and a socket, pipe or terminal"),
                        error,
                    ))
                }
            }
        })
    }

    /// Changes the directions that are watched. [`Interest::NONE`] disarms the descriptor and keeps the watch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it is not watched any more.
    pub fn rewatch(&self, watch: Handle, interest: Interest) -> Result<()> {
        self.enter("rewatch", || {
            let mut watches = self.core.watches.borrow_mut();
            let found = watches.get_mut(watch).ok_or_else(|| watch.stale("rewatch"))?;
            found.interest = interest;
            let changed = self.core.reactor.rewatch(found.borrow_fd(), found.key, interest);
            changed.map_err(|error| Error::io("rewatch", format!("descriptor {} cannot be watched", found.fd), error))
        })
    }

    /// Stops watching. The descriptor may be closed when this returns; no event of it follows but [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it is not watched any more.
    pub fn unwatch(&self, watch: Handle) -> Result<()> {
        self.enter("unwatch", || {
            let found = self.core.watches.borrow_mut().remove(watch).ok_or_else(|| watch.stale("unwatch"))?;
            self.core.reactor.unwatch(found.borrow_fd(), found.key);
            self.core.report_cancelled(watch, found.token);
            Ok(())
        })
    }
}

/// HTTP servers.
impl Engine {
    /// Makes a server. Final event: [`Event::Closed`], once it has drained.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a limit that could not be kept.
    pub fn http_server(&self, options: ServerOptions, token: u64) -> Result<Handle> {
        self.enter("http_server", || {
            options.check()?;
            let server = |handle| Rc::new(Server::new(handle, token, Rc::clone(&self.http), options));
            Ok(self.http.servers.borrow_mut().insert_with(server))
        })
    }

    /// Adds a route: requests for it are reported with its token. `/links/{code}` matches one segment, `/files/{rest:path}` takes
    /// the remainder of the path. HEAD is answered where GET is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the route exists; [`ErrorKind::Invalid`] if the path cannot be read, or told from another.
    pub fn http_route(&self, server: Handle, method: Method, path: &str, token: u64, options: RouteOptions) -> Result<()> {
        self.with("http_route", &self.http.servers, server, |server| {
            server.routes.borrow_mut().insert(method, path, token, options)
        })
    }

    /// Has every request that no route is for reported with this token, whatever its method and path, instead of a 404 or 405.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the server has a fallback.
    pub fn http_fallback(&self, server: Handle, token: u64, options: RouteOptions) -> Result<()> {
        self.with("http_fallback", &self.http.servers, server, |server| server.routes.borrow_mut().set_fallback(token, options))
    }

    /// Binds a socket and starts to accept. With `reuse_port`, several processes share a TCP port. Final event: [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressInUse`] and [`ErrorKind::AddressUnavailable`], which name the address and the fix;
    /// [`ErrorKind::Conflict`] if the server drains.
    pub fn http_listen(&self, server: Handle, address: &Address, reuse_port: bool, token: u64) -> Result<Handle> {
        self.with("http_listen", &self.http.servers, server, |server| {
            server.check_open("http_listen")?;
            http::listen(server, http::bind(address, reuse_port)?, token)
        })
    }

    /// Starts to accept on a socket that listens already, such as a supervisor's. Final event: [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it is not a listening stream socket.
    pub fn http_listen_fd(&self, server: Handle, fd: OwnedFd, token: u64) -> Result<Handle> {
        self.with("http_listen_fd", &self.http.servers, server, |server| {
            server.check_open("http_listen_fd")?;
            http::listen(server, http::adopt(fd)?, token)
        })
    }

    /// Returns where a listener listens: the real port, if port 0 was asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it is closed.
    pub fn listener_address(&self, listener: Handle) -> Result<Address> {
        self.with("listener_address", &self.http.listeners, listener, |listener| Ok(listener.address.clone()))
    }

    /// Stops accepting on one listener. Connections that were accepted live on. Its final event is [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it is closed.
    pub fn listener_close(&self, listener: Handle) -> Result<()> {
        self.with("listener_close", &self.http.listeners, listener, |listener| {
            listener.close();
            Ok(())
        })
    }

    /// Returns how many connections and requests a server has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has ended.
    pub fn http_status(&self, server: Handle) -> Result<ServerStatus> {
        self.with("http_status", &self.http.servers, server, |server| Ok(server.status()))
    }

    /// Changes how long a server waits. Of [`Timeouts::body`](crate::Timeouts::body), [`Timeouts::write`](crate::Timeouts::write) and
    /// [`Timeouts::handler`](crate::Timeouts::handler), what has begun keeps what it had: the first two hold for connections that come
    /// after, the third for requests.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has ended.
    pub fn http_timeouts(&self, server: Handle, timeouts: Timeouts) -> Result<()> {
        self.with("http_timeouts", &self.http.servers, server, |server| {
            server.set_timeouts(timeouts);
            Ok(())
        })
    }

    /// Closes connections of a server that goes on: all of them, or those that wait for a request. A request that is cut off so ends
    /// with [`Cause::Cancelled`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has ended.
    pub fn http_disconnect(&self, server: Handle, only_idle: bool) -> Result<()> {
        self.with("http_disconnect", &self.http.servers, server, |server| {
            server.disconnect(only_idle);
            Ok(())
        })
    }

    /// Drains a server: stops accepting, closes idle connections, answers the rest with `Connection: close`, and ends with
    /// [`Event::Closed`]. At the deadline, requests that are not answered are closed with [`Cause::Drained`] and get a 503.
    ///
    /// `timeout` replaces [`Timeouts::drain`](crate::Timeouts::drain), and [`Duration::MAX`] waits without end; called again, it can only
    /// bring the deadline forward.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if it has ended.
    pub fn http_drain(&self, server: Handle, timeout: Option<Duration>) -> Result<()> {
        self.with("http_drain", &self.http.servers, server, |server| {
            server.drain(timeout.map(nanos).or_else(|| server.drain_timeout()));
            Ok(())
        })
    }
}

/// Requests.
impl Engine {
    /// Reads on in a request's body. Final event: [`Event::Body`] with the next bytes, the end, or the news that there are no more.
    /// Nothing is read from the client before it is asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] while another read is under way; [`ErrorKind::Stale`] once the request has ended.
    pub fn request_read(&self, request: Handle, token: u64) -> Result<()> {
        self.with_request("request_read", request, |exchange| exchange.read(token))
    }

    /// Answers a request with a whole response. The request ends with [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the head would break the connection's framing, [`ErrorKind::Conflict`] if the request was answered,
    /// [`ErrorKind::Stale`] once it has ended.
    pub fn respond(&self, request: Handle, head: ResponseHead, body: Bytes) -> Result<()> {
        self.with_request("respond", request, |exchange| exchange.respond(head, body))
    }

    /// Starts a streamed response; [`Engine::write`] and [`Engine::finish`] follow.
    ///
    /// # Errors
    ///
    /// As [`Engine::respond`].
    pub fn respond_streamed(&self, request: Handle, head: ResponseHead) -> Result<()> {
        self.with_request("respond_streamed", request, |exchange| exchange.respond_streamed(head))
    }

    /// Queues the next piece of a streamed response. Final event: [`Event::Written`], when it has left the queue.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] while more than [`Limits::stream_bytes`](crate::Limits::stream_bytes) would wait: wait for a `Written` and
    /// try again. [`ErrorKind::Conflict`] if no streamed response is open, [`ErrorKind::Stale`] once the request has ended.
    pub fn write(&self, request: Handle, bytes: Bytes, token: u64) -> Result<()> {
        self.with_request("write", request, |exchange| exchange.write(bytes, token))
    }

    /// Ends a streamed response. The request ends with [`Event::Closed`] when all of it has been written; one whose head has a
    /// `content-length`, or allows no body, ends by itself as soon as that much has.
    ///
    /// # Errors
    ///
    /// As [`Engine::write`].
    pub fn finish(&self, request: Handle) -> Result<()> {
        self.with_request("finish", request, |exchange| exchange.finish(None))
    }

    /// Ends a streamed response with trailers. They are sent to a client that has asked for them with `TE: trailers`, if the response's
    /// head names them in `Trailer` and gives no `content-length`; otherwise they are left out.
    ///
    /// # Errors
    ///
    /// As [`Engine::write`].
    pub fn finish_with_trailers(&self, request: Handle, trailers: HeaderMap) -> Result<()> {
        self.with_request("finish_with_trailers", request, |exchange| exchange.finish(Some(trailers)))
    }

    /// Gives up a request and closes its connection, so that the client sees an incomplete response. It ends with [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] once it has ended.
    pub fn abort(&self, request: Handle) -> Result<()> {
        self.with_request("abort", request, |exchange| {
            exchange.abort();
            Ok(())
        })
    }
}

/// Connections in memory, for tests of a service without a port.
impl Engine {
    /// Connects to a server through memory. What the server writes is reported as [`Event::Received`]. Final event:
    /// [`Event::Closed`], when either side has closed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the server has ended.
    pub fn http_connect(&self, server: Handle, token: u64) -> Result<Handle> {
        self.with("http_connect", &self.http.servers, server, |server| {
            server.check_open("http_connect")?;
            Ok(http::connect(server, token))
        })
    }

    /// Connects to a server through memory, for a task on this thread that reads and writes by itself.
    #[cfg(feature = "app")]
    pub(crate) fn http_connect_from(&self, server: Handle, peer: Option<SocketAddr>) -> Result<ClientEnd> {
        self.with("http_connect", &self.http.servers, server, |server| {
            server.check_open("http_connect")?;
            Ok(http::connect_from(server, peer))
        })
    }

    /// Sends the start of `bytes` and returns how much that was: at most 64 KiB wait for the server to read. After it took less than all
    /// of them, [`Event::Writable`] tells when there is room.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the connection has ended.
    pub fn client_send(&self, client: Handle, bytes: &[u8]) -> Result<usize> {
        self.with("client_send", &self.http.clients, client, |client| Ok(client.send(bytes)))
    }

    /// Leaves what the server writes with it, which can go on for 64 KiB; or takes it again. [`Event::Closed`] comes after what was left.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the connection has ended.
    pub fn client_pause(&self, client: Handle, is_paused: bool) -> Result<()> {
        self.with("client_pause", &self.http.clients, client, |client| {
            client.pause(is_paused);
            Ok(())
        })?;
        self.http.report_clients();
        Ok(())
    }

    /// Tells the server that nothing more will be sent. As from a socket, the server takes that for the client's leaving: a request that
    /// is not answered yet ends with [`Cause::Disconnected`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the connection has ended.
    pub fn client_shutdown(&self, client: Handle) -> Result<()> {
        self.with("client_shutdown", &self.http.clients, client, |client| {
            client.shutdown_write();
            Ok(())
        })
    }

    /// Goes away, as a client does that is killed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Stale`] if the connection has ended.
    pub fn client_close(&self, client: Handle) -> Result<()> {
        self.enter("client_close", || {
            if self.http.close_client(client, Cause::Cancelled) { Ok(()) } else { Err(client.stale("client_close")) }
        })
    }
}

/// What every verb goes through.
impl Engine {
    fn enter<T>(&self, operation: &'static str, verb: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.core.birthplace.is_elsewhere() {
            return Err(forked(operation));
        }
        if self.stage.get() != Stage::Open {
            return Err(closed(operation));
        }
        catch_unwind(AssertUnwindSafe(verb)).unwrap_or_else(|panic| Err(panicked(operation, &*panic)))
    }

    fn with<T, R>(
        &self,
        operation: &'static str,
        table: &RefCell<Table<T>>,
        handle: Handle,
        verb: impl FnOnce(&T) -> Result<R>,
    ) -> Result<R>
    where
        T: Clone,
    {
        self.enter(operation, || {
            let found = table.borrow().get(handle).cloned();
            verb(&found.ok_or_else(|| handle.stale(operation))?)
        })
    }

    fn with_request<R>(&self, operation: &'static str, request: Handle, verb: impl FnOnce(&Exchange) -> Result<R>) -> Result<R> {
        self.with(operation, &self.http.requests, request, |exchange| verb(exchange))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.http.close();
        self.core.close();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("fd", &self.fd()).finish_non_exhaustive()
    }
}

fn closed(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation, "the engine is closed; make a new one")
}
