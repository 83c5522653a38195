//! Sockets that a supervisor binds and its workers serve.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use hostloop::Address;
use napi_derive::napi;

use crate::errors::{Result, invalid, to_node};

/// A socket that listens for the workers that inherit its descriptor.
#[napi]
pub struct ListeningSocket {
    inner: Option<hostloop::ListeningSocket>,
}

#[napi]
impl ListeningSocket {
    /// Binds an address. With `reusePort`, several sockets share a TCP port.
    #[napi(constructor)]
    pub fn new(address: String, reuse_port: bool) -> Result<Self> {
        let address: Address = address.parse().map_err(to_node)?;
        let inner = hostloop::ListeningSocket::bind(&address, reuse_port).map_err(to_node)?;
        Ok(Self { inner: Some(inner) })
    }

    /// Where it listens; nothing once it is closed.
    #[napi(getter)]
    pub fn address(&self) -> Option<String> {
        self.inner.as_ref().map(|socket| socket.address().to_string())
    }

    /// Its descriptor, which stays its own; -1 once it is closed.
    #[napi(getter)]
    pub fn fd(&self) -> i32 {
        self.inner.as_ref().map_or(-1, |socket| socket.as_fd().as_raw_fd())
    }

    /// Closes it, and removes a unix socket's file.
    #[napi]
    pub fn close(&mut self) {
        self.inner = None;
    }
}

/// Takes over a descriptor of this process, if a copy of it is taken. One that is refused stays as it is.
pub(crate) fn take_over<T>(fd: i32, take: impl FnOnce(OwnedFd) -> Result<T>) -> Result<T> {
    let refused = || invalid(format!("descriptor {fd} is not a socket that listens; give one that was inherited"));
    if fd < 3 {
        return Err(refused());
    }
    // SAFETY: it is borrowed for this call alone, which fails if it is not open.
    let copy = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().map_err(|_| refused())?;
    let taken = take(copy)?;
    // SAFETY: who gives a descriptor gives it up, and the copy is in use.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(taken)
}
