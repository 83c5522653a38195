//! Listening sockets: addresses, options and the accept loop.

mod address;
mod bind;
mod held;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    os::fd::OwnedFd,
    path::PathBuf,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use rustix::io::Errno;

pub(crate) use self::bind::{adopt, bind};
pub use self::{address::Address, held::ListeningSocket};
use super::{server::Server, transport::Transport};
use crate::{
    engine::{alarm::Alarm, reactor::Source, socket, stream::Stream},
    error::{Error, Result},
    event::{Cause, Event},
    handle::Handle,
};

/// Connections accepted before others get their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Connections that are taken from the queue before a listener closes: more than the queue holds.
const SWEEP: usize = 8192;

/// How long accepting rests when the process has no descriptor left, in nanoseconds.
const REST: u64 = 100_000_000;

/// A bound socket, and the file that goes with it.
pub(crate) struct Bound {
    pub(crate) fd: OwnedFd,
    pub(crate) address: Address,
    /// A unix socket's file, removed when the listener closes.
    pub(crate) file: Option<PathBuf>,
}

pub(crate) struct Listener {
    handle: Handle,
    token: u64,
    server: Rc<Server>,
    source: RefCell<Option<Rc<Source>>>,
    pub(crate) address: Address,
    file: Option<PathBuf>,
    waker: RefCell<Option<Waker>>,
    rests: Cell<bool>,
}

/// Starts to accept on a bound socket.
pub(crate) fn start(server: &Rc<Server>, bound: Bound, token: u64) -> Result<Handle> {
    let http = &server.http;
    let source =
        http.core.reactor.register(bound.fd).map_err(|error| Error::io("http_listen", "the reactor refused the socket", error))?;
    let handle = http.listeners.borrow_mut().insert_with(|handle| {
        Rc::new(Listener {
            handle,
            token,
            server: Rc::clone(server),
            source: RefCell::new(Some(source)),
            address: bound.address,
            file: bound.file,
            waker: RefCell::default(),
            rests: Cell::new(false),
        })
    });
    if let Some(listener) = http.listeners.borrow().get(handle) {
        server.listeners.borrow_mut().push(Rc::clone(listener));
        let alarm = Alarm::new(Rc::clone(&http.core));
        http.core.tasks.spawn(Accepting { listener: Rc::clone(listener), alarm });
    }
    Ok(handle)
}

impl Listener {
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Stops accepting. Connections that were accepted live on.
    pub(crate) fn close(&self) {
        let Some(source) = self.source.take() else { return };
        let http = &self.server.http;
        // Before the socket closes: after it, the file may be a successor's. In a forked child it is still the parent's.
        if let Some(file) = self.file.as_ref().filter(|_| !http.core.birthplace.is_elsewhere()) {
            let _ = std::fs::remove_file(file);
        }
        http.core.deregister(&source);
        drop(source);
        http.listeners.borrow_mut().remove(self.handle);
        self.server.listeners.borrow_mut().retain(|listener| listener.handle != self.handle);
        http.core.report(Event::Closed { handle: self.handle, token: self.token, cause: Cause::Cancelled });
        self.wake();
    }

    /// Accepts what waits in the queue: closing the socket would reset it.
    pub(crate) fn sweep(&self) {
        let Some(source) = self.source.borrow().clone() else { return };
        for _ in 0..SWEEP {
            match socket::accept(source.as_fd()) {
                Ok((fd, peer)) if self.server.has_room() => self.accepted(fd, peer),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Accepts what waits. Ready when closed.
    fn poll_accept(&self, cx: &Context<'_>, alarm: &Alarm) -> Poll<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(source) = self.source.borrow().clone() else { return Poll::Ready(()) };
            if !source.is_readable() || !self.server.has_room() {
                source.wake_on_change(cx);
                return Poll::Pending;
            }
            match socket::accept(source.as_fd()) {
                Ok((fd, peer)) => self.accepted(fd, peer),
                Err(Errno::AGAIN) => source.read_blocked(),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "accepting failed; trying again in 100 ms");
                    self.rests.set(true);
                    alarm.set(self.server.http.core.now() + REST);
                    let _ = alarm.poll(cx);
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn accepted(&self, fd: OwnedFd, peer: Option<std::net::SocketAddr>) {
        match Stream::new(Rc::clone(&self.server.http.core), fd) {
            Ok(stream) => self.server.connect(Transport::Socket(stream), peer),
            Err(error) => tracing::warn!(address = %self.address, %error, "the reactor refused a connection"),
        }
    }
}

struct Accepting {
    listener: Rc<Listener>,
    alarm: Alarm,
}

impl Future for Accepting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let listener = &self.listener;
        *listener.waker.borrow_mut() = Some(cx.waker().clone());
        if listener.rests.get() && !self.alarm.poll(cx) && listener.source.borrow().is_some() {
            return Poll::Pending;
        }
        listener.rests.set(false);
        listener.poll_accept(cx, &self.alarm)
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        // Closing the engine drops the task before the listener was asked to close.
        self.listener.close();
    }
}
