//! One connection: hyper over a gated transport, with the deadlines of each phase.

mod io;
mod task;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::Waker,
};

use http::{Method, Request, StatusCode, header::EXPECT};
use http_body::Body as _;
use hyper::body::Incoming;

pub(crate) use self::task::serve;
use super::{
    access::AccessLog,
    body::Body,
    exchange::Exchange,
    leftover::Leftover,
    patience::Patience,
    reply::problem,
    server::Server,
    service::cause_of_end,
    strict::{Gate, Refusal},
    transport::Transport,
};
use crate::{
    engine::alarm::{Alarm, NEVER},
    event::Cause,
    timer::clock::nanos,
};

/// Bytes of a streamed response that hyper may hold before the transport has taken them.
const HYPER_BYTES: usize = 64 * 1024;

/// While draining, a connection that was used this recently may have its next request under way already: it is answered with
/// `Connection: close` rather than met with a closed socket.
const DRAIN_IDLE: u64 = 1_000_000_000;

/// A connection that has been idle this long gives its buffers back, in nanoseconds.
const SLEEP_AFTER: u64 = 250_000_000;

pub(crate) struct Connection {
    pub(crate) server: Rc<Server>,
    pub(crate) peer: Option<SocketAddr>,
    /// Where the server's list has it.
    pub(crate) place: Cell<usize>,
    transport: Transport,
    gate: RefCell<Gate>,
    alarm: Alarm,
    waker: RefCell<Option<Waker>>,
    /// The exchange whose handle is open. At most one: HTTP/1.1 answers in order.
    exchange: RefCell<Option<Rc<Exchange>>>,
    message: Message,
    /// What is left of the body of a request that was answered before it had come.
    leftover: Leftover,
    access: AccessLog,
    reading: Waiting,
    writing: Waiting,
    phase: Cell<(Phase, u64)>,
    /// Since when the handler has been waiting for bytes of the request's body.
    handler_rests_since: Cell<Option<u64>>,
    end: Cell<End>,
    /// Nothing of hyper's is kept, until a request comes.
    is_dormant: Cell<bool>,
    /// The client has closed its side.
    has_ended: Cell<bool>,
}

/// The request that hyper serves now, or served last.
#[derive(Default)]
struct Message {
    /// Requests that hyper has given to the service.
    count: Cell<u64>,
    stage: Cell<Stage>,
    is_head: Cell<bool>,
    /// The client sends the body when it is asked for it.
    expects_continue: Cell<bool>,
    /// The response is the last of its connection, and says so if it has not begun.
    is_last: Cell<bool>,
    is_gathering: Cell<bool>,
    /// Bytes of its response that hyper holds.
    handed: Cell<usize>,
    /// A stream was asked for its next piece while hyper held too much.
    is_held_back: Cell<bool>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// No request, or its response has left.
    #[default]
    Idle,
    /// The response has not begun.
    Asked,
    /// The response is being written.
    Answering,
}

/// One direction of the transport.
struct Waiting {
    is_blocked: Cell<bool>,
    patience: Patience,
}

/// What a connection is doing, for its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Handling,
    Answering,
}

/// Why a connection ends, where it is not the client's doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Peer,
    TimedOut,
    Refused,
    Aborted,
}

/// What a passed deadline asks for.
enum Overdue {
    /// The handler's request was answered in its place, which wakes the task.
    Answered,
    Refuse(Refusal),
    Close,
    Sleep,
}

impl Connection {
    pub(crate) fn new(server: Rc<Server>, transport: Transport, peer: Option<SocketAddr>, place: usize) -> Self {
        let (limits, timeouts) = (&server.options.limits, server.timeouts());
        let waiting = |timeout: Option<_>| Waiting {
            is_blocked: Cell::new(false),
            patience: Patience::new(timeout.map_or(NEVER, nanos), limits.min_rate),
        };
        let core = &server.http.core;
        Self {
            peer,
            place: Cell::new(place),
            transport,
            gate: RefCell::new(Gate::new(limits)),
            alarm: Alarm::new(Rc::clone(core)),
            waker: RefCell::default(),
            exchange: RefCell::default(),
            message: Message::default(),
            leftover: Leftover::default(),
            access: AccessLog::default(),
            reading: waiting(timeouts.body),
            writing: waiting(timeouts.write),
            phase: Cell::new((Phase::Idle, core.now())),
            handler_rests_since: Cell::new(None),
            end: Cell::default(),
            is_dormant: Cell::new(true),
            has_ended: Cell::new(false),
            server,
        }
    }

    /// Has the connection's task run in the next turn.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    // What the service tells.

    pub(crate) fn request_started<B>(&self, request: &Request<B>) {
        if self.server.options.report_access {
            self.access.request_started(request, self.now());
        }
        let message = &self.message;
        message.count.set(message.count.get() + 1);
        message.stage.set(Stage::Asked);
        // Even one that is answered in the same step is a use of the connection.
        self.phase.set((Phase::Handling, self.now()));
        message.is_head.set(request.method() == Method::HEAD);
        message.expects_continue.set(request.headers().contains_key(EXPECT));
        message.is_last.set(false);
        self.reading.patience.reset();
        self.writing.patience.reset();
    }

    pub(crate) fn start_exchange(self: &Rc<Self>, token: u64, incoming: Option<Incoming>) -> Rc<Exchange> {
        let exchange = self.server.http.open_request(token, self, incoming);
        let timeout = self.server.timeouts().handler.map_or(NEVER, nanos);
        exchange.handler_deadline.set(self.now().saturating_add(timeout));
        self.exchange.replace(Some(Rc::clone(&exchange)));
        self.server.request_started();
        exchange
    }

    /// Takes what is left of a body, to throw it away. A client that was not asked for it may send it or not: such a connection is of no
    /// use any more, and neither is one whose body is too long.
    pub(crate) fn leave_body(&self, incoming: Incoming, was_read: bool) {
        let is_certain = was_read || !self.message.expects_continue.get();
        let is_kept = is_certain && !self.server.is_draining() && self.leftover.take(incoming);
        self.message.is_last.set(!is_kept);
    }

    /// Returns whether the connection closes after this response.
    pub(crate) fn is_last_response(&self) -> bool {
        self.server.is_draining() || self.message.is_last.get()
    }

    pub(crate) fn set_gathering(&self, is_gathering: bool) {
        self.message.is_gathering.set(is_gathering);
    }

    pub(crate) fn response_started(&self, response: &http::Response<Body>) {
        self.message.stage.set(Stage::Answering);
        if self.server.options.report_access {
            self.access.response_started(response.status());
            let is_sent = !self.is_head_request();
            self.access.handed(response.body().size_hint().exact().map_or(0, |length| if is_sent { length as usize } else { 0 }));
        }
    }

    // What an exchange tells and asks.

    pub(crate) fn exchange_closed(&self) {
        let exchange = self.exchange.take();
        drop(exchange);
    }

    pub(crate) fn handed(&self, bytes: usize) {
        self.message.handed.set(self.message.handed.get() + bytes);
        self.access.handed(bytes);
    }

    /// Returns whether the client must take more before the next piece is handed on. When it has, the piece is asked for again.
    pub(crate) fn is_congested(&self) -> bool {
        let is_congested = self.message.handed.get() >= HYPER_BYTES;
        self.message.is_held_back.set(is_congested);
        is_congested
    }

    pub(crate) fn is_head_request(&self) -> bool {
        self.message.is_head.get()
    }

    pub(crate) fn end_cause(&self) -> Cause {
        match self.end.get() {
            End::Aborted => Cause::Cancelled,
            end => cause_of_end(end == End::TimedOut, end == End::Refused),
        }
    }

    /// Returns whether it waits for a request of which nothing has come.
    pub(crate) fn is_idle(&self) -> bool {
        self.current_phase() == Phase::Idle && !self.leftover.is_there()
    }

    /// Has the connection closed without another word.
    pub(crate) fn abort(&self) {
        self.end.set(End::Aborted);
    }

    /// The drain's deadline has passed: whoever has not answered is answered.
    pub(crate) fn cut_short(&self) {
        let exchange = self.exchange.borrow().clone();
        match exchange {
            Some(exchange) if exchange.is_awaited() => {
                exchange.answer_instead(problem(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down"), Cause::Drained);
            }
            Some(exchange) => {
                exchange.close(Cause::Drained);
                self.abort();
            }
            None => self.abort(),
        }
        self.wake();
    }

    // Deadlines.

    fn now(&self) -> u64 {
        self.server.http.core.now()
    }

    /// Notes the phase after each step, and moves the alarm to what it must end by.
    fn settle(&self) {
        let now = self.now();
        let phase = self.current_phase();
        let since = match self.phase.get() {
            (last, since) if last == phase => since,
            _ => now,
        };
        self.phase.set((phase, since));
        self.extend_handler_deadline(now);
        self.alarm.set(self.phase_deadline(phase, since).min(self.peer_deadline(now)));
    }

    /// The handler's time does not run while it waits for the client's body: that has a timeout of its own.
    fn extend_handler_deadline(&self, now: u64) {
        let rested = self.handler_rests_since.take().map_or(0, |since| now - since);
        if let Some(exchange) = &*self.exchange.borrow() {
            exchange.handler_deadline.set(exchange.handler_deadline.get().saturating_add(rested));
        }
        if self.is_handler_resting() {
            self.handler_rests_since.set(Some(now));
        }
    }

    fn is_handler_resting(&self) -> bool {
        self.reading.is_blocked.get() && self.exchange.borrow().as_ref().is_some_and(|exchange| exchange.is_reading())
    }

    fn current_phase(&self) -> Phase {
        match self.message.stage.get() {
            Stage::Asked => Phase::Handling,
            Stage::Answering => Phase::Answering,
            Stage::Idle if self.gate.borrow().is_within_head() => Phase::Head,
            Stage::Idle => Phase::Idle,
        }
    }

    fn phase_deadline(&self, phase: Phase, since: u64) -> u64 {
        let timeouts = self.server.timeouts();
        let after = |timeout: Option<_>| timeout.map_or(NEVER, |timeout| since.saturating_add(nanos(timeout)));
        match phase {
            Phase::Idle => self.idle_deadline(since).min(self.sleep_deadline(since)),
            Phase::Head => after(timeouts.header),
            Phase::Handling if self.is_handler_resting() => NEVER,
            Phase::Handling => self.exchange.borrow().as_ref().map_or(NEVER, |exchange| exchange.handler_deadline.get()),
            Phase::Answering => NEVER,
        }
    }

    fn idle_deadline(&self, since: u64) -> u64 {
        let keep_alive = self.server.timeouts().keep_alive.map_or(NEVER, |timeout| since.saturating_add(nanos(timeout)));
        if self.server.is_draining() { keep_alive.min(since.saturating_add(DRAIN_IDLE)) } else { keep_alive }
    }

    /// When hyper's buffers are given back, unless there is a reason to keep them.
    fn sleep_deadline(&self, since: u64) -> u64 {
        let may_sleep = !self.is_dormant.get() && self.gate.borrow().is_between_messages();
        if may_sleep { since.saturating_add(SLEEP_AFTER) } else { NEVER }
    }

    /// When a client that is waited for must have sent or taken something.
    fn peer_deadline(&self, now: u64) -> u64 {
        let is_wanted = self.message.is_gathering.get()
            || self.leftover.is_there()
            || self.exchange.borrow().as_ref().is_some_and(|exchange| exchange.is_reading());
        let reading = self.reading.patience.wait(is_wanted && self.reading.is_blocked.get(), now);
        let writing = self.writing.patience.wait(self.writing.is_blocked.get(), now);
        reading.min(writing)
    }

    /// Decides what a passed deadline means.
    fn overdue(&self) -> Overdue {
        let now = self.now();
        let (phase, since) = self.phase.get();
        if self.peer_deadline(now) <= now {
            self.end.set(End::TimedOut);
            let may_answer = self.message.stage.get() == Stage::Asked && !self.writing.is_blocked.get();
            return if may_answer { Overdue::Refuse(BODY_TIMEOUT) } else { Overdue::Close };
        }
        match phase {
            Phase::Idle if self.idle_deadline(since) > now => Overdue::Sleep,
            Phase::Idle => Overdue::Close,
            Phase::Head => Overdue::Refuse(HEADER_TIMEOUT),
            Phase::Handling => {
                self.handler_overdue();
                Overdue::Answered
            }
            Phase::Answering => Overdue::Close,
        }
    }

    fn handler_overdue(&self) {
        let exchange = self.exchange.borrow().clone();
        if let Some(exchange) = exchange {
            exchange.answer_instead(problem(StatusCode::SERVICE_UNAVAILABLE, "the handler took too long"), Cause::TimedOut);
        }
    }
}

const HEADER_TIMEOUT: Refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, detail: "the head took too long to arrive" };
const BODY_TIMEOUT: Refusal = Refusal { status: StatusCode::REQUEST_TIMEOUT, detail: "the body took too long to arrive" };
