//! What a connection runs over: a socket, or memory.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    task::{Context, Poll},
};

use crate::engine::{duplex::ServerEnd, stream::Stream};

/// Pieces of a response up to this many bytes are copied together: cheaper than describing them to the kernel.
const COALESCE: usize = 2048;

pub(crate) enum Transport {
    Socket(Stream),
    Memory(ServerEnd),
}

impl Transport {
    pub(crate) fn poll_read(&self, cx: &Context<'_>, buffer: &mut [MaybeUninit<u8>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Socket(stream) => stream.poll_read(cx, buffer),
            Self::Memory(end) => end.poll_read(buffer),
        }
    }

    pub(crate) fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Socket(stream) => stream.poll_write(cx, bytes),
            Self::Memory(end) => end.poll_write(bytes),
        }
    }

    pub(crate) fn poll_write_vectored(&self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut together = [0; COALESCE];
        match (coalesce(slices, &mut together), self) {
            (Some(bytes), _) => self.poll_write(cx, bytes),
            (None, Self::Socket(stream)) => stream.poll_write_vectored(cx, slices),
            (None, Self::Memory(end)) => end.poll_write(slices.first().map_or(&[], |slice| slice)),
        }
    }

    /// Has this task woken at every change, whether or not it waits for one: the peer may leave while nobody reads.
    pub(crate) fn wake_on_change(&self, cx: &Context<'_>) {
        match self {
            Self::Socket(stream) => stream.wake_on_change(cx),
            Self::Memory(end) => end.wake_on_change(cx),
        }
    }

    /// Returns whether the peer is gone in both directions, whatever of its bytes is still unread.
    pub(crate) fn is_reset(&self) -> bool {
        match self {
            Self::Socket(stream) => stream.is_reset(),
            Self::Memory(end) => end.is_reset(),
        }
    }

    /// Returns whether the peer has closed its side, and nothing of its bytes is unread.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Socket(stream) => stream.has_ended(),
            Self::Memory(end) => end.has_ended(),
        }
    }

    pub(crate) fn shutdown_write(&self) {
        match self {
            Self::Socket(stream) => stream.shutdown_write(),
            Self::Memory(end) => end.shutdown_write(),
        }
    }
}

fn coalesce<'b>(slices: &[IoSlice<'_>], together: &'b mut [u8; COALESCE]) -> Option<&'b [u8]> {
    let mut length = 0;
    for slice in slices {
        together.get_mut(length..length + slice.len())?.copy_from_slice(slice);
        length += slice.len();
    }
    Some(&together[..length])
}
