//! Sockets that listen: made here, or handed over by a supervisor.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    os::unix::{fs::FileTypeExt, net::UnixStream},
    path::Path,
};

use rustix::net::{AddressFamily, SocketAddrAny, getsockname, listen, sockopt};

use super::{Address, Bound};
use crate::{
    engine::socket,
    error::{Error, Result},
};

/// Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Unsent bytes of a connection above which it does not count as writable. It bounds what a client that does not read holds in
/// the kernel, and keeps progress visible to the write timeout.
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 128 * 1024;

/// Makes a socket and binds it. With `reuse_port`, sockets of several processes share the port.
pub(crate) fn bind(address: &Address, reuse_port: bool) -> Result<Bound> {
    let bound = match address {
        Address::Tcp(address) => bind_tcp(*address, reuse_port).map(|fd| (fd, None)),
        Address::Unix(path) => bind_unix(path).map(|fd| (fd, Some(path.clone()))),
    };
    let (fd, file) = bound.map_err(|error| Error::address("http_listen", refusal(address, &error), error))?;
    let address = local_address(&fd).unwrap_or_else(|| address.clone());
    Ok(Bound { fd, address, file })
}

/// Takes a socket that listens already. Its file, if it has one, is left to whoever made it.
pub(crate) fn adopt(fd: OwnedFd) -> Result<Bound> {
    let refused = |error: rustix::io::Errno| Error::io("http_listen_fd", "the descriptor is not a listening socket", error);
    if !is_listening(&fd).unwrap_or_default() {
        return Err(Error::invalid("http_listen_fd", "the descriptor is not a socket that listens; call listen() on it first"));
    }
    rustix::io::ioctl_fionbio(&fd, true).map_err(refused)?;
    let address = local_address(&fd).ok_or_else(|| {
        Error::invalid("http_listen_fd", "the socket is neither TCP nor a unix socket with a file; listen on one of these")
    })?;
    if let Address::Tcp(_) = address {
        tune(&fd).map_err(|error| Error::io("http_listen_fd", "the socket refused its options", error))?;
    }
    Ok(Bound { fd, address, file: None })
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(fd: &OwnedFd) -> rustix::io::Result<bool> {
    sockopt::socket_acceptconn(fd)
}

/// Apple's systems do not tell: the first accept does.
#[cfg(target_vendor = "apple")]
fn is_listening(fd: &OwnedFd) -> rustix::io::Result<bool> {
    sockopt::socket_type(fd).map(|kind| kind == rustix::net::SocketType::STREAM)
}

fn bind_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let fd = socket::open(family)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if reuse_port {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    tune(&fd)?;
    rustix::net::bind(&fd, &address)?;
    listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// Options that accepted sockets inherit, so that accepting needs no further call.
fn tune(fd: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&fd, true)?;
    #[cfg(target_os = "linux")]
    set_not_sent_low_water(fd.as_fd())?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_not_sent_low_water(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the option takes a 32-bit number, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            std::ptr::from_ref(&NOT_SENT).cast(),
            size_of_val(&NOT_SENT) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    let fd = socket::open(AddressFamily::UNIX)?;
    let address = rustix::net::SocketAddrUnix::new(path)?;
    match rustix::net::bind(&fd, &address) {
        Err(rustix::io::Errno::ADDRINUSE) if is_abandoned(path) => {
            std::fs::remove_file(path)?;
            rustix::net::bind(&fd, &address)?;
        }
        result => result?,
    }
    listen(&fd, BACKLOG)?;
    Ok(fd)
}

/// A socket's file that nobody listens behind any more. Connecting to any other file is refused just so, and it is none of ours.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn local_address(fd: &OwnedFd) -> Option<Address> {
    let address: SocketAddrAny = getsockname(fd).ok()?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Some(Address::Tcp(address));
    }
    let unix = rustix::net::SocketAddrUnix::try_from(address).ok()?;
    let path = unix.path_bytes()?;
    Some(Address::Unix(std::ffi::OsStr::new(std::str::from_utf8(path).ok()?).into()))
}

fn refusal(address: &Address, error: &io::Error) -> String {
    let is_file = matches!(address, Address::Unix(_));
    let fix = match error.kind() {
        io::ErrorKind::AddrInUse if is_file => {
            "another socket listens there, or a file of another kind is in the way; stop it, or choose another path"
        }
        io::ErrorKind::AddrInUse => "another socket listens there; stop it, choose another port, or port 0 for any",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; 127.0.0.1 is this machine alone, 0.0.0.0 all its addresses"
        }
        io::ErrorKind::PermissionDenied if is_file => "this user may not listen there; choose a folder that it may write to",
        io::ErrorKind::PermissionDenied => "this user may not listen there; ports below 1024 need a privilege",
        io::ErrorKind::NotFound => "the folder of the socket does not exist; make it, or choose another path",
        io::ErrorKind::NotADirectory => "what the path names as a folder is none; choose another path",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose a folder that can be written to",
        io::ErrorKind::InvalidFilename => "the path is too long for a unix socket; choose one of at most 100 bytes",
        _ => "the operating system refused",
    };
    format!("cannot listen on {address}: {fix}")
}
