//! One request and its response, between the host and hyper.
//!
//! The host's side is the handle: it ends with [`Event::Closed`]. hyper's side is the future of the response, then its body. Either
//! may end first: a client that goes away closes the handle, and a handle that was closed by a timeout still gives hyper the
//! answer that says so.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;

use super::{
    Http,
    body::Body,
    connection::Connection,
    reply::{ResponseHead, problem},
    server::Server,
    service::{BROKEN_BODY, closing},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Cause, Chunk, Event, RequestHead},
    handle::Handle,
};

pub(crate) struct Exchange {
    pub(crate) handle: Handle,
    token: u64,
    http: Rc<Http>,
    connection: Rc<Connection>,
    incoming: RefCell<Option<Incoming>>,
    /// What had come of the body before the request was reported.
    at_hand: RefCell<Bytes>,
    was_read: Cell<bool>,
    /// The read that waits for the next bytes of the request's body.
    read: Cell<Option<u64>>,
    reply: RefCell<Reply>,
    is_open: Cell<bool>,
    /// The handler may still answer until then; moved on while it waits for the client.
    pub(crate) handler_deadline: Cell<u64>,
}

/// The response, from the host's verbs to hyper.
enum Reply {
    Awaited,
    /// Answered, and not fetched by hyper yet.
    Ready(Box<http::Response<Body>>),
    Streamed(Stream),
    Fetched,
}

/// Pieces that wait to be written.
#[derive(Default)]
struct Stream {
    head: Option<ResponseHead>,
    pieces: VecDeque<(Bytes, u64)>,
    bytes: usize,
    /// Bytes of body that the head still promises, where it says how many.
    left: Option<u64>,
    /// The same, of what the host has still to write. Of a response to HEAD, it may write anything.
    unwritten: Option<u64>,
    /// What follows the last piece.
    trailers: Option<Box<HeaderMap>>,
    is_finished: bool,
    is_cut: bool,
}

impl Stream {
    /// Notes that bytes are written, if the head has promised them.
    fn promise(&mut self, length: usize) -> Result<()> {
        let Some(unwritten) = &mut self.unwritten else { return Ok(()) };
        *unwritten = unwritten.checked_sub(length as u64).ok_or_else(|| {
            Error::invalid(
                "write",
                format!("header `content-length` left {unwritten} bytes, the piece has {length}; leave the header out"),
            )
        })?;
        Ok(())
    }
}

impl Exchange {
    pub(crate) fn new(handle: Handle, token: u64, http: Rc<Http>, connection: Rc<Connection>, incoming: Option<Incoming>) -> Self {
        Self {
            handle,
            token,
            http,
            connection,
            incoming: RefCell::new(incoming),
            at_hand: RefCell::default(),
            was_read: Cell::new(false),
            read: Cell::new(None),
            reply: RefCell::new(Reply::Awaited),
            is_open: Cell::new(true),
            handler_deadline: Cell::new(u64::MAX),
        }
    }

    /// Keeps the start of the body until it is read.
    pub(crate) fn hold(&self, at_hand: Bytes) {
        self.at_hand.replace(at_hand);
    }

    /// Tells the host of the request.
    pub(crate) fn announce(&self, head: Box<RequestHead>, body: Option<Bytes>) {
        self.http.core.report(Event::Request { handle: self.handle, token: self.token, head, body });
    }

    /// Ends the host's side, once. Every read and write that is under way gets its last event first.
    pub(crate) fn close(&self, cause: Cause) {
        if !self.is_open.replace(false) {
            return;
        }
        self.finish_read(Chunk::Aborted);
        if let Reply::Streamed(stream) = &mut *self.reply.borrow_mut() {
            // What is cut off must not look complete: its connection ends without another byte.
            stream.is_cut = cause != Cause::Done;
            if stream.is_cut {
                self.connection.abort();
            }
            for (_, token) in stream.pieces.drain(..) {
                self.http.core.report(Event::Written { handle: self.handle, token, sent: false });
            }
        }
        self.http.core.report(Event::Closed { handle: self.handle, token: self.token, cause });
        self.http.forget_request(self.handle);
        self.leave_body();
        self.connection.exchange_closed();
        self.connection.server.request_ended();
    }

    /// Leaves what was not read of the body to the connection.
    fn leave_body(&self) {
        let incoming = self.incoming.take();
        if let Some(incoming) = incoming {
            self.connection.leave_body(incoming, self.was_read.get());
        }
    }

    /// Ends the host's side with an answer of the engine's.
    pub(crate) fn answer_instead(&self, response: http::Response<Body>, cause: Cause) {
        if matches!(*self.reply.borrow(), Reply::Awaited) {
            self.reply.replace(Reply::Ready(Box::new(response)));
        }
        self.close(cause);
        self.connection.wake();
    }

    /// Returns whether the start of the response has not been given.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.reply.borrow(), Reply::Awaited)
    }

    /// Returns whether somebody waits for bytes of the request's body.
    pub(crate) fn is_reading(&self) -> bool {
        self.read.get().is_some()
    }

    // The host's verbs.

    pub(crate) fn read(&self, token: u64) -> Result<()> {
        if self.is_reading() {
            return Err(Error::conflict("request_read", "a read of this body is under way; wait for its event"));
        }
        self.read.set(Some(token));
        self.was_read.set(true);
        self.connection.wake();
        Ok(())
    }

    pub(crate) fn respond(&self, head: ResponseHead, body: Bytes) -> Result<()> {
        head.check("respond", Some(body.len()), self.connection.is_head_request())?;
        self.begin_reply("respond", Reply::Ready(Box::new(head.with(Body::Whole(body)))))
    }

    pub(crate) fn respond_streamed(&self, head: ResponseHead) -> Result<()> {
        head.check("respond_streamed", None, self.connection.is_head_request())?;
        let left = head.body_length();
        let unwritten = if self.connection.is_head_request() { None } else { left };
        self.begin_reply("respond_streamed", Reply::Streamed(Stream { head: Some(head), left, unwritten, ..Stream::default() }))
    }

    fn begin_reply(&self, operation: &'static str, reply: Reply) -> Result<()> {
        if !self.is_awaited() {
            return Err(Error::conflict(operation, "this request has been answered; a request has one response"));
        }
        self.reply.replace(reply);
        self.connection.wake();
        Ok(())
    }

    pub(crate) fn write(&self, bytes: Bytes, token: u64) -> Result<()> {
        self.with_open_stream("write", |stream| {
            if !stream.pieces.is_empty() && stream.bytes + cost(&bytes) > self.connection.server.options.limits.stream_bytes {
                return Err(Error::new(
                    ErrorKind::Full,
                    "write",
                    "the client has not taken what was written; wait for a Written event",
                ));
            }
            stream.promise(bytes.len())?;
            stream.bytes += cost(&bytes);
            stream.pieces.push_back((bytes, token));
            Ok(())
        })
    }

    pub(crate) fn finish(&self, trailers: Option<HeaderMap>) -> Result<()> {
        self.with_open_stream("finish", |stream| {
            stream.trailers = trailers.map(Box::new);
            stream.is_finished = true;
            Ok(())
        })?;
        if let Reply::Streamed(Stream { unwritten: Some(missing @ 1..), .. }) = &*self.reply.borrow() {
            self.connection.abort();
            let fix = "the connection is closed; leave the header out, or write all of it";
            return Err(Error::invalid("finish", format!("header `content-length` promised {missing} bytes more; {fix}")));
        }
        Ok(())
    }

    fn with_open_stream(&self, operation: &'static str, change: impl FnOnce(&mut Stream) -> Result<()>) -> Result<()> {
        match &mut *self.reply.borrow_mut() {
            Reply::Streamed(stream) if !stream.is_finished => change(stream)?,
            _ => {
                return Err(Error::conflict(
                    operation,
                    "no streamed response is open; call respond_streamed first, and finish last",
                ));
            }
        }
        self.connection.wake();
        Ok(())
    }

    /// Gives up the response in the middle: the client sees that it is incomplete.
    pub(crate) fn abort(&self) {
        self.connection.abort();
        self.close(Cause::Cancelled);
        self.connection.wake();
    }

    // hyper's side.

    /// Brings on what the host waits for, and gives the response once there is one.
    pub(crate) fn poll_reply(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<http::Response<Body>> {
        self.poll_incoming(cx);
        let mut reply = self.reply.borrow_mut();
        match &mut *reply {
            Reply::Ready(_) => {
                let Reply::Ready(response) = std::mem::replace(&mut *reply, Reply::Fetched) else { return Poll::Pending };
                drop(reply);
                self.close(Cause::Done);
                Poll::Ready(*response)
            }
            Reply::Streamed(Stream { head, .. }) => match head.take() {
                Some(head) => Poll::Ready(head.with(Body::Streamed(Rc::clone(self)))),
                None => Poll::Pending,
            },
            Reply::Awaited | Reply::Fetched => Poll::Pending,
        }
    }

    /// Gives the next piece, while the connection takes more, and the trailers last.
    pub(crate) fn poll_stream(&self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        self.poll_incoming(cx);
        let mut reply = self.reply.borrow_mut();
        let Reply::Streamed(stream) = &mut *reply else { return Poll::Ready(None) };
        if stream.is_cut || self.connection.is_congested() {
            return Poll::Pending;
        }
        match stream.pieces.pop_front() {
            Some((bytes, token)) => {
                stream.bytes -= cost(&bytes);
                stream.left = stream.left.map(|left| left.saturating_sub(bytes.len() as u64));
                self.connection.handed(bytes.len());
                self.http.core.report(Event::Written { handle: self.handle, token, sent: true });
                Poll::Ready(Some(Frame::data(bytes)))
            }
            None if stream.is_finished => Poll::Ready(stream.trailers.take().map(|trailers| Frame::trailers(*trailers))),
            None => Poll::Pending,
        }
    }

    pub(crate) fn is_stream_complete(&self) -> bool {
        matches!(&*self.reply.borrow(), Reply::Streamed(stream)
            if stream.is_finished && stream.pieces.is_empty() && stream.trailers.is_none() && !stream.is_cut)
    }

    /// hyper is done with the body: it was sent whole, or as far as the head promised, or the client is gone.
    pub(crate) fn stream_dropped(&self) {
        let is_as_promised = matches!(&*self.reply.borrow(), Reply::Streamed(Stream { left: Some(0), .. }));
        let is_whole = self.is_stream_complete() || is_as_promised || self.connection.is_head_request();
        self.close(if is_whole { Cause::Done } else { self.connection.end_cause() });
    }

    /// hyper dropped the future of the response.
    pub(crate) fn reply_dropped(&self) {
        if !matches!(*self.reply.borrow(), Reply::Fetched | Reply::Streamed(Stream { head: None, .. })) {
            self.close(self.connection.end_cause());
        }
    }

    fn poll_incoming(&self, cx: &mut Context<'_>) {
        if !self.is_reading() {
            return;
        }
        let at_hand = self.at_hand.take();
        if !at_hand.is_empty() {
            return self.finish_read(Chunk::Data(at_hand));
        }
        let mut is_broken = false;
        let chunk = {
            let mut incoming = self.incoming.borrow_mut();
            match incoming.as_mut().map(|incoming| poll_data(incoming, cx)) {
                None => Chunk::End,
                Some(Poll::Pending) => return,
                Some(Poll::Ready(Some(Ok(bytes)))) => Chunk::Data(bytes),
                Some(Poll::Ready(None)) => {
                    *incoming = None;
                    Chunk::End
                }
                Some(Poll::Ready(Some(Err(_)))) => {
                    *incoming = None;
                    is_broken = true;
                    Chunk::Aborted
                }
            }
        };
        self.finish_read(chunk);
        if is_broken {
            self.answer_instead(closing(problem(StatusCode::BAD_REQUEST, BROKEN_BODY)), self.connection.end_cause());
        }
    }

    fn finish_read(&self, chunk: Chunk) {
        if let Some(token) = self.read.take() {
            self.http.core.report(Event::Body { handle: self.handle, token, chunk });
        }
    }
}

/// What a waiting piece counts for: its bytes, or what keeping it takes if that is more, so that empty pieces are bounded too.
fn cost(piece: &Bytes) -> usize {
    piece.len().max(size_of::<(Bytes, u64)>())
}

/// The next bytes of a body, without its trailers.
pub(super) fn poll_data(incoming: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<std::result::Result<Bytes, hyper::Error>>> {
    loop {
        match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Err(_trailers) => {}
            },
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// A body that is gathered before the host hears of its request. It counts as a request under way, and its bytes count in the
/// server's sum, until it is dropped.
pub(crate) struct Gathering {
    account: Account,
    incoming: Incoming,
    first: Bytes,
    rest: BytesMut,
}

/// What became of gathering.
pub(crate) enum Gathered {
    Whole(Bytes),
    /// The client is gone, or its framing was refused.
    Broken,
    /// The server gathers as much as it may already.
    Overloaded,
}

impl Gathering {
    pub(crate) fn new(server: Rc<Server>, incoming: Incoming) -> Self {
        Self { account: Account::open(server), incoming, first: Bytes::new(), rest: BytesMut::new() }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Gathered> {
        loop {
            if self.incoming.is_end_stream() {
                return Poll::Ready(Gathered::Whole(self.take()));
            }
            match poll_data(&mut self.incoming, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Gathered::Whole(self.take())),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Gathered::Broken),
                Poll::Ready(Some(Ok(bytes))) => {
                    self.push(bytes);
                    if self.account.server.gathers_too_much() {
                        return Poll::Ready(Gathered::Overloaded);
                    }
                }
            }
        }
    }

    /// The first piece is kept as it came: most bodies are one piece.
    fn push(&mut self, bytes: Bytes) {
        self.account.add(bytes.len());
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = bytes;
            return;
        }
        if self.rest.is_empty() {
            let left = self.incoming.size_hint().lower() as usize;
            self.rest.reserve(self.first.len() + bytes.len() + left);
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&bytes);
    }

    fn take(&mut self) -> Bytes {
        self.account.clear();
        if self.rest.is_empty() { std::mem::take(&mut self.first) } else { std::mem::take(&mut self.rest).freeze() }
    }

    /// Gives up: returns what has come, and where the rest comes from.
    pub(crate) fn into_rest(mut self) -> (Bytes, Incoming) {
        (self.take(), self.incoming)
    }
}

/// What a server knows of a body that is gathered: a request that is not answered, and so many bytes.
struct Account {
    server: Rc<Server>,
    bytes: usize,
}

impl Account {
    fn open(server: Rc<Server>) -> Self {
        server.request_started();
        Self { server, bytes: 0 }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.server.gather(bytes);
    }

    fn clear(&mut self) {
        self.server.ungather(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.clear();
        self.server.request_ended();
    }
}
