//! A connection in memory: what a socket does, with a manual clock, no port and no descriptor.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// How many bytes wait in each direction before the writer does.
pub(crate) const CAPACITY: usize = 64 * 1024;

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    write_closed: bool,
    read_closed: bool,
}

struct Shared {
    to_server: Pipe,
    to_client: Pipe,
    server: Option<Waker>,
    client: Option<Waker>,
}

/// The engine's end.
pub(crate) struct ServerEnd(Rc<RefCell<Shared>>);

/// The host's end.
pub(crate) struct ClientEnd(Rc<RefCell<Shared>>);

pub(crate) fn pair() -> (ServerEnd, ClientEnd) {
    let shared =
        Rc::new(RefCell::new(Shared { to_server: Pipe::default(), to_client: Pipe::default(), server: None, client: None }));
    (ServerEnd(Rc::clone(&shared)), ClientEnd(shared))
}

impl ServerEnd {
    pub(crate) fn poll_read(&self, buffer: &mut [MaybeUninit<u8>]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        let pipe = &mut shared.to_server;
        let wanted = buffer.len().min(pipe.bytes.len());
        if wanted == 0 && !pipe.write_closed {
            return Poll::Pending;
        }
        for (to, from) in buffer.iter_mut().zip(pipe.bytes.drain(..wanted)) {
            to.write(from);
        }
        drop(shared);
        self.wake_client();
        Poll::Ready(Ok(wanted))
    }

    pub(crate) fn poll_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        let pipe = &mut shared.to_client;
        if pipe.read_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = bytes.len().min(CAPACITY - pipe.bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..room]);
        drop(shared);
        self.wake_client();
        Poll::Ready(Ok(room))
    }

    /// Has this task woken at every change.
    pub(crate) fn wake_on_change(&self, cx: &Context<'_>) {
        self.0.borrow_mut().server = Some(cx.waker().clone());
    }

    /// Returns whether the client is gone, whatever of its bytes is still unread.
    pub(crate) fn is_reset(&self) -> bool {
        self.0.borrow().to_client.read_closed
    }

    /// Returns whether the client has closed its side, and nothing of its bytes is unread.
    pub(crate) fn has_ended(&self) -> bool {
        let pipe = &self.0.borrow().to_server;
        pipe.write_closed && pipe.bytes.is_empty()
    }

    pub(crate) fn shutdown_write(&self) {
        self.0.borrow_mut().to_client.write_closed = true;
        self.wake_client();
    }

    fn wake_client(&self) {
        let waker = self.0.borrow_mut().client.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().to_server.read_closed = true;
        self.shutdown_write();
    }
}

impl ClientEnd {
    /// Queues the start of `bytes` and returns how much that was; the rest must wait until the server has read.
    pub(crate) fn send(&self, bytes: &[u8]) -> usize {
        let room = {
            let pipe = &mut self.0.borrow_mut().to_server;
            if pipe.read_closed {
                return bytes.len();
            }
            let room = bytes.len().min(CAPACITY - pipe.bytes.len());
            pipe.bytes.extend(&bytes[..room]);
            room
        };
        self.wake_server();
        room
    }

    /// Returns whether something can be sent, if only into the void.
    pub(crate) fn has_room(&self) -> bool {
        let pipe = &self.0.borrow().to_server;
        pipe.read_closed || pipe.bytes.len() < CAPACITY
    }

    /// Takes what the server has written, and whether it has closed.
    pub(crate) fn receive(&self) -> (Vec<u8>, bool) {
        let (bytes, has_ended): (Vec<u8>, _) = {
            let pipe = &mut self.0.borrow_mut().to_client;
            (std::mem::take(&mut pipe.bytes).into(), pipe.write_closed)
        };
        if !bytes.is_empty() {
            self.wake_server();
        }
        (bytes, has_ended)
    }

    pub(crate) fn shutdown_write(&self) {
        self.0.borrow_mut().to_server.write_closed = true;
        self.wake_server();
    }

    /// Queues the start of `bytes` once there is room.
    #[cfg(feature = "app")]
    pub(crate) fn poll_send(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<usize> {
        match self.send(bytes) {
            0 if !bytes.is_empty() => self.wait(cx),
            sent => Poll::Ready(sent),
        }
    }

    /// Takes up to `most` bytes of what the server has written, once there are some. None are the end.
    #[cfg(feature = "app")]
    pub(crate) fn poll_receive(&self, cx: &Context<'_>, most: usize) -> Poll<Vec<u8>> {
        let (bytes, has_ended): (Vec<u8>, _) = {
            let pipe = &mut self.0.borrow_mut().to_client;
            let wanted = most.min(pipe.bytes.len());
            (pipe.bytes.drain(..wanted).collect(), pipe.write_closed)
        };
        if bytes.is_empty() && !has_ended {
            return self.wait(cx);
        }
        self.wake_server();
        Poll::Ready(bytes)
    }

    /// Has this task woken at the next change.
    #[cfg(feature = "app")]
    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        self.0.borrow_mut().client = Some(cx.waker().clone());
        Poll::Pending
    }

    fn wake_server(&self) {
        if let Some(waker) = &self.0.borrow().server {
            waker.wake_by_ref();
        }
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().to_client.read_closed = true;
        self.shutdown_write();
    }
}
