//! One engine on a thread of its own, and the futures of its requests.
//!
//! The thread waits in [`Engine::park`] alone. What wakes a future there, on this thread or on another, rings the bell: on this thread that is
//! a flag which is looked at before the thread waits, from another it is a post that ends the wait.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use ::http::Request;
use tokio::{
    runtime::Handle as Runtime,
    sync::oneshot,
    task::{AbortHandle, LocalSet},
};

use super::{
    Peer, Service,
    body::{Reading, RequestBody},
    exchange::Exchange,
    memory::{Requests, converse},
    stillness::Stillness,
};
use crate::{
    Access, Address, Cause, Chunk, Config, Engine, Error, ErrorKind, Event, Events, Handle, Remote, RequestHead, RouteOptions,
    ServerOptions,
};

/// Tokens of this engine's events; those of a server and a route are told apart by their handles.
const SERVER: u64 = 0;
const RING: u64 = 1;

/// What the thread is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Drain within this time.
    Drain(Option<Duration>),
    /// Close everything now.
    Close,
    /// Open a connection in memory.
    Connect(oneshot::Sender<Requests>),
}

/// How requests come to the thread.
#[derive(Clone)]
pub(super) enum Entrance {
    /// By the first of these addresses that can be listened on, together with others or alone.
    Sockets { addresses: Vec<Address>, is_shared: bool },
    /// Through memory, from this address.
    Memory { peer: Option<SocketAddr>, stillness: Arc<Stillness> },
}

impl Entrance {
    pub(super) fn stillness(&self) -> Option<&Arc<Stillness>> {
        match self {
            Self::Sockets { .. } => None,
            Self::Memory { stillness, .. } => Some(stillness),
        }
    }
}

/// What wakes the thread.
pub(super) struct Bell {
    owner: ThreadId,
    is_rung: AtomicBool,
    remote: Remote,
    stillness: Option<Arc<Stillness>>,
    wanted: Mutex<Vec<Arc<Reading>>>,
}

impl Bell {
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) && thread::current().id() != self.owner {
            if let Some(stillness) = &self.stillness {
                stillness.begin();
            }
            // An engine that is closed needs no waking, and one post is never too many.
            let _ = self.remote.post(RING);
        }
    }

    /// Has the engine read on in a body.
    pub(super) fn read(&self, reading: Arc<Reading>) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        self.ring();
    }

    fn take_wanted(&self) -> Vec<Arc<Reading>> {
        std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// How another thread gives orders to this one.
#[derive(Clone)]
pub(super) struct Orders {
    sender: mpsc::Sender<Order>,
    bell: Arc<Bell>,
}

impl Orders {
    /// Gives an order. A thread that has ended needs none.
    pub(super) fn give(&self, order: Order) {
        if self.sender.send(order).is_ok() {
            self.bell.ring();
        }
    }
}

/// An engine that listens, before it serves.
pub(super) struct EngineThread<S> {
    engine: Rc<Engine>,
    server: Handle,
    entrance: Entrance,
    service: S,
    orders: mpsc::Receiver<Order>,
    bell: Arc<Bell>,
    futures: LocalSet,
    /// By the place of the request's handle, which the engine uses again.
    requests: Vec<Option<Serving>>,
    /// Requests that were cut off because the drain took too long.
    cut: usize,
}

/// A request that is under way.
struct Serving {
    handle: Handle,
    reading: Option<Arc<Reading>>,
    exchange: Rc<Exchange>,
    task: AbortHandle,
}

impl<S: Service> EngineThread<S> {
    /// Makes an engine on this thread and has it listen. Returns where it does, if it has an address.
    pub(super) fn open(entrance: Entrance, options: ServerOptions, service: S) -> Result<(Self, Option<Address>, Orders), Error> {
        let engine = Rc::new(Engine::new(Config::default())?);
        let server = engine.http_server(options, SERVER)?;
        engine.http_fallback(server, SERVER, RouteOptions::default())?;
        let address = match &entrance {
            Entrance::Sockets { addresses, is_shared } => Some(listen(&engine, server, addresses, *is_shared)?),
            Entrance::Memory { .. } => None,
        };
        let (sender, orders) = mpsc::channel();
        let bell = Arc::new(Bell {
            owner: thread::current().id(),
            // The first look lets the futures know whom to wake.
            is_rung: AtomicBool::new(true),
            remote: engine.remote(),
            stillness: entrance.stillness().cloned(),
            wanted: Mutex::default(),
        });
        let orders_for = Orders { sender, bell: Arc::clone(&bell) };
        let futures = LocalSet::new();
        Ok((Self { engine, server, entrance, service, orders, bell, futures, requests: Vec::new(), cut: 0 }, address, orders_for))
    }

    /// Serves until the server has drained or is closed, and returns how many requests were cut off.
    pub(super) fn serve(mut self, runtime: &Runtime) -> usize {
        // Timers, sockets and tasks that handlers start are the application's runtime's.
        let _entered = runtime.enter();
        let waker = Waker::from(Arc::clone(&self.bell));
        let mut events = Events::new();
        loop {
            if self.bell.is_rung.swap(false, Ordering::AcqRel) {
                self.follow_orders();
                self.poll_futures(&waker);
            }
            self.read_bodies();
            let wait = self.longest_wait();
            match self.engine.park(&mut events, wait) {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Forked) => return self.cut,
                Err(error) => tracing::error!(target: "hostloop::http", %error, "a turn of the engine failed"),
            }
            for event in events.drain() {
                if self.is_the_end(event) {
                    return self.cut;
                }
            }
        }
    }

    /// How long the thread may wait for what is new: not at all if its futures, or the engine's, have something to do.
    fn longest_wait(&self) -> Option<Duration> {
        let is_rung = || self.bell.is_rung.load(Ordering::Acquire);
        let rests = match &self.entrance {
            Entrance::Sockets { .. } => !is_rung(),
            // What the engine does first in a turn may be what a client in memory waits for, and would not end the wait.
            Entrance::Memory { stillness, .. } => stillness.wait_unless(|| self.engine.needs_turn() || is_rung()),
        };
        (!rests).then_some(Duration::ZERO)
    }

    fn follow_orders(&self) {
        for order in self.orders.try_iter() {
            let followed = match order {
                Order::Drain(patience) => self.engine.http_drain(self.server, patience),
                Order::Close => self.engine.close(),
                Order::Connect(reply) => self.connect(reply),
            };
            if let Err(error) = followed {
                tracing::debug!(target: "hostloop::http", %error, "the server has ended before");
            }
        }
    }

    fn connect(&self, reply: oneshot::Sender<Requests>) -> Result<(), Error> {
        let Entrance::Memory { peer, .. } = self.entrance else { return Ok(()) };
        let end = self.engine.http_connect_from(self.server, peer)?;
        self.futures.spawn_local(converse(end, reply));
        Ok(())
    }

    fn poll_futures(&mut self, waker: &Waker) {
        let _ = std::pin::Pin::new(&mut self.futures).poll(&mut Context::from_waker(waker));
    }

    fn read_bodies(&self) {
        for reading in self.bell.take_wanted() {
            if self.engine.request_read(reading.handle, SERVER).is_err() {
                reading.came(Chunk::Aborted);
            }
        }
    }

    fn is_the_end(&mut self, event: Event) -> bool {
        match event {
            Event::Request { handle, head, .. } => self.begin(handle, *head),
            Event::Body { handle, chunk, .. } => {
                if let Some(reading) = self.request(handle).and_then(|serving| serving.reading.as_ref()) {
                    reading.came(chunk);
                }
            }
            Event::Written { handle, .. } => {
                if let Some(serving) = self.request(handle) {
                    serving.exchange.written();
                }
            }
            Event::Access { entry, .. } => log(&entry),
            Event::Closed { handle, .. } if handle == self.server => return true,
            Event::Closed { handle, cause, .. } => self.ended(handle, cause),
            Event::Shutdown => return true,
            _ => {}
        }
        false
    }

    fn begin(&mut self, handle: Handle, head: RequestHead) {
        let exchange = Exchange::new(Rc::clone(&self.engine), handle);
        let (request, reading) = request(head, || Reading::new(handle, Arc::clone(&self.bell)));
        let serving = Rc::clone(&exchange).serve(self.service.clone(), request);
        let task = self.futures.spawn_local(serving).abort_handle();
        if self.requests.len() <= handle.index() {
            self.requests.resize_with(handle.index() + 1, || None);
        }
        self.requests[handle.index()] = Some(Serving { handle, reading, exchange, task });
    }

    fn request(&self, handle: Handle) -> Option<&Serving> {
        self.requests.get(handle.index())?.as_ref().filter(|serving| serving.handle == handle)
    }

    /// Drops the future of a request that nobody waits for any more.
    fn ended(&mut self, handle: Handle, cause: Cause) {
        let found = self.requests.get_mut(handle.index());
        let Some(serving) = found.and_then(|slot| slot.take_if(|serving| serving.handle == handle)) else { return };
        if cause != Cause::Done {
            serving.task.abort();
        }
        self.cut += usize::from(cause == Cause::Drained);
    }
}

/// Binds the first address that can be bound, and returns where that is.
fn listen(engine: &Engine, server: Handle, addresses: &[Address], is_shared: bool) -> Result<Address, Error> {
    let mut refused = None;
    for address in addresses {
        match engine.http_listen(server, address, is_shared, SERVER) {
            Ok(listener) => return engine.listener_address(listener),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| unreachable!("a name that resolves has an address")))
}

fn request(head: RequestHead, reading: impl FnOnce() -> Arc<Reading>) -> (Request<RequestBody>, Option<Arc<Reading>>) {
    let RequestHead { method, uri, version, headers, peer, .. } = head;
    let (body, reading) = RequestBody::new(&headers, reading);
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut(), *request.version_mut(), *request.headers_mut()) = (method, uri, version, headers);
    if let Some(peer) = peer {
        request.extensions_mut().insert(Peer(peer));
    }
    (request, reading)
}

fn log(access: &Access) {
    let Access { peer, request, status, bytes, duration, .. } = access;
    let request = request.as_ref().map(|(method, uri, version)| format!("{method} {uri} {version:?}"));
    tracing::info!(
        target: "hostloop::access",
        peer = peer.map(tracing::field::display), request, status = status.map(|status| status.as_u16()), bytes, ?duration, "answered"
    );
}
