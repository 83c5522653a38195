//! Sockets that a supervisor binds and its workers serve.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

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

/// Takes over a descriptor that this process inherited.
pub(crate) fn owned(fd: i32) -> Result<OwnedFd> {
    if fd < 3 {
        return Err(invalid(format!("descriptor {fd} is not a socket that listens; give one that was inherited")));
    }
    // SAFETY: a worker gives each descriptor once, which its supervisor opened for it alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
