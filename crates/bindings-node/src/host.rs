//! An engine with one HTTP server, in the loop of the thread that made it.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use hostloop::{Address, BodyMode, Config, Engine, ErrorKind, Event, Events, Handle, ResponseHead, RouteOptions};
use http::Method;
use napi::{
    Env, JsValue, Unknown,
    bindgen_prelude::{Function, Uint32Array},
    sys,
};
use napi_derive::napi;

use crate::{
    batch::{Batch, CAPACITY, FIELDS},
    callback::Callback,
    direct::respond_function,
    errors::{Result, closed, invalid, stale, to_node},
    options::{self, NativeLimits, NativeTimeouts, duration, server_options},
    response,
    socket::take_over,
    uv::{Guest, Watch},
};

/// Turns that are taken at most before the loop's other callbacks have theirs.
const ROUNDS: usize = 4;

/// Small bodies come with their requests; the others are read on demand.
const AT_HAND: RouteOptions = RouteOptions::body(BodyMode::AtHand);

/// The numbers of `low` and `high` are the halves of a request's handle.
#[napi]
pub struct Host {
    inner: Rc<Inner>,
}

pub(crate) struct Inner {
    engine: Engine,
    server: Handle,
    events: RefCell<Events>,
    /// What turns have reported that were taken within a callback, and is still to be handed over.
    later: RefCell<Vec<Event>>,
    batch: RefCell<Batch>,
    /// Bodies that came whole with their requests, by the request's place, until they are asked for or the request ends.
    bodies: RefCell<Vec<(Handle, Bytes)>>,
    callback: Callback,
    watch: Cell<Option<Watch>>,
    cleanup: Cell<sys::napi_async_cleanup_hook_handle>,
}

#[napi]
impl Host {
    /// Makes an engine and has the loop watch it; with `withThread`, a thread that wakes the loop. `onBatch(count, text, buffers)` is told
    /// what happened.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        on_batch: Function<'_, (), ()>,
        mut records: Uint32Array,
        limits: NativeLimits,
        timeouts: NativeTimeouts,
        report_access: bool,
        with_thread: bool,
    ) -> Result<Self> {
        if records.len() < CAPACITY * FIELDS {
            return Err(invalid(format!("the records need {} numbers", CAPACITY * FIELDS)));
        }
        let engine = Engine::new(Config::default()).map_err(to_node)?;
        let server = engine.http_server(server_options(&limits, &timeouts, report_access)?, 0).map_err(to_node)?;
        // SAFETY: the array lives as long as the callback, which refers to it; only JavaScript that this thread runs reads it meanwhile.
        let callback = unsafe {
            let memory = records.as_mut().as_mut_ptr();
            let array = napi::bindgen_prelude::ToNapiValue::to_napi_value(env.raw(), records).map_err(|_| closed())?;
            Callback::new(env.raw(), on_batch.raw(), array, memory)
        };
        let inner = Rc::new(Inner {
            engine,
            server,
            events: RefCell::default(),
            later: RefCell::default(),
            batch: RefCell::default(),
            bodies: RefCell::default(),
            callback,
            watch: Cell::new(None),
            cleanup: Cell::new(ptr::null_mut()),
        });
        Inner::attach(&inner, env, with_thread)?;
        Ok(Self { inner })
    }

    /// Adds a route. Requests for it are reported with the token.
    #[napi]
    pub fn route(&self, method: String, path: String, token: u32) -> Result<()> {
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| invalid(format!("method {method:?} is not a token; use letters")))?;
        let Inner { engine, server, .. } = &*self.inner;
        engine.http_route(*server, method, &path, token.into(), AT_HAND).map_err(to_node)
    }

    /// Has requests that no route is for reported with the token.
    #[napi]
    pub fn fallback(&self, token: u32) -> Result<()> {
        let Inner { engine, server, .. } = &*self.inner;
        engine.http_fallback(*server, token.into(), AT_HAND).map_err(to_node)
    }

    /// Binds an address and returns the one that was bound.
    #[napi]
    pub fn listen(&self, address: String, reuse_port: bool) -> Result<String> {
        let address: Address = address.parse().map_err(to_node)?;
        let Inner { engine, server, .. } = &*self.inner;
        let listener = engine.http_listen(*server, &address, reuse_port, 0).map_err(to_node)?;
        Ok(engine.listener_address(listener).map_err(to_node)?.to_string())
    }

    /// Takes over a descriptor that listens already, and returns its address. One that is refused is left as it is.
    #[napi]
    pub fn listen_fd(&self, fd: i32) -> Result<String> {
        let Inner { engine, server, .. } = &*self.inner;
        let listener = take_over(fd, |copy| engine.http_listen_fd(*server, copy, 0).map_err(to_node))?;
        Ok(engine.listener_address(listener).map_err(to_node)?.to_string())
    }

    /// Says whether the server keeps the process alive.
    #[napi]
    pub fn keep_alive(&self, keep: bool) {
        if let Some(watch) = self.inner.watch.take() {
            watch.keep_alive(keep);
            self.inner.watch.set(Some(watch));
        }
    }

    /// Changes how long the server waits.
    #[napi]
    pub fn wait(&self, timeouts: NativeTimeouts) -> Result<()> {
        self.inner.engine.http_timeouts(self.inner.server, options::timeouts(&timeouts)?).map_err(to_node)
    }

    /// Closes all connections, or those that wait for a request.
    #[napi]
    pub fn disconnect(&self, only_idle: bool) -> Result<()> {
        self.inner.engine.http_disconnect(self.inner.server, only_idle).map_err(to_node)
    }

    /// Stops accepting; `Closed` is reported for the server when the last connection has ended. Without a time it waits without end.
    #[napi]
    pub fn drain(&self, timeout: Option<f64>) -> Result<()> {
        let timeout = timeout.map_or(Ok(Duration::MAX), duration)?;
        self.inner.engine.http_drain(self.inner.server, Some(timeout)).map_err(to_node)
    }

    /// Ends everything now. `Shutdown` is the last that is reported.
    #[napi]
    pub fn close(&self) -> Result<()> {
        self.inner.engine.close().map_err(to_node)
    }

    /// Returns the open connections and the requests under way.
    #[napi]
    pub fn status(&self) -> Result<Vec<u32>> {
        let status = self.inner.engine.http_status(self.inner.server).map_err(to_node)?;
        Ok(vec![status.connections as u32, status.requests as u32])
    }

    /// Makes the function that answers a request: `respond(low, high, status, media, headers, body)`.
    #[napi]
    pub fn respond_function<'env>(&self, env: &'env Env) -> Result<Unknown<'env>> {
        let function = respond_function(env.raw(), &self.inner)?;
        // SAFETY: the value was made in this call.
        Ok(unsafe { Unknown::from_raw_unchecked(env.raw(), function) })
    }

    /// Sends what was answered at once, in the middle of a callback. What else happens is told after it.
    #[napi]
    pub fn flush(&self) {
        self.inner.flush();
    }

    /// Starts a streamed response.
    #[napi]
    pub fn respond_streamed(&self, low: u32, high: u32, status: u32, media: u32, headers: Option<Unknown<'_>>) -> Result<()> {
        let head = response::head(status, media, headers)?;
        self.inner.engine.respond_streamed(handle(low, high), head).map_err(to_node)
    }

    /// Queues a piece of a streamed response. Returns whether there was room.
    #[napi]
    pub fn write(&self, low: u32, high: u32, piece: Unknown<'_>, token: u32) -> Result<bool> {
        match self.inner.engine.write(handle(low, high), response::body(&piece)?, token.into()) {
            Err(error) if error.kind() == ErrorKind::Full => Ok(false),
            written => written.map(|()| true).map_err(to_node),
        }
    }

    /// Ends a streamed response, with trailers if there are some: names and values in turn, a line each.
    #[napi]
    pub fn finish(&self, low: u32, high: u32, trailers: Option<Unknown<'_>>) -> Result<()> {
        let Inner { engine, .. } = &*self.inner;
        let finished = match trailers {
            Some(lines) => engine.finish_with_trailers(handle(low, high), response::fields(&lines)?),
            None => engine.finish(handle(low, high)),
        };
        finished.map_err(to_node)
    }

    /// Gives a request up.
    #[napi]
    pub fn abort(&self, low: u32, high: u32) -> Result<()> {
        self.inner.engine.abort(handle(low, high)).map_err(to_node)
    }

    /// Reads on in a request's body.
    #[napi]
    pub fn read(&self, low: u32, high: u32, token: u32) -> Result<()> {
        self.inner.engine.request_read(handle(low, high), token.into()).map_err(to_node)
    }

    /// Takes the body that came with a request, as a `Buffer`.
    #[napi(ts_return_type = "Buffer")]
    pub fn take_body<'env>(&self, env: &'env Env, low: u32, high: u32) -> Result<Unknown<'env>> {
        let body = self.inner.take_body(handle(low, high))?;
        let mut value = ptr::null_mut();
        // SAFETY: the bytes are copied in the call.
        unsafe {
            sys::napi_create_buffer_copy(env.raw(), body.len(), body.as_ptr().cast(), ptr::null_mut(), &mut value);
            Ok(Unknown::from_raw_unchecked(env.raw(), value))
        }
    }

    /// Takes the body that came with a request, decoded as UTF-8. What is not UTF-8 becomes U+FFFD.
    #[napi(ts_return_type = "string")]
    pub fn take_body_text<'env>(&self, env: &'env Env, low: u32, high: u32) -> Result<Unknown<'env>> {
        let body = self.inner.take_body(handle(low, high))?;
        let mut value = ptr::null_mut();
        // SAFETY: the bytes are copied in the call.
        unsafe {
            sys::napi_create_string_utf8(env.raw(), body.as_ptr().cast(), body.len() as isize, &mut value);
            Ok(Unknown::from_raw_unchecked(env.raw(), value))
        }
    }

    /// Connects through memory; what the server writes is reported as `Received` with the token. Returns the halves of the handle.
    #[napi]
    pub fn connect(&self, token: u32) -> Result<Vec<u32>> {
        let bits = self.inner.engine.http_connect(self.inner.server, token.into()).map_err(to_node)?.to_bits();
        Ok(vec![bits as u32, (bits >> 32) as u32])
    }

    /// Sends the start of the bytes through a connection in memory, and returns how much that was.
    #[napi]
    pub fn client_send(&self, low: u32, high: u32, bytes: Unknown<'_>) -> Result<u32> {
        let bytes = response::body(&bytes)?;
        self.inner.engine.client_send(handle(low, high), &bytes).map(|sent| sent as u32).map_err(to_node)
    }

    /// Leaves what the server writes with it, or takes it again.
    #[napi]
    pub fn client_pause(&self, low: u32, high: u32, is_paused: bool) -> Result<()> {
        self.inner.engine.client_pause(handle(low, high), is_paused).map_err(to_node)
    }

    /// Goes away, as a client does that is killed.
    #[napi]
    pub fn client_close(&self, low: u32, high: u32) -> Result<()> {
        self.inner.engine.client_close(handle(low, high)).map_err(to_node)
    }
}

fn handle(low: u32, high: u32) -> Handle {
    Handle::from_bits(u64::from(high) << 32 | u64::from(low))
}

impl Inner {
    fn attach(inner: &Rc<Self>, env: Env, with_thread: bool) -> Result<()> {
        let event_loop = env.get_uv_event_loop().map_err(|_| closed())?;
        // SAFETY: the loop is this thread's. It lets go before it ends, by the hook below; the engine is dropped with the last `Rc`.
        let watch = unsafe { Watch::open(event_loop, inner.engine.fd(), inner, with_thread) };
        inner.watch.set(Some(watch.map_err(|number| invalid(format!("the loop cannot watch the engine: error {number}")))?));
        let mut hook = ptr::null_mut();
        // SAFETY: the pointer's count is taken back in `released`, before which the hook is removed or has run.
        unsafe {
            let data = Rc::into_raw(Rc::clone(inner)).cast_mut().cast();
            sys::napi_add_async_cleanup_hook(env.raw(), Some(on_cleanup), data, &mut hook);
        }
        inner.cleanup.set(hook);
        Ok(())
    }

    pub(crate) fn respond(&self, low: u32, high: u32, head: ResponseHead, body: Bytes) -> Result<()> {
        self.engine.respond(handle(low, high), head, body).map_err(to_node)
    }

    /// Takes turns and hands over what they report, until nothing is left to do at once or others have waited long enough.
    fn run(&self) {
        for _ in 0..ROUNDS {
            self.take_turn();
            if !self.has_work() {
                return;
            }
        }
    }

    fn has_work(&self) -> bool {
        self.engine.needs_turn() || !self.later.borrow().is_empty()
    }

    fn flush(&self) {
        let mut events = Events::new();
        self.turn(&mut events);
        self.later.borrow_mut().extend(events.drain());
    }

    fn turn(&self, events: &mut Events) {
        if let Err(error) = self.engine.turn(events)
            && error.kind() == ErrorKind::Panic
        {
            eprintln!("hostloop: {error}");
        }
    }

    fn take_turn(&self) {
        let mut events = self.events.take();
        if self.engine.needs_turn() || self.later.borrow().is_empty() {
            self.turn(&mut events);
        }
        let mut batch = self.batch.take();
        batch.clear();
        let mut is_last = false;
        for event in self.later.take().into_iter().chain(events.drain()) {
            is_last |= matches!(event, Event::Shutdown);
            self.push(&mut batch, event);
            if batch.is_full() {
                self.callback.call(&batch);
                batch.clear();
            }
        }
        self.events.replace(events);
        if !batch.records.is_empty() {
            self.callback.call(&batch);
        }
        self.batch.replace(batch);
        if is_last && let Some(watch) = self.watch.take() {
            watch.close::<Self>();
        }
    }

    fn push(&self, batch: &mut Batch, event: Event) {
        match event {
            Event::Request { handle, token, head, body } => {
                batch.push_request(handle, token, &head, body.is_some());
                if let Some(body) = body {
                    self.keep_body(handle, body);
                }
            }
            event => {
                if let Event::Closed { handle, .. } = event
                    && handle.kind() == Some(hostloop::Kind::Request)
                {
                    self.drop_body(handle);
                }
                batch.push_event(event);
            }
        }
    }

    fn keep_body(&self, handle: Handle, body: Bytes) {
        let mut bodies = self.bodies.borrow_mut();
        if bodies.len() <= handle.index() {
            bodies.resize_with(handle.index() + 1, || (Handle::from_bits(0), Bytes::new()));
        }
        bodies[handle.index()] = (handle, body);
    }

    fn drop_body(&self, handle: Handle) {
        if let Some(kept) = self.bodies.borrow_mut().get_mut(handle.index()) {
            *kept = (Handle::from_bits(0), Bytes::new());
        }
    }

    /// The request may have ended, and its place be another's, in a batch whose end has not come to JavaScript yet.
    fn take_body(&self, handle: Handle) -> Result<Bytes> {
        let mut bodies = self.bodies.borrow_mut();
        let kept = bodies.get_mut(handle.index()).filter(|(of, _)| *of == handle);
        kept.map(|(_, body)| std::mem::take(body)).ok_or_else(stale)
    }
}

impl Guest for Inner {
    fn readable(self: Rc<Self>) {
        guarded(|| self.run());
    }

    fn before_waiting(self: Rc<Self>) {
        if !self.has_work() {
            return;
        }
        guarded(|| self.run());
        if self.has_work() {
            // The descriptor does not show what is left, so that the loop would wait.
            let _ = self.engine.remote().post(0);
        }
    }

    fn released(&self) {
        self.callback.release();
        let hook = self.cleanup.replace(ptr::null_mut());
        if !hook.is_null() {
            // SAFETY: the hook was added by `attach`, with a count of this `Rc` that is taken back here; the caller has another.
            unsafe {
                sys::napi_remove_async_cleanup_hook(hook);
                drop(Rc::from_raw(ptr::from_ref(self)));
            }
        }
    }
}

/// Nothing may unwind into libuv.
fn guarded(run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        eprintln!("hostloop: a turn was given up after a defect of hostloop's");
    }
}

/// The environment ends: a worker thread's, or the process's.
extern "C" fn on_cleanup(_: sys::napi_async_cleanup_hook_handle, data: *mut std::ffi::c_void) {
    // SAFETY: `attach` gave this pointer with a count that is alive until `released`.
    let inner: Rc<Inner> = unsafe {
        let data: *const Inner = data.cast_const().cast();
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    };
    if let Some(watch) = inner.watch.take() {
        watch.close::<Inner>();
    }
}
