//! Bodies that come with their requests if they are there already, and are read on demand if not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use hostloop::{BodyMode, Cause, Chunk, Event, Handle, RouteOptions};
use http::Method;
use support::{Host, post, statuses};

impl Host {
    fn server_at_hand(&mut self) -> Handle {
        let server = self.server();
        self.engine.http_route(server, Method::POST, "/at-hand", 9, RouteOptions::body(BodyMode::AtHand)).unwrap();
        server
    }

    /// The next request, and its body if it came with one.
    fn request_with_body(&mut self) -> Option<(Handle, Option<Bytes>)> {
        self.run();
        self.find(|event| match event {
            Event::Request { handle, body, .. } => Some((*handle, body.clone())),
            _ => None,
        })
    }

    /// Reads to the end of a body.
    fn rest(&mut self, request: Handle) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(Chunk::Data(bytes)) = self.read(request) {
            read.extend_from_slice(&bytes);
        }
        read
    }
}

#[test]
fn a_body_that_is_there_comes_with_its_request() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 5) + "hello");
    let (request, body) = host.request_with_body().unwrap();
    assert_eq!(body.as_deref(), Some(&b"hello"[..]));
    assert!(matches!(host.read(request), Some(Chunk::End)), "all of it has come");
    host.respond(request, "done");
    assert_eq!(statuses(&host.received(client)), [200]);
}

#[test]
fn a_body_in_chunks_is_read_in_order() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, "POST /at-hand HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    let (request, body) = host.request_with_body().unwrap();
    assert_eq!(body.map_or_else(|| host.rest(request), Vec::from), b"hello");
}

#[test]
fn a_request_without_a_body_has_an_empty_one() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 0));
    assert_eq!(host.request_with_body().unwrap().1, Some(Bytes::new()));
}

#[test]
fn a_body_that_is_not_there_does_not_keep_its_request() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 5));
    let (request, body) = host.request_with_body().unwrap();
    assert_eq!(body, None);
    assert!(host.read(request).is_none());
    host.send(client, "hello");
    assert!(matches!(host.chunk(request), Some(Chunk::Data(bytes)) if bytes == "hello"));
    host.respond(request, "done");
    host.assert_status(server, 1, 0);
}

#[test]
fn what_is_there_of_a_body_is_read_first() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 10) + "hello");
    let (request, body) = host.request_with_body().unwrap();
    assert_eq!(body, None);
    host.assert_status(server, 1, 1);
    host.send(client, "world");
    assert_eq!(host.rest(request), b"helloworld");
    host.respond(request, "done");
    host.assert_status(server, 1, 0);
}

#[test]
fn nobody_need_read_what_is_there() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 10) + "hello");
    let (request, _) = host.request_with_body().unwrap();
    host.respond(request, "unread");
    assert_eq!(statuses(&host.received(client)), [200]);
    host.send(client, String::from("world") + &post("/at-hand", 2) + "ok");
    assert_eq!(host.request_with_body().unwrap().1.as_deref(), Some(&b"ok"[..]));
}

#[test]
fn a_client_is_not_asked_for_what_nobody_has_read() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, "POST /at-hand HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let (request, body) = host.request_with_body().unwrap();
    assert_eq!(body, None);
    assert_eq!(host.received(client), "");
    assert!(host.read(request).is_none());
    assert!(host.received(client).starts_with("HTTP/1.1 100 Continue"));
}

#[test]
fn a_client_that_leaves_in_the_middle_ends_its_request() {
    let mut host = Host::new();
    let server = host.server_at_hand();
    let client = host.client(server);
    host.send(client, post("/at-hand", 10) + "hello");
    let (request, _) = host.request_with_body().unwrap();
    host.engine.client_close(client).unwrap();
    host.run();
    assert_eq!(host.closed(request), Some(Cause::Disconnected));
    host.assert_status(server, 0, 0);
}
