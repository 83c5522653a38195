//! HTTP/1.1 as a client sees it: what is answered, in which order, and what keeps a connection open.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use hostloop::{Cause, Chunk, Event, Handle, RequestHead, ResponseHead};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use support::{GET, Host, kind, post, statuses};

impl Host {
    fn request_head(&mut self) -> (Handle, Box<RequestHead>, Option<Bytes>) {
        let request = self.events().into_iter().find_map(|event| match event {
            Event::Request { handle, head, body, .. } => Some((handle, head, body)),
            _ => None,
        });
        request.expect("no request has come")
    }

    /// Sends a text from a new client, and returns that client.
    fn sender(&mut self, server: Handle, text: &str) -> Handle {
        let client = self.client(server);
        self.send(client, text);
        client
    }
}

fn with_header(name: header::HeaderName, value: &'static str) -> ResponseHead {
    ResponseHead { headers: HeaderMap::from_iter([(name, HeaderValue::from_static(value))]), ..ResponseHead::default() }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    for body in ["first", "second", "third"] {
        host.send(client, GET);
        let request = host.request();
        host.respond(request, body);
        assert_eq!(host.closed(request), Some(Cause::Done));
        let answer = host.received(client);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        assert!(answer.contains(&format!("content-length: {}\r\n", body.len())) && answer.contains("date: "), "{answer}");
    }
    host.assert_status(server, 1, 0);
}

#[test]
fn a_client_that_asks_to_close_is_answered_and_closed() {
    let mut host = Host::new();
    let server = host.server();
    for text in ["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let client = host.sender(server, text);
        let request = host.request();
        host.respond(request, "bye");
        assert!(host.received(client).ends_with("bye"));
        assert_eq!(host.closed(client), Some(Cause::Done));
        host.assert_status(server, 0, 0);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut host = Host::new();
    let server = host.server();
    let text = GET.to_owned() + &post("/whole", 5) + "hello" + "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + GET;
    let client = host.sender(server, &text);
    for body in ["one", "two", "four"] {
        let request = host.request();
        assert!(host.next_request().is_none(), "one at a time");
        host.respond(request, body);
    }
    let answer = host.received(client);
    assert_eq!(statuses(&answer), [200, 200, 404, 200]);
    let places: Vec<_> = ["one", "two", "nothing is served", "four"].iter().map(|body| answer.find(body).unwrap()).collect();
    assert!(places.is_sorted());
}

#[test]
fn a_request_is_told_with_all_of_its_head() {
    let mut host = Host::new();
    let server = host.server();
    host.engine.http_route(server, http::Method::GET, "/links/{code}/{rest:path}", 40, Default::default()).unwrap();
    host.sender(server, "GET /links/a%20b/c/d?q=1 HTTP/1.1\r\nHost: a\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n");
    let (_, head, body) = host.request_head();
    assert_eq!((head.param(0), head.param(1), head.param(2)), (Some("a%20b"), Some("c/d"), None));
    assert_eq!((head.method.as_str(), head.uri.query(), head.peer), ("GET", Some("q=1"), None));
    assert_eq!(head.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(body.is_none());
}

#[test]
fn a_status_without_a_name_is_unknown() {
    for (status, line) in [(200, "HTTP/1.1 200 OK\r\n"), (599, "HTTP/1.1 599 unknown\r\n")] {
        let mut host = Host::new();
        let server = host.server();
        let client = host.sender(server, GET);
        let request = host.request();
        let head = ResponseHead { status: StatusCode::from_u16(status).unwrap(), ..ResponseHead::default() };
        host.engine.respond(request, head, Bytes::new()).unwrap();
        host.run();
        assert!(host.received(client).starts_with(line));
    }
}

#[test]
fn head_gets_the_head_that_get_would_get_and_no_body() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = host.request();
    host.respond(request, "twelve bytes");
    let answer = host.received(client);
    assert!(answer.contains("content-length: 12\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");

    host.send(client, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let request = host.request();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    host.run();
    assert_eq!(host.closed(request), Some(Cause::Done), "there is nothing to stream");
    assert!(host.received(client).ends_with("\r\n\r\n"));
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "next");
    assert!(host.received(client).ends_with("next"));
}

#[test]
fn what_is_not_served_is_answered_without_the_host() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = host.received(client);
    assert_eq!(statuses(&answer), [404]);
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    host.send(client, "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = host.received(client);
    assert_eq!(statuses(&answer), [405]);
    assert!(answer.contains("allow: GET, HEAD, POST\r\n"), "{answer}");
    host.send(client, "POST / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(statuses(&host.received(client)), [417]);
    assert!(host.next_request().is_none());
}

#[test]
fn a_client_is_told_to_continue_when_its_body_is_read_and_not_before() {
    let mut host = Host::new();
    let server = host.server();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let client = host.sender(server, head);
    let request = host.request();
    assert_eq!(host.received(client), "");
    assert!(host.read(request).is_none());
    assert_eq!(host.received(client), "HTTP/1.1 100 Continue\r\n\r\n");
    host.send(client, "hello");
    assert!(matches!(host.chunk(request), Some(Chunk::Data(bytes)) if bytes == "hello"));
    host.respond(request, "thanks");
    assert_eq!(statuses(&host.received(client)), [200]);
}

#[test]
fn a_client_whose_body_is_not_wanted_is_never_told_to_continue() {
    let mut host = Host::new();
    let server = host.server();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let client = host.sender(server, head);
    let request = host.request();
    host.respond(request, "no thanks");
    assert_eq!(statuses(&host.received(client)), [200]);
}

#[test]
fn chunks_are_read_on_demand_and_the_end_is_told_as_often_as_asked() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let request = host.request();
    assert!(host.read(request).is_none(), "nothing has come");
    host.send(client, "5\r\nhello\r\n");
    assert!(matches!(host.chunk(request), Some(Chunk::Data(bytes)) if bytes == "hello"));
    host.send(client, "3\r\nyou\r\n0\r\nX-Trailer: y\r\n\r\n");
    assert!(host.chunk(request).is_none(), "nobody has asked");
    assert!(matches!(host.read(request), Some(Chunk::Data(bytes)) if bytes == "you"));
    assert!(matches!(host.read(request), Some(Chunk::End)));
    assert!(matches!(host.read(request), Some(Chunk::End)));
    host.respond(request, "done");
    assert_eq!(statuses(&host.received(client)), [200]);
}

#[test]
fn a_route_for_whole_bodies_is_told_once_the_body_is_whole() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, &post("/whole", 10));
    host.send(client, "hello");
    assert!(host.next_request().is_none());
    host.assert_status(server, 1, 1);
    host.send(client, "world");
    let (request, _, body) = host.request_head();
    assert_eq!(body.unwrap(), "helloworld");
    assert!(matches!(host.read(request), Some(Chunk::End)), "it has been read");
    host.respond(request, "first");
    host.send(client, "POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let (request, _, body) = host.request_head();
    assert_eq!(body.unwrap(), "hi");
    host.respond(request, "second");
    host.send(client, post("/whole", 0));
    let (_, _, body) = host.request_head();
    assert_eq!(body.unwrap(), "");
}

#[test]
fn a_body_that_was_not_read_does_not_reach_the_next_request() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, &(post("/", 5) + "GET /" + GET));
    let request = host.request();
    host.respond(request, "unread");
    if let Some(next) = host.next_request() {
        host.respond(next, "next");
    }
    let answer = host.received(client);
    assert!(statuses(&answer).iter().all(|&status| status == 200), "{answer}");
}

#[test]
fn a_response_that_would_break_the_framing_is_refused_and_may_be_mended() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, GET);
    let request = host.request();
    let respond = |host: &Host, head| host.engine.respond(request, head, Bytes::from_static(b"12345"));
    let informational = ResponseHead { status: http::StatusCode::EARLY_HINTS, ..ResponseHead::default() };
    let chunked = with_header(header::TRANSFER_ENCODING, "chunked");
    for head in [informational, chunked, with_header(header::CONTENT_LENGTH, "4")] {
        assert_eq!(kind(respond(&host, head.clone())), hostloop::ErrorKind::Invalid);
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            assert_eq!(kind(host.engine.respond_streamed(request, head)), hostloop::ErrorKind::Invalid);
        }
    }
    respond(&host, with_header(header::CONTENT_LENGTH, "5")).unwrap();
    let answer = host.received(client);
    assert_eq!((statuses(&answer).len(), answer.matches("content-length").count()), (1, 1), "{answer}");
}

#[test]
fn a_second_response_is_a_conflict_until_the_request_has_ended() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.sender(server, GET);
    let request = host.request();
    host.engine.respond(request, ResponseHead::default(), Bytes::new()).unwrap();
    assert_eq!(kind(host.engine.respond(request, ResponseHead::default(), Bytes::new())), hostloop::ErrorKind::Conflict);
    assert_eq!(kind(host.engine.respond_streamed(request, ResponseHead::default())), hostloop::ErrorKind::Conflict);
    assert_eq!(kind(host.engine.write(request, Bytes::new(), 0)), hostloop::ErrorKind::Conflict);
    host.run();
    assert_eq!(kind(host.engine.respond(request, ResponseHead::default(), Bytes::new())), hostloop::ErrorKind::Stale);
    assert_eq!(statuses(&host.received(client)), [200]);
}
