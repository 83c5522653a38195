//! Where a server listens: TCP, unix sockets, sockets of a supervisor's, and what is said when it cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use hostloop::{Address, Cause, ErrorKind, Handle};
use support::{GET, Host, kind, sockets::connect};

/// A path for a socket that goes when the test does.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hostloop-{}-{name}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn address(&self) -> Address {
        Address::Unix(self.0.clone())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Host {
    fn listen_on(&mut self, server: Handle, address: &Address) -> hostloop::Result<Handle> {
        let token = self.token();
        self.engine.http_listen(server, address, false, token)
    }

    fn tcp_address(&self, listener: Handle) -> SocketAddr {
        let Address::Tcp(address) = self.engine.listener_address(listener).unwrap() else { panic!("not TCP") };
        address
    }

    fn assert_serves(&mut self, client: &mut (impl Read + Write + AsFd)) {
        client.write_all(GET.as_bytes()).unwrap();
        let request = self.wait_for_request();
        self.respond(request, "served");
        self.read_until(client, |bytes| bytes.ends_with(b"served"));
    }
}

fn unix_client(path: &Path) -> UnixStream {
    let client = UnixStream::connect(path).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

#[test]
fn port_0_takes_a_free_port_and_tells_which() {
    for any in ["127.0.0.1:0", "[::1]:0"] {
        let mut host = Host::new();
        let server = host.server();
        let listener = host.listen_on(server, &any.parse().unwrap()).unwrap();
        let address = host.tcp_address(listener);
        assert_ne!(address.port(), 0);
        assert_eq!(address.is_ipv6(), any.starts_with('['));
        host.assert_serves(&mut connect(address));
    }
}

#[test]
fn a_request_tells_where_its_client_is() {
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let peer = host
        .wait_for(|host| host.find(|event| if let hostloop::Event::Request { head, .. } = event { Some(head.peer) } else { None }));
    assert_eq!(peer, Some(client.local_addr().unwrap()));
}

#[test]
fn one_server_listens_in_several_places_and_closes_each_by_itself() {
    let mut host = Host::new();
    let server = host.server();
    let path = SocketPath::new("several");
    let tcp = host.listen_on(server, &"127.0.0.1:0".parse().unwrap()).unwrap();
    let unix = host.listen_on(server, &path.address()).unwrap();
    let address = host.tcp_address(tcp);
    let mut early = connect(address);
    host.assert_serves(&mut early);
    host.engine.listener_close(tcp).unwrap();
    host.run();
    assert_eq!(host.closed(tcp), Some(Cause::Cancelled));
    assert!(TcpStream::connect(address).is_err());
    host.assert_serves(&mut early);
    host.assert_serves(&mut unix_client(&path.0));
    assert_eq!(kind(host.engine.listener_close(tcp)), ErrorKind::Stale);
    host.engine.listener_close(unix).unwrap();
}

#[test]
fn a_unix_socket_s_file_is_removed_when_it_closes() {
    let path = SocketPath::new("removed");
    let mut host = Host::new();
    let server = host.server();
    let listener = host.listen_on(server, &path.address()).unwrap();
    assert_eq!(host.engine.listener_address(listener).unwrap(), path.address());
    host.assert_serves(&mut unix_client(&path.0));
    host.engine.listener_close(listener).unwrap();
    assert!(!path.0.exists());
    host.listen_on(server, &path.address()).unwrap();
    host.close();
    assert!(!path.0.exists(), "closing the engine closes the listener");
    let mut host = Host::new();
    let server = host.server();
    host.listen_on(server, &path.address()).unwrap();
    drop(host);
    assert!(!path.0.exists(), "so does dropping it");
}

#[test]
fn a_unix_socket_that_nobody_listens_behind_is_replaced() {
    let path = SocketPath::new("stale");
    drop(UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let mut host = Host::new();
    let server = host.server();
    host.listen_on(server, &path.address()).unwrap();
    host.assert_serves(&mut unix_client(&path.0));
}

#[test]
fn a_unix_socket_that_somebody_listens_behind_is_left_alone() {
    let path = SocketPath::new("live");
    let other = UnixListener::bind(&path.0).unwrap();
    let mut host = Host::new();
    let server = host.server();
    let error = host.listen_on(server, &path.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.to_string().contains(&path.address().to_string()), "{error}");
    assert!(path.0.exists());
    drop(other);
}

#[test]
fn a_file_that_is_no_socket_is_never_removed() {
    let path = SocketPath::new("file");
    std::fs::write(&path.0, "precious").unwrap();
    let mut host = Host::new();
    let server = host.server();
    let error = host.listen_on(server, &path.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressInUse);
    assert!(error.message().contains("or a file of another kind is in the way; stop it, or choose another path"), "{error}");
    assert_eq!(std::fs::read_to_string(&path.0).unwrap(), "precious");
}

#[test]
fn a_port_in_use_is_refused_with_its_address_and_a_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(taken.local_addr().unwrap());
    let mut host = Host::new();
    let server = host.server();
    let error = host.listen_on(server, &address).unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::AddressInUse, "http_listen"));
    let text = error.to_string();
    assert!(text.contains(&format!("cannot listen on {address}")) && text.contains("choose another port"), "{text}");
    assert_eq!(error.os_error(), Some(libc::EADDRINUSE));
}

#[test]
fn addresses_that_cannot_be_are_refused_by_name() {
    let mut host = Host::new();
    let server = host.server();
    let elsewhere = host.listen_on(server, &"192.0.2.1:8000".parse().unwrap()).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::AddressUnavailable);
    assert!(elsewhere.to_string().contains("192.0.2.1:8000"), "{elsewhere}");
    for text in ["8000", "localhost:8000", "unix:", "127.0.0.1"] {
        let error = text.parse::<Address>().unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_path_where_no_socket_can_be_made_is_an_address_that_is_unavailable() {
    let file = SocketPath::new("no-folder");
    std::fs::write(&file.0, "").unwrap();
    let long = format!("/tmp/{}", "x".repeat(200));
    let cases = [
        (PathBuf::from("/no/such/folder/app.sock"), "the folder of the socket does not exist; make it"),
        (file.0.join("app.sock"), "what the path names as a folder is none; choose another"),
        (long.into(), "the path is too long for a unix socket; choose one of at most 100 bytes"),
    ];
    let mut host = Host::new();
    let server = host.server();
    for (path, fix) in cases {
        let error = host.listen_on(server, &Address::Unix(path.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressUnavailable, "{error}");
        assert!(error.message().contains(&format!("cannot listen on unix:{}: {fix}", path.display())), "{error}");
    }
}

#[test]
fn two_engines_share_a_port_that_both_ask_to_share() {
    let (mut first, mut second) = (Host::new(), Host::new());
    let (server, other) = (first.server(), second.server());
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = first.engine.http_listen(server, &any, true, 1).unwrap();
    let address = first.tcp_address(listener);
    assert_eq!(kind(second.engine.http_listen(other, &Address::Tcp(address), false, 1)), ErrorKind::AddressInUse);
    second.engine.http_listen(other, &Address::Tcp(address), true, 1).unwrap();

    let clients: Vec<_> = (0..64).map(|_| connect(address)).collect();
    first.wait_for(|first| {
        second.run();
        let served = |host: &Host, server| host.engine.http_status(server).unwrap().connections;
        (served(first, server) + served(&second, other) == clients.len()).then_some(())
    });
    assert!(first.engine.http_status(server).unwrap().connections > 0);
    assert!(second.engine.http_status(other).unwrap().connections > 0);
}

#[test]
fn a_socket_that_listens_already_is_taken_over() {
    let path = SocketPath::new("adopted");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = UnixListener::bind(&path.0).unwrap();
    let mut host = Host::new();
    let server = host.server();
    let listener = host.engine.http_listen_fd(server, tcp.into(), 1).unwrap();
    assert_eq!(host.tcp_address(listener), address);
    host.engine.http_listen_fd(server, unix.into(), 2).unwrap();
    host.assert_serves(&mut connect(address));
    host.assert_serves(&mut unix_client(&path.0));
    host.close();
    assert!(path.0.exists(), "the file is left to whoever made it");
}

#[test]
fn what_does_not_listen_is_not_taken_over() {
    let mut host = Host::new();
    let server = host.server();
    let (stream, _peer) = UnixStream::pair().unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for fd in [stream.into(), pipe.into(), datagrams.into()] {
        assert_eq!(kind(host.engine.http_listen_fd(server, fd, 1)), ErrorKind::Invalid);
    }
    host.run();
    assert_eq!(host.finals(1), 0);
}
