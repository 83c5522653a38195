//! What the reactor asks of an operating system: one descriptor that becomes readable when anything watched is ready, when
//! the timer runs out, or when another thread wakes it.

use std::os::fd::{BorrowedFd, RawFd};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod epoll;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use epoll::{Epoll as Poller, Wake};

#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
mod kqueue;
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(crate) use kqueue::{Kqueue as Poller, Wake};

/// Whether readiness is told once for each change, or as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Edge,
    Level,
}

/// Directions in which a descriptor is watched, or is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// There is something to read, or the peer has closed.
    pub readable: bool,
    /// There is room to write, or the peer is gone.
    pub writable: bool,
}

impl Interest {
    /// Nothing: the descriptor stays registered and disarmed.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Reading.
    pub const READ: Self = Self { readable: true, writable: false };
    /// Writing.
    pub const WRITE: Self = Self { readable: false, writable: true };
    /// Reading and writing.
    pub const BOTH: Self = Self { readable: true, writable: true };

    /// The directions that both have.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { readable: self.readable && other.readable, writable: self.writable && other.writable }
    }
}

/// One report of the poller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    /// The key that the descriptor was added with.
    pub(crate) key: u64,
    pub(crate) ready: Interest,
    /// The peer has closed its side: a short read does not mean that all is drained.
    pub(crate) hangup: bool,
    /// The connection is gone in both directions.
    pub(crate) reset: bool,
}

/// The operating system's part of the reactor. The host watches [`Poll::fd`] for reading.
pub(crate) trait Poll: Sized {
    type Wake: Clone + Send + Sync;

    fn new() -> std::io::Result<Self>;
    fn fd(&self) -> RawFd;
    fn wake(&self) -> Self::Wake;
    fn add(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> std::io::Result<()>;
    fn modify(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> std::io::Result<()>;
    fn remove(&self, fd: BorrowedFd<'_>) -> std::io::Result<()>;
    /// Makes the descriptor readable at that instant of `CLOCK_MONOTONIC`, in nanoseconds, or never.
    fn set_timer(&self, deadline: Option<u64>) -> std::io::Result<()>;
    /// Reports what is ready, and returns whether the timer ran out. Waits up to `timeout` nanoseconds; 0 looks without
    /// waiting, `None` waits without end.
    fn wait(&self, ready: &mut Vec<Readiness>, timeout: Option<u64>) -> std::io::Result<bool>;
}
