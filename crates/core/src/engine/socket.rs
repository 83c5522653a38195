//! Sockets as the engine wants them: non-blocking, closed on exec, and without SIGPIPE.
//!
//! Where a system takes all of that with the call that makes the socket, one call is made; Apple's takes none of it.

use std::{
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Result,
    net::{AddressFamily, SendFlags, SocketFlags, SocketType, acceptfrom_with, socket_with},
};

#[cfg(not(target_vendor = "apple"))]
mod flags {
    use super::{OwnedFd, Result, SendFlags, SocketFlags};

    pub(super) const SOCKET: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
    pub(in crate::engine) const SEND: SendFlags = SendFlags::NOSIGNAL;

    pub(super) fn complete(fd: OwnedFd) -> Result<OwnedFd> {
        Ok(fd)
    }
}

#[cfg(target_vendor = "apple")]
mod flags {
    use super::{OwnedFd, Result, SendFlags, SocketFlags};

    pub(super) const SOCKET: SocketFlags = SocketFlags::empty();
    pub(in crate::engine) const SEND: SendFlags = SendFlags::empty();

    pub(super) fn complete(fd: OwnedFd) -> Result<OwnedFd> {
        rustix::io::ioctl_fioclex(&fd)?;
        rustix::io::ioctl_fionbio(&fd, true)?;
        rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
        Ok(fd)
    }
}

pub(super) use flags::SEND as SEND_FLAGS;

/// Makes a stream socket.
pub(crate) fn open(family: AddressFamily) -> Result<OwnedFd> {
    flags::complete(socket_with(family, SocketType::STREAM, flags::SOCKET, None)?)
}

/// Accepts a connection, with the client's address where it has one.
pub(crate) fn accept(listener: impl AsFd) -> Result<(OwnedFd, Option<SocketAddr>)> {
    let (fd, peer) = acceptfrom_with(listener, flags::SOCKET)?;
    Ok((flags::complete(fd)?, peer.and_then(|peer| peer.try_into().ok())))
}
