//! The transport as hyper sees it: only bytes that the gate has passed.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    slice,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::{Connection, Stage};

/// Bytes read at a time behind the start of a head.
const HELD_READ: usize = 4096;

pub(super) struct Io(pub(super) Rc<Connection>);

impl Read for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let connection = &*self.0;
        let mut gate = connection.gate.borrow_mut();
        loop {
            // SAFETY: only initialised bytes are written to it below.
            let room = unsafe { buffer.as_mut() };
            if gate.is_holding() {
                let mut filled = 0;
                let wanted = room.len();
                for (to, from) in room.iter_mut().zip(gate.take(wanted)) {
                    to.write(from);
                    filled += 1;
                }
                // SAFETY: that many bytes were written just now.
                unsafe { buffer.advance(filled) };
                gate.shrink();
                return Poll::Ready(Ok(()));
            }
            if gate.refusal().is_some() {
                // The connection's task sees to the rest.
                return Poll::Pending;
            }
            if gate.is_empty() {
                let Some(bytes) = ready!(connection.poll_receive(cx, room))? else { return Poll::Ready(Ok(())) };
                let passed = gate.admit(bytes);
                connection.reading.patience.progress(std::mem::take(&mut gate.body_bytes));
                if passed > 0 {
                    // SAFETY: the transport filled at least that many bytes.
                    unsafe { buffer.advance(passed) };
                    return Poll::Ready(Ok(()));
                }
            } else {
                let mut room = [MaybeUninit::uninit(); HELD_READ];
                let Some(bytes) = ready!(connection.poll_receive(cx, &mut room))? else { return Poll::Ready(Ok(())) };
                gate.hold(bytes);
            }
        }
    }
}

impl Connection {
    /// Reads from the transport. `None` is the end.
    pub(super) fn poll_receive<'b>(&self, cx: &Context<'_>, room: &'b mut [MaybeUninit<u8>]) -> Poll<io::Result<Option<&'b [u8]>>> {
        let received = self.transport.poll_read(cx, room);
        self.reading.is_blocked.set(received.is_pending());
        let filled = ready!(received)?;
        self.has_ended.set(filled == 0);
        // SAFETY: the transport initialised that many bytes at the start.
        let bytes = unsafe { slice::from_raw_parts(room.as_ptr().cast(), filled) };
        Poll::Ready(Ok((filled > 0).then_some(bytes)))
    }

    /// Returns whether the client has closed its side in the middle of a message that hyper does not read on in.
    pub(super) fn is_cut_off(&self) -> bool {
        !self.gate.borrow().is_between_messages() && self.transport.has_ended()
    }

    fn sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.writing.is_blocked.set(result.is_pending());
        if let Poll::Ready(Ok(bytes)) = result {
            self.writing.patience.progress(bytes as u64);
        }
        result
    }
}

impl Write for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.sent(self.0.transport.poll_write(cx, bytes))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.sent(self.0.transport.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when it holds nothing more.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let message = &self.0.message;
        message.handed.set(0);
        if message.is_held_back.take() {
            // hyper may flush last of all, and would then wait for a wake-up that nothing else gives.
            cx.waker().wake_by_ref();
        }
        if message.stage.get() == Stage::Answering && self.0.exchange.borrow().is_none() {
            message.stage.set(Stage::Idle);
            self.0.access.ended(&self.0.server, self.0.peer);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.transport.shutdown_write();
        Poll::Ready(Ok(()))
    }
}
