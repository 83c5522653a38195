//! A connected socket of the engine's.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    rc::Rc,
    task::{Context, Poll, ready},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, Shutdown},
};

use super::{Core, reactor::Source, socket::SEND_FLAGS};

/// Reads and writes without blocking; the task that polls it is woken when that may succeed.
pub(crate) struct Stream {
    core: Rc<Core>,
    source: Rc<Source>,
}

impl Stream {
    /// Takes a connected socket that is in non-blocking mode.
    pub(crate) fn new(core: Rc<Core>, fd: OwnedFd) -> io::Result<Self> {
        let source = core.reactor.register(fd)?;
        Ok(Self { core, source })
    }

    /// Reads into `buffer` and returns how many bytes at its start are filled. Zero is the end.
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [MaybeUninit<u8>]) -> Poll<io::Result<usize>> {
        let wanted = buffer.len();
        loop {
            ready!(self.poll_ready(cx, Source::is_readable));
            match rustix::net::recv(self.source.as_fd(), &mut *buffer, RecvFlags::empty()) {
                Ok((filled, _)) => {
                    let filled = filled.0.len();
                    if filled < wanted {
                        self.source.drained();
                    }
                    return Poll::Ready(Ok(filled));
                }
                Err(Errno::AGAIN) => self.source.read_blocked(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes the start of `bytes` and returns how much that was.
    pub(crate) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, || rustix::net::send(self.source.as_fd(), bytes, SEND_FLAGS))
    }

    /// Writes the start of all the slices together and returns how much that was.
    pub(crate) fn poll_write_vectored(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match slices {
            [one] => self.poll_write(cx, one),
            _ => self.poll_send(cx, || {
                let mut no_control = rustix::net::SendAncillaryBuffer::default();
                rustix::net::sendmsg(self.source.as_fd(), slices, &mut no_control, SEND_FLAGS)
            }),
        }
    }

    fn poll_send(&self, cx: &Context<'_>, mut send: impl FnMut() -> Result<usize, Errno>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_ready(cx, Source::is_writable));
            match send() {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(Errno::AGAIN) => self.source.write_blocked(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Tells the peer that nothing more will be written.
    pub(crate) fn shutdown_write(&self) {
        let _ = rustix::net::shutdown(self.source.as_fd(), Shutdown::Write);
    }

    /// Has this task woken at every change.
    pub(crate) fn wake_on_change(&self, cx: &Context<'_>) {
        self.source.wake_on_change(cx);
    }

    /// Returns whether the peer is gone, whatever of its bytes is still unread.
    pub(crate) fn is_reset(&self) -> bool {
        self.source.is_reset()
    }

    /// Returns whether the peer has closed its side, and nothing of its bytes is unread.
    pub(crate) fn has_ended(&self) -> bool {
        let peek = || rustix::net::recv(self.source.as_fd(), &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        self.source.is_hung_up() && peek().is_ok_and(|(found, _)| found == 0)
    }

    fn poll_ready(&self, cx: &Context<'_>, is_ready: impl Fn(&Source) -> bool) -> Poll<()> {
        if is_ready(&self.source) {
            return Poll::Ready(());
        }
        self.source.wake_on_change(cx);
        Poll::Pending
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.core.deregister(&self.source);
    }
}
