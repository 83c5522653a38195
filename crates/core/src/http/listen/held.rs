//! Sockets that listen for somebody else.

use std::os::fd::{AsFd, BorrowedFd};

use super::{Address, Bound, bind};
use crate::{engine::fork::Birthplace, error::Result};

/// A socket that listens, and is not accepted from: a supervisor binds it once, and its workers take it over with
/// [`Engine::http_listen_fd`](crate::Engine::http_listen_fd). Connections that wait in its queue outlive a worker.
///
/// Dropped, it is closed, and a unix socket's file is removed first. In a forked child the file is left to the parent.
///
/// ```
/// use hostloop::ListeningSocket;
///
/// let socket = ListeningSocket::bind(&"127.0.0.1:0".parse()?, true)?;
/// let address = socket.address().to_string();
/// assert!(address.starts_with("127.0.0.1:") && address != "127.0.0.1:0");
/// # Ok::<(), hostloop::Error>(())
/// ```
pub struct ListeningSocket {
    bound: Bound,
    birthplace: Birthplace,
}

impl ListeningSocket {
    /// Binds an address. With `reuse_port`, sockets of several processes share a TCP port.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressInUse`](crate::ErrorKind::AddressInUse) and
    /// [`ErrorKind::AddressUnavailable`](crate::ErrorKind::AddressUnavailable), which name the address and the fix.
    pub fn bind(address: &Address, reuse_port: bool) -> Result<Self> {
        let birthplace = Birthplace::here();
        bind(address, reuse_port).map(|bound| Self { bound, birthplace })
    }

    /// Returns where it listens: the real port, if port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.bound.address
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.fd.as_fd()
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        // Before the socket closes: after it, the file may be a successor's. In a forked child it is still the parent's.
        if let Some(file) = self.bound.file.as_ref().filter(|_| !self.birthplace.is_elsewhere()) {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl std::fmt::Debug for ListeningSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ListeningSocket").field(&self.bound.address).finish()
    }
}
