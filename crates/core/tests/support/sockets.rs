//! Clients with real sockets, on the engine's own thread.

use std::{
    io::{self, Read},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd, RawFd},
    time::Duration,
};

use hostloop::{Address, Handle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Host;

/// How long anything may take that must happen.
pub(crate) const AT_LAST: Duration = Duration::from_secs(20);

pub(crate) fn is_readable(fd: RawFd) -> bool {
    wait_readable(&[fd], Duration::ZERO)
}

/// Waits until one of the descriptors is readable, and returns whether that happened in time.
pub(crate) fn wait_readable(fds: &[RawFd], timeout: Duration) -> bool {
    // SAFETY: every descriptor here is owned by something that the caller holds.
    let borrow = |&fd| PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(fd) }, PollFlags::IN);
    let mut fds: Vec<_> = fds.iter().map(borrow).collect();
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos().into() };
    poll(&mut fds, Some(&timeout)).unwrap() > 0
}

impl Host {
    /// Listens on a free port and returns its address.
    pub(crate) fn listen(&mut self, server: Handle) -> std::net::SocketAddr {
        let token = self.token();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = self.engine.http_listen(server, &any, false, token).unwrap();
        let Address::Tcp(address) = self.engine.listener_address(listener).unwrap() else { panic!("not TCP") };
        address
    }

    /// Connects a client of a free port of its own.
    pub(crate) fn tcp(&mut self, server: Handle) -> TcpStream {
        let address = self.listen(server);
        connect(address)
    }

    /// Runs until there is something to return.
    pub(crate) fn wait_for<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        loop {
            self.run();
            if let Some(found) = found(self) {
                return found;
            }
            assert!(wait_readable(&[self.engine.fd()], AT_LAST), "it never happens");
        }
    }

    pub(crate) fn wait_for_request(&mut self) -> Handle {
        self.wait_for(Self::next_request)
    }

    /// Runs, and reads from a client's socket, until enough has come or the server has closed.
    pub(crate) fn read_until(&mut self, client: &mut (impl Read + AsFd), is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        use std::os::fd::AsRawFd;
        let mut bytes = Vec::new();
        loop {
            self.run();
            if read_all(client, &mut bytes) || is_enough(&bytes) {
                return bytes;
            }
            let fds = [self.engine.fd(), client.as_fd().as_raw_fd()];
            assert!(wait_readable(&fds, AT_LAST), "it never comes; so far: {}", String::from_utf8_lossy(&bytes));
        }
    }

    pub(crate) fn read_to_end(&mut self, client: &mut (impl Read + AsFd)) -> String {
        String::from_utf8(self.read_until(client, |_| false)).unwrap()
    }
}

pub(crate) fn connect(address: std::net::SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// Reads what there is, and returns whether that was the end.
pub(crate) fn read_all(client: &mut impl Read, bytes: &mut Vec<u8>) -> bool {
    let mut room = [0; 64 * 1024];
    loop {
        match client.read(&mut room) {
            Ok(0) => return true,
            Ok(read) => bytes.extend_from_slice(&room[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return true,
            Err(error) => panic!("{error}"),
        }
    }
}
