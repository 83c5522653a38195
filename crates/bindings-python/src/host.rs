//! An engine in an asyncio loop: turns, dispatch, and the futures and tasks that events end.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use hostloop::{Access, Address, Cause, Chunk, Config, Engine, ErrorKind, Event, Events, Handle, Kind, RouteOptions};
use pyo3::{
    IntoPyObjectExt,
    exceptions::PyException,
    intern,
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    client::Client,
    errors::{class, closed, invalid, to_python},
    exchange::Exchange,
    first_steps::FirstSteps,
    options::{duration, server_options},
    pinned::Pinned,
    routes::method as method_of,
};

/// Turns of the engine that one call of `Host.turn` takes at most, before other callbacks of the loop have theirs.
const ROUNDS: usize = 4;

/// One engine with one HTTP server, inside one event loop.
///
/// The Python layer has the loop call `turn` when `fileno()` is readable.
#[pyclass(frozen, weakref, module = "hostloop._core")]
pub(crate) struct Host {
    /// Dropped by `detach`: it refers to the Python layer, which refers to the host.
    pinned: Pinned<RefCell<Option<Rc<Inner>>>>,
}

struct Inner {
    engine: Engine,
    server: Handle,
    events: RefCell<Events>,
    event_loop: Py<PyAny>,
    call_soon: Py<PyAny>,
    /// The Python layer's `ended`, `received`, `closed`, `drained`, `accessed` and `failed`.
    hooks: Py<PyAny>,
    /// The bound method `turn`, while attached. It refers back to the host, so `detach` drops it.
    turn: RefCell<Option<Py<PyAny>>>,
    /// Whether a turn is in the loop's queue: verbs of one batch share one.
    is_scheduled: Cell<bool>,
    first_steps: FirstSteps,
    routes: RefCell<Vec<Route>>,
    running: RefCell<Vec<Running>>,
    futures: RefCell<Futures>,
}

struct Route {
    start: Py<PyAny>,
    /// `start` makes a task and runs no other code, so that the first step may be taken here.
    keeps_first_step: bool,
    ignores_disconnect: bool,
}

/// The task that answers the request of a slot.
#[derive(Default)]
struct Running {
    task: Option<Py<PyAny>>,
    route: u64,
}

/// Futures that wait for an event, by token.
#[derive(Default)]
struct Futures {
    waiting: Vec<Option<Py<PyAny>>>,
    free: Vec<usize>,
}

impl Futures {
    fn insert(&mut self, future: Py<PyAny>) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.waiting.push(None);
            self.waiting.len() - 1
        });
        self.waiting[index] = Some(future);
        index as u64
    }

    fn take(&mut self, token: u64) -> Option<Py<PyAny>> {
        let future = self.waiting.get_mut(token as usize)?.take()?;
        self.free.push(token as usize);
        Some(future)
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new(
        event_loop: Bound<'_, PyAny>,
        hooks: Py<PyAny>,
        limits: &Bound<'_, PyAny>,
        timeouts: &Bound<'_, PyAny>,
        report_access: bool,
    ) -> PyResult<Self> {
        let engine = Engine::new(Config::default()).map_err(to_python)?;
        let server = engine.http_server(server_options(limits, timeouts, report_access)?, 0).map_err(to_python)?;
        Ok(Self {
            pinned: Pinned::new(RefCell::new(Some(Rc::new(Inner {
                engine,
                server,
                events: RefCell::default(),
                call_soon: event_loop.getattr("call_soon")?.unbind(),
                first_steps: FirstSteps::new(event_loop.clone().unbind()),
                event_loop: event_loop.unbind(),
                hooks,
                turn: RefCell::default(),
                is_scheduled: Cell::new(false),
                routes: RefCell::default(),
                running: RefCell::default(),
                futures: RefCell::default(),
            })))),
        })
    }

    /// Has the loop take turns whenever there is something to do.
    fn attach(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, inner) = (slf.py(), slf.get().inner()?);
        let turn = slf.getattr(intern!(py, "turn"))?;
        inner.event_loop.call_method1(py, intern!(py, "add_reader"), (inner.engine.fd(), &turn))?;
        inner.turn.replace(Some(turn.unbind()));
        inner.first_steps.attach(py, slf.getattr(intern!(py, "first_step"))?)
    }

    /// Ends what `attach` began.
    fn detach(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, inner) = (slf.py(), slf.get().inner()?);
        inner.event_loop.call_method1(py, intern!(py, "remove_reader"), (inner.engine.fd(),))?;
        inner.turn.take();
        let held = slf.get().pinned.get()?.take();
        drop(held);
        Ok(())
    }

    /// Adds a route. `compiled.start` is called with the exchange of each request, and returns its task or None.
    fn route(
        &self,
        py: Python<'_>,
        method: &str,
        path: &str,
        compiled: &Bound<'_, PyAny>,
        ignores_disconnect: bool,
    ) -> PyResult<()> {
        let inner = self.inner()?;
        let method = method_of(py, method)?;
        let options = RouteOptions::whole_body(compiled.getattr(intern!(py, "wants_body"))?.extract()?);
        let route = Route {
            start: compiled.getattr(intern!(py, "start"))?.unbind(),
            keeps_first_step: compiled.getattr(intern!(py, "keeps_first_step"))?.extract()?,
            ignores_disconnect,
        };
        let mut routes = inner.routes.borrow_mut();
        inner.engine.http_route(inner.server, method, path, routes.len() as u64, options).map_err(to_python)?;
        routes.push(route);
        Ok(())
    }

    /// Binds an address and returns the one that was bound.
    fn listen(slf: &Bound<'_, Self>, address: &str, reuse_port: bool) -> PyResult<String> {
        let address: Address = address.parse().map_err(to_python)?;
        slf.get().listening(slf.py(), |engine, server| engine.http_listen(server, &address, reuse_port, 0))
    }

    /// Takes over a descriptor that listens already, and returns its address.
    fn listen_fd(&self, py: Python<'_>, fd: i32) -> PyResult<String> {
        use std::os::fd::{FromRawFd, OwnedFd};
        if fd < 0 {
            return Err(invalid(py, "the socket is closed; give one that listens".into()));
        }
        // SAFETY: the Python layer detaches the descriptor from its socket before it gives it here.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        self.listening(py, |engine, server| engine.http_listen_fd(server, fd, 0))
    }

    /// Connects through memory; what the server writes goes to `hooks.received(token, bytes)`.
    fn connect(slf: &Bound<'_, Self>, token: u64) -> PyResult<Client> {
        let server = slf.get().inner()?.server;
        let handle = slf.get().verb(slf.py(), |engine| engine.http_connect(server, token))?;
        Ok(Client::new(slf.clone().unbind(), handle))
    }

    /// Starts to drain, or brings the deadline forward.
    #[pyo3(signature = (timeout = None))]
    fn drain(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let timeout = timeout.map(duration).transpose()?;
        let server = self.inner()?.server;
        self.verb(py, |engine| engine.http_drain(server, timeout))
    }

    /// Ends everything now.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.verb(py, |engine| engine.close())
    }

    /// Returns the open connections and the requests under way.
    fn status(&self) -> PyResult<(usize, usize)> {
        let inner = self.inner()?;
        let status = inner.engine.http_status(inner.server).map_err(to_python)?;
        Ok((status.connections, status.requests))
    }

    /// Takes turns of the engine and hands their events to tasks and futures, until nothing is left to do at once or other
    /// callbacks of the loop have waited long enough.
    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        // The loop may have had this turn in its queue when the host was detached.
        let Some(inner) = slf.get().pinned.get()?.borrow().clone() else { return Ok(()) };
        // Verbs that are called from here on need no turn of their own: one follows below.
        inner.is_scheduled.set(true);
        let mut outcome = inner.take_turn(slf);
        for _ in 1..ROUNDS {
            if outcome.is_err() || !inner.engine.needs_turn() {
                break;
            }
            outcome = inner.take_turn(slf);
        }
        inner.is_scheduled.set(false);
        outcome.and(inner.after_verb(slf.py()))
    }

    /// Stands for `loop.call_soon` while tasks are made: keeps their steps, and passes on what else is called meanwhile, as by a
    /// finalizer.
    #[pyo3(signature = (callback, *args, context = None))]
    fn first_step(
        &self,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let (py, inner) = (callback.py(), self.inner()?);
        match context {
            Some(context) if inner.first_steps.is_step(callback)? => {
                inner.first_steps.push(callback.clone().unbind(), context);
                Ok(None)
            }
            context => {
                let options = PyDict::new(py);
                options.set_item("context", context)?;
                let call = PyTuple::new(py, [callback.clone()])?.add(args)?;
                inner.call_soon.call(py, call.cast_into::<PyTuple>()?, Some(&options)).map(Some)
            }
        }
    }
}

impl Host {
    fn inner(&self) -> PyResult<Rc<Inner>> {
        self.pinned.get()?.borrow().clone().ok_or_else(|| closed("the server is closed; make a new one"))
    }

    /// Calls a verb, and has a turn taken before the loop sleeps if that made work.
    pub(crate) fn verb<R>(&self, py: Python<'_>, verb: impl FnOnce(&Engine) -> hostloop::Result<R>) -> PyResult<R> {
        let inner = self.inner()?;
        let result = verb(&inner.engine).map_err(to_python)?;
        inner.after_verb(py)?;
        Ok(result)
    }

    /// Calls a verb whose final event a future waits for.
    pub(crate) fn verb_with_future<'py>(
        &self,
        py: Python<'py>,
        verb: impl FnOnce(&Engine, u64) -> hostloop::Result<()>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let inner = self.inner()?;
        let future = inner.event_loop.bind(py).call_method0(intern!(py, "create_future"))?;
        let token = inner.futures.borrow_mut().insert(future.clone().unbind());
        if let Err(error) = verb(&inner.engine, token) {
            inner.futures.borrow_mut().take(token);
            return Err(to_python(error));
        }
        inner.after_verb(py)?;
        Ok(future)
    }

    fn listening(&self, py: Python<'_>, listen: impl FnOnce(&Engine, Handle) -> hostloop::Result<Handle>) -> PyResult<String> {
        let server = self.inner()?.server;
        let address = self.verb(py, |engine| listen(engine, server).and_then(|listener| engine.listener_address(listener)))?;
        Ok(address.to_string())
    }
}

impl Inner {
    /// Has a turn taken before the loop sleeps, if there is work for it.
    fn after_verb(&self, py: Python<'_>) -> PyResult<()> {
        if self.engine.needs_turn() { self.schedule_turn(py) } else { Ok(()) }
    }

    fn take_turn(&self, host: &Bound<'_, Host>) -> PyResult<()> {
        let py = host.py();
        let mut events = self.events.take();
        let outcome = self.engine.turn(&mut events);
        let mut dispatched = Ok(());
        for event in events.drain() {
            // Whatever one event's receiver raises, the others are told of theirs.
            dispatched = dispatched.and(self.dispatch(host, event));
        }
        self.events.replace(events);
        self.first_steps.end(py)?;
        self.first_steps.run(py)?;
        dispatched?;
        match outcome {
            Err(error) if error.kind() != ErrorKind::Closed => {
                self.hooks.call_method1(py, intern!(py, "failed"), (to_python(error),)).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn schedule_turn(&self, py: Python<'_>) -> PyResult<()> {
        let turn = self.turn.borrow();
        if let Some(turn) = &*turn
            && !self.is_scheduled.replace(true)
        {
            self.call_soon.call1(py, (turn,))?;
        }
        Ok(())
    }

    /// Hands one event to whom it concerns.
    fn dispatch(&self, host: &Bound<'_, Host>, event: Event) -> PyResult<()> {
        let py = host.py();
        if !matches!(event, Event::Request { .. }) {
            self.first_steps.end(py)?;
        }
        let done = match event {
            Event::Request { handle, token, head, body } => {
                self.start(host, handle, token, |host| Exchange::new(host, handle, head, body))
            }
            Event::Body { token, chunk, .. } => self.chunk_arrived(py, token, chunk),
            Event::Written { token, sent, .. } => self.resolve(py, token, sent),
            Event::Received { token, bytes, .. } => {
                self.hooks.call_method1(py, intern!(py, "received"), (token, PyBytes::new(py, &bytes))).map(drop)
            }
            Event::Writable { token, .. } => self.hooks.call_method1(py, intern!(py, "writable"), (token,)).map(drop),
            Event::Access { entry, .. } => self.accessed(py, &entry),
            Event::Closed { handle, token, cause } => self.closed(py, handle, token, cause),
            _ => Ok(()),
        };
        if let Err(error) = done {
            if !error.is_instance_of::<PyException>(py) {
                // SystemExit and KeyboardInterrupt are for the loop.
                return Err(error);
            }
            error.write_unraisable(py, Some(host));
        }
        Ok(())
    }

    fn start(
        &self,
        host: &Bound<'_, Host>,
        handle: Handle,
        route: u64,
        exchange: impl FnOnce(Py<Host>) -> Exchange,
    ) -> PyResult<()> {
        let py = host.py();
        let (start, keeps_first_step) = {
            let route = &self.routes.borrow()[route as usize];
            (route.start.clone_ref(py), route.keeps_first_step)
        };
        if keeps_first_step {
            self.first_steps.begin(py)?;
        } else {
            self.first_steps.end(py)?;
        }
        match Bound::new(py, exchange(host.clone().unbind())).and_then(|exchange| start.call1(py, (exchange,))) {
            Ok(task) if task.is_none(py) => Ok(()),
            Ok(task) => {
                self.remember(handle, Running { task: Some(task), route });
                Ok(())
            }
            Err(error) => {
                let _ = self.engine.abort(handle);
                Err(error)
            }
        }
    }

    fn remember(&self, request: Handle, running: Running) {
        let mut table = self.running.borrow_mut();
        if table.len() <= request.index() {
            table.resize_with(request.index() + 1, Running::default);
        }
        table[request.index()] = running;
    }

    fn closed(&self, py: Python<'_>, handle: Handle, token: u64, cause: Cause) -> PyResult<()> {
        match handle.kind() {
            Some(Kind::Request) => self.request_closed(py, handle, cause),
            Some(Kind::Server) => self.hooks.call_method0(py, intern!(py, "drained")).map(drop),
            Some(Kind::Client) => self.hooks.call_method1(py, intern!(py, "closed"), (token,)).map(drop),
            _ => Ok(()),
        }
    }

    fn request_closed(&self, py: Python<'_>, request: Handle, cause: Cause) -> PyResult<()> {
        let running = self.running.borrow_mut().get_mut(request.index()).map(std::mem::take);
        let Some(Running { task: Some(task), route }) = running else { return Ok(()) };
        let is_answered = cause == Cause::Done;
        if is_answered && task.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
            return Ok(());
        }
        let ignores_disconnect = self.routes.borrow()[route as usize].ignores_disconnect;
        let ignores = is_answered || (cause == Cause::Disconnected && ignores_disconnect);
        self.hooks.call_method1(py, intern!(py, "ended"), (task, ignores)).map(drop)
    }

    fn accessed(&self, py: Python<'_>, entry: &Access) -> PyResult<()> {
        let client = entry.peer.map(|peer| peer.to_string());
        let request = entry.request.as_ref().map(|(method, uri, version)| format!("{method} {uri} {version:?}"));
        let status = entry.status.map(|status| status.as_u16());
        let line = (client, request, status, entry.bytes, entry.duration.as_secs_f64());
        self.hooks.call_method1(py, intern!(py, "accessed"), line).map(drop)
    }

    fn chunk_arrived(&self, py: Python<'_>, token: u64, chunk: Chunk) -> PyResult<()> {
        match chunk {
            Chunk::Data(bytes) => self.resolve(py, token, PyBytes::new(py, &bytes)),
            Chunk::End => self.resolve(py, token, py.None()),
            _ => {
                let error = class(py, "ClientDisconnected")?.call1(("the request ended before its body did",))?;
                self.with_future(token, |future| future.call_method1(py, intern!(py, "set_exception"), (error,)).map(drop))
            }
        }
    }

    fn resolve<'py>(&self, py: Python<'py>, token: u64, value: impl IntoPyObject<'py>) -> PyResult<()> {
        let value = value.into_py_any(py)?;
        self.with_future(token, |future| future.call_method1(py, intern!(py, "set_result"), (value,)).map(drop))
    }

    /// Ends a future that nobody has cancelled.
    fn with_future(&self, token: u64, end: impl FnOnce(&Py<PyAny>) -> PyResult<()>) -> PyResult<()> {
        let future = self.futures.borrow_mut().take(token);
        let Some(future) = future else { return Ok(()) };
        Python::attach(|py| match future.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
            true => Ok(()),
            false => end(&future),
        })
    }
}
