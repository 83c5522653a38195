//! A server: its routes, its listeners, its connections, and how they drain.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    rc::Rc,
    task::{Poll, Waker},
};

use super::{
    Http,
    connection::{self, Connection},
    listen::Listener,
    options::{ServerOptions, Timeouts},
    routes::Routes,
    transport::Transport,
};
use crate::{
    engine::alarm::{Alarm, NEVER},
    error::{Error, Result},
    event::{Cause, Event},
    handle::Handle,
    timer::clock::nanos,
};

/// How long connections have after the drain's deadline to send what was answered in their handlers' place.
const LAST_WORDS: u64 = 1_000_000_000;

pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) token: u64,
    pub(crate) http: Rc<Http>,
    pub(crate) options: ServerOptions,
    /// Those of `options`, until they are changed.
    timeouts: Cell<Timeouts>,
    pub(crate) routes: RefCell<Routes>,
    pub(crate) listeners: RefCell<Vec<Rc<Listener>>>,
    connections: RefCell<Vec<Rc<Connection>>>,
    requests: Cell<usize>,
    gathered: Cell<usize>,
    stage: Cell<Stage>,
    drain_deadline: Cell<u64>,
    drain_waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    Draining,
}

/// What a server is doing now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Open connections.
    pub connections: usize,
    /// Requests that are not answered: a handler has them, or their whole body is awaited for it.
    pub requests: usize,
    /// Whether it is draining.
    pub is_draining: bool,
}

impl Server {
    pub(crate) fn new(handle: Handle, token: u64, http: Rc<Http>, options: ServerOptions) -> Self {
        Self {
            handle,
            token,
            http,
            timeouts: Cell::new(options.timeouts),
            options,
            routes: RefCell::default(),
            listeners: RefCell::default(),
            connections: RefCell::default(),
            requests: Cell::new(0),
            gathered: Cell::new(0),
            stage: Cell::new(Stage::Serving),
            drain_deadline: Cell::new(NEVER),
            drain_waker: RefCell::default(),
        }
    }

    pub(crate) fn status(&self) -> ServerStatus {
        ServerStatus {
            connections: self.connections.borrow().len(),
            requests: self.requests.get(),
            is_draining: self.is_draining(),
        }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts.get()
    }

    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        self.timeouts.set(timeouts);
        // Each waits by the new ones from its next step on.
        self.for_each_connection(Connection::wake);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stage.get() == Stage::Draining
    }

    /// Refuses new work for a server that drains.
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.is_draining() {
            return Err(Error::conflict(operation, "this server drains and takes no new connections; make another"));
        }
        Ok(())
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.requests.get() >= self.options.limits.requests
    }

    /// Returns whether another connection may be accepted.
    pub(crate) fn has_room(&self) -> bool {
        self.connections.borrow().len() < self.options.limits.connections
    }

    pub(crate) fn request_started(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    pub(crate) fn request_ended(&self) {
        self.requests.set(self.requests.get() - 1);
    }

    /// Notes bytes of a body that is not whole.
    pub(crate) fn gather(&self, bytes: usize) {
        self.gathered.set(self.gathered.get() + bytes);
    }

    /// Notes that such bytes are the host's, or gone.
    pub(crate) fn ungather(&self, bytes: usize) {
        self.gathered.set(self.gathered.get() - bytes);
    }

    pub(crate) fn gathers_too_much(&self) -> bool {
        self.gathered.get() > self.options.limits.gathered_bytes
    }

    /// Serves a connection until it ends.
    pub(crate) fn connect(self: &Rc<Self>, transport: Transport, peer: Option<SocketAddr>) {
        let mut connections = self.connections.borrow_mut();
        let connection = Rc::new(Connection::new(Rc::clone(self), transport, peer, connections.len()));
        connections.push(Rc::clone(&connection));
        self.http.core.tasks.spawn(connection::serve(connection));
    }

    pub(crate) fn connection_ended(&self, connection: &Connection) {
        let had_room = self.has_room();
        let mut connections = self.connections.borrow_mut();
        let place = connection.place.get();
        let ended = connections.swap_remove(place);
        if let Some(moved) = connections.get(place) {
            moved.place.set(place);
        }
        drop(connections);
        drop(ended);
        if !had_room {
            self.listeners.borrow().iter().for_each(|listener| listener.wake());
        }
        if let Some(waker) = &*self.drain_waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Stops accepting, and ends once every connection has: idle ones soon, the others after their response, all of them at the
    /// deadline. A second call can only bring the deadline forward.
    pub(crate) fn drain(self: &Rc<Self>, timeout: Option<u64>) {
        let deadline = timeout.map_or(NEVER, |timeout| self.http.core.refresh_now().saturating_add(timeout));
        let was_draining = self.is_draining();
        self.stage.set(Stage::Draining);
        for listener in self.listeners.take() {
            listener.sweep();
            listener.close();
        }
        self.connections.borrow().iter().for_each(|connection| connection.wake());
        if was_draining {
            self.drain_deadline.set(self.drain_deadline.get().min(deadline));
        } else {
            self.drain_deadline.set(deadline);
            self.http.core.tasks.spawn(drained(Rc::clone(self)));
        }
        if let Some(waker) = &*self.drain_waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Stops accepting and has every connection end without another word; their tasks are about to be dropped.
    pub(crate) fn close(&self) {
        for listener in self.listeners.take() {
            listener.close();
        }
        self.for_each_connection(Connection::abort);
    }

    /// Has connections end without another word.
    pub(crate) fn disconnect(&self, only_idle: bool) {
        self.for_each_connection(|connection| {
            if !only_idle || connection.is_idle() {
                connection.abort();
                connection.wake();
            }
        });
    }

    pub(crate) fn drain_timeout(&self) -> Option<u64> {
        self.timeouts().drain.map(nanos)
    }

    fn for_each_connection(&self, act: impl Fn(&Connection)) {
        let connections = self.connections.borrow().clone();
        connections.iter().for_each(|connection| act(connection));
    }
}

/// Waits for the last connection, with ever less patience.
async fn drained(server: Rc<Server>) {
    let alarm = Alarm::new(Rc::clone(&server.http.core));
    server.wait_for_connections(&alarm, || server.drain_deadline.get()).await;
    server.for_each_connection(Connection::cut_short);
    let last = server.http.core.now().saturating_add(LAST_WORDS);
    server.wait_for_connections(&alarm, || last).await;
    server.for_each_connection(|connection| {
        connection.abort();
        connection.wake();
    });
    server.wait_for_connections(&alarm, || NEVER).await;
    server.drain_waker.take();
    if server.http.servers.borrow_mut().remove(server.handle).is_some() {
        server.http.core.report(Event::Closed { handle: server.handle, token: server.token, cause: Cause::Done });
    }
}

impl Server {
    async fn wait_for_connections(&self, alarm: &Alarm, deadline: impl Fn() -> u64) {
        poll_fn(|cx| {
            *self.drain_waker.borrow_mut() = Some(cx.waker().clone());
            if self.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            alarm.set(deadline());
            if alarm.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
