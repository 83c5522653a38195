//! The task of a connection: dormant between requests that are far apart, serving, then perhaps refusing, then lingering until
//! the client has read what was sent.
//!
//! A dormant connection holds no parser and no buffer: an idle client costs about a kilobyte. It is born so, and becomes so again
//! when it has been idle for a while.

use std::{
    future::Future,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use hyper::server::conn::http1;

use super::{Connection, End, Overdue, Stage, io::Io};
use crate::http::{reply, service::Service, strict::Refusal};

/// How long a closed connection waits for the client to close too, in nanoseconds. Closing at once, with bytes unread, would reset
/// the connection and could take the response with it.
const LINGER: u64 = 1_000_000_000;

/// Bytes read to wake a dormant connection. Most heads are shorter.
const FIRST_READ: usize = 4096;

/// Bytes that hyper buffers of a connection at most, as it would by itself; twice a head where heads may be longer.
const HYPER_BUFFER: usize = 400 * 1024;

/// Header fields that hyper has room for without being told.
const HYPER_HEADERS: usize = 100;

/// Serves a connection to its end.
pub(crate) fn serve(connection: Rc<Connection>) -> impl Future<Output = ()> {
    Task { connection, state: State::Dormant }
}

type Hyper = http1::Connection<Io, Service>;

fn hyper(connection: &Rc<Connection>) -> Hyper {
    let mut builder = http1::Builder::new();
    let header_fields = connection.server.options.limits.header_count;
    if header_fields > HYPER_HEADERS {
        builder.max_headers(header_fields);
    }
    builder.max_buf_size(HYPER_BUFFER.max(connection.server.options.limits.head_bytes.saturating_mul(2)));
    builder.serve_connection(Io(Rc::clone(connection)), Service(Rc::clone(connection)))
}

struct Task {
    connection: Rc<Connection>,
    state: State,
}

enum State {
    Dormant,
    Serving(Pin<Box<Hyper>>),
    /// The rest of the refusal that is still to be written.
    Refusing(Vec<u8>),
    Lingering,
    Closed,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.set_waker(cx);
        loop {
            let next = match &mut self.state {
                State::Dormant => self.poll_dormant(cx),
                State::Serving(_) => self.poll_serving(cx),
                State::Refusing(_) => self.poll_refusing(cx),
                State::Lingering => self.poll_lingering(cx),
                State::Closed => return Poll::Ready(()),
            };
            match next {
                Poll::Ready(next) => self.state = next,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Task {
    /// Waits for the first bytes of a request.
    fn poll_dormant(&self, cx: &mut Context<'_>) -> Poll<State> {
        let connection = &self.connection;
        if connection.end.get() == End::Aborted {
            return Poll::Ready(State::Closed);
        }
        let mut room = [MaybeUninit::uninit(); FIRST_READ];
        match connection.poll_receive(cx, &mut room) {
            Poll::Ready(Ok(Some(bytes))) => {
                connection.gate.borrow_mut().hold(bytes);
                connection.is_dormant.set(false);
                Poll::Ready(State::Serving(Box::pin(hyper(connection))))
            }
            Poll::Ready(Ok(None) | Err(_)) => Poll::Ready(State::Closed),
            Poll::Pending => self.poll_deadline(cx),
        }
    }

    fn poll_serving(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        let State::Serving(hyper) = &mut self.state else { return Poll::Ready(State::Closed) };
        let connection = &self.connection;
        if connection.end.get() == End::Aborted {
            return Poll::Ready(State::Closed);
        }
        if let Poll::Ready(result) = hyper.as_mut().poll(cx) {
            return Poll::Ready(self.served(&result));
        }
        connection.leftover.poll(cx);
        if connection.end.get() == End::Aborted {
            return Poll::Ready(State::Closed);
        }
        if let Some(refusal) = connection.refusal_due() {
            // A request that was answered is not answered again for what is wrong with the rest of its body.
            let is_answered = connection.leftover.is_there();
            return Poll::Ready(if is_answered { State::Closed } else { self.refuse(refusal) });
        }
        let has_left = || connection.has_ended.get() || connection.transport.is_reset() || connection.is_cut_off();
        if connection.message.stage.get() != Stage::Idle && has_left() {
            // The client left in the middle of a body. hyper would wait for a response that nobody is there to take.
            return Poll::Ready(State::Closed);
        }
        self.poll_deadline(cx)
    }

    /// Acts on a deadline that has passed. Asked last: what came while the host was busy counts, however late it is seen.
    fn poll_deadline(&self, cx: &mut Context<'_>) -> Poll<State> {
        let connection = &self.connection;
        connection.settle();
        if !connection.alarm.poll(cx) {
            return Poll::Pending;
        }
        match connection.overdue() {
            Overdue::Answered => Poll::Pending,
            Overdue::Refuse(refusal) => Poll::Ready(self.refuse(refusal)),
            Overdue::Close => Poll::Ready(State::Closed),
            Overdue::Sleep => {
                connection.is_dormant.set(true);
                Poll::Ready(State::Dormant)
            }
        }
    }

    /// hyper is done: the last response asked to close, or the client has left.
    fn served(&self, result: &hyper::Result<()>) -> State {
        let is_orderly = result.is_ok() && !self.connection.has_ended.get();
        if is_orderly { self.linger() } else { State::Closed }
    }

    fn refuse(&self, refusal: Refusal) -> State {
        if self.connection.end.get() == End::Peer {
            self.connection.end.set(End::Refused);
        }
        if self.connection.message.stage.get() == Stage::Answering || self.connection.writing.is_blocked.get() {
            // Half a response cannot be taken back.
            return State::Closed;
        }
        self.connection.access.refused(&self.connection.server, self.connection.peer, refusal);
        self.connection.alarm.set(self.connection.now() + LINGER);
        State::Refusing(reply::refusal(refusal))
    }

    fn linger(&self) -> State {
        self.connection.alarm.set(self.connection.now() + LINGER);
        State::Lingering
    }

    fn poll_refusing(&mut self, cx: &mut Context<'_>) -> Poll<State> {
        let State::Refusing(bytes) = &mut self.state else { return Poll::Ready(State::Closed) };
        while !bytes.is_empty() {
            match self.connection.transport.poll_write(cx, bytes) {
                Poll::Ready(Ok(written)) => drop(bytes.drain(..written)),
                Poll::Ready(Err(_)) => return Poll::Ready(State::Closed),
                Poll::Pending if self.connection.alarm.poll(cx) => return Poll::Ready(State::Closed),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.connection.transport.shutdown_write();
        Poll::Ready(State::Lingering)
    }

    fn poll_lingering(&self, cx: &mut Context<'_>) -> Poll<State> {
        if self.connection.alarm.poll(cx) || self.connection.end.get() == End::Aborted {
            return Poll::Ready(State::Closed);
        }
        let mut unread = [MaybeUninit::uninit(); 16 * 1024];
        match self.connection.transport.poll_read(cx, &mut unread) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(State::Closed),
            Poll::Ready(Ok(_)) => {
                // One read a turn: whoever sends on and on is not served at others' cost.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Connection {
    fn set_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if waker.is_none() {
            *waker = Some(cx.waker().clone());
            self.transport.wake_on_change(cx);
        }
    }

    /// A refusal whose turn it is: all before it is answered, or it is about the very request that is being served.
    fn refusal_due(&self) -> Option<Refusal> {
        let gate = self.gate.borrow();
        let (refusal, message) = gate.refused_message()?;
        let is_current = message <= self.message.count.get();
        (self.message.stage.get() == Stage::Idle && !gate.is_holding() && message == self.message.count.get() + 1 || is_current)
            .then_some(refusal)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // hyper's parts go first: they end the exchange while the connection can still say why.
        self.state = State::Closed;
        self.connection.access.ended(&self.connection.server, self.connection.peer);
        self.connection.server.connection_ended(&self.connection);
    }
}
