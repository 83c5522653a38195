//! Responses that are written piece by piece, at the pace of the client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{io::Write, os::fd::AsRawFd};

use bytes::Bytes;
use hostloop::{Cause, Handle, ResponseHead};
use http::{HeaderMap, HeaderValue, header};
use support::{
    GET, Host,
    download::Download,
    kind,
    sockets::{AT_LAST, read_all, wait_readable},
    statuses,
};

impl Host {
    /// Sends a GET in memory and starts to stream its response.
    fn stream(&mut self, server: Handle, head: ResponseHead) -> (Handle, Handle) {
        let client = self.client(server);
        self.send(client, GET);
        let request = self.request();
        self.engine.respond_streamed(request, head).unwrap();
        (client, request)
    }

    fn write(&mut self, request: Handle, text: &'static str) {
        let token = self.token();
        self.engine.write(request, Bytes::from_static(text.as_bytes()), token).unwrap();
        self.run();
        assert_eq!(self.finals(token), 1);
    }
}

#[test]
fn pieces_reach_the_client_as_they_are_written() {
    let mut host = Host::new();
    let server = host.server();
    let (client, request) = host.stream(server, ResponseHead::default());
    let head = host.received(client);
    assert!(head.contains("transfer-encoding: chunked\r\n") && head.ends_with("\r\n\r\n"), "the head goes first: {head}");
    host.write(request, "hello");
    assert_eq!(host.received(client), "5\r\nhello\r\n");
    host.write(request, "");
    assert_eq!(host.received(client), "", "an empty piece is not the end");
    host.write(request, "you");
    assert_eq!(host.received(client), "3\r\nyou\r\n");
    assert!(host.closed(request).is_none());
    host.engine.finish(request).unwrap();
    assert_eq!(host.received(client), "0\r\n\r\n");
    assert_eq!(host.closed(request), Some(Cause::Done));
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "next");
    assert!(host.received(client).ends_with("next"));
}

#[test]
fn a_stream_of_known_length_is_sent_without_chunks() {
    let mut host = Host::new();
    let server = host.server();
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("8"))]);
    let (client, request) = host.stream(server, ResponseHead { headers, ..ResponseHead::default() });
    host.write(request, "hello");
    assert!(host.closed(request).is_none());
    host.write(request, "you");
    let answer = host.received(client);
    assert!(answer.ends_with("\r\n\r\nhelloyou") && !answer.contains("chunked"), "{answer}");
    assert_eq!(host.closed(request), Some(Cause::Done), "that was all of it");
    assert_eq!(kind(host.engine.finish(request)), hostloop::ErrorKind::Stale);
    host.assert_status(server, 1, 0);
}

#[test]
fn a_stream_of_a_status_without_a_body_ends_with_its_head() {
    let mut host = Host::new();
    let server = host.server();
    for status in [http::StatusCode::NO_CONTENT, http::StatusCode::NOT_MODIFIED] {
        let (client, request) = host.stream(server, ResponseHead { status, ..ResponseHead::default() });
        let answer = host.received(client);
        assert!(statuses(&answer) == [status.as_u16()] && answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(host.closed(request), Some(Cause::Done));
    }
}

#[test]
fn a_stream_that_breaks_off_is_never_taken_for_a_whole_one() {
    let mut host = Host::new();
    let server = host.server();
    let (client, request) = host.stream(server, ResponseHead::default());
    host.write(request, "half");
    host.engine.abort(request).unwrap();
    let answer = host.received(client);
    assert!(answer.contains("half") && !answer.contains("0\r\n\r\n"), "{answer}");
    assert_eq!((host.closed(request), host.closed(client)), (Some(Cause::Cancelled), Some(Cause::Done)));
    host.assert_status(server, 0, 0);
}

#[test]
fn a_stream_shorter_than_its_length_closes_the_connection() {
    let mut host = Host::new();
    let server = host.server();
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("10"))]);
    let (client, request) = host.stream(server, ResponseHead { headers, ..ResponseHead::default() });
    host.write(request, "hello");
    let error = host.engine.finish(request).unwrap_err();
    assert_eq!(error.message().split(';').next(), Some("header `content-length` promised 5 bytes more"));
    assert!(host.received(client).ends_with("hello"));
    assert!(host.closed(request).is_some());
    assert_eq!(host.closed(client), Some(Cause::Done), "the client must notice");
    host.assert_status(server, 0, 0);
}

#[test]
fn a_piece_beyond_the_length_is_refused() {
    let mut host = Host::new();
    let server = host.server();
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("3"))]);
    let (_, request) = host.stream(server, ResponseHead { headers, ..ResponseHead::default() });
    let error = host.engine.write(request, Bytes::from_static(b"hello"), 1).unwrap_err();
    assert!(error.message().starts_with("header `content-length` left 3 bytes, the piece has 5"), "{error}");
}

#[test]
fn writing_after_finish_is_a_conflict_and_after_the_end_stale() {
    let mut host = Host::new();
    let server = host.server();
    let (_, request) = host.stream(server, ResponseHead::default());
    host.engine.finish(request).unwrap();
    assert_eq!(kind(host.engine.write(request, Bytes::new(), 1)), hostloop::ErrorKind::Conflict);
    assert_eq!(kind(host.engine.finish(request)), hostloop::ErrorKind::Conflict);
    host.run();
    assert_eq!(kind(host.engine.write(request, Bytes::new(), 1)), hostloop::ErrorKind::Stale);
}

#[test]
fn an_old_client_gets_a_stream_that_ends_with_the_connection() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, "GET / HTTP/1.0\r\n\r\n");
    let request = host.request();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    host.write(request, "hello");
    host.engine.finish(request).unwrap();
    let answer = host.received(client);
    assert!(statuses(&answer.replace("HTTP/1.0", "HTTP/1.1")) == [200] && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert_eq!(host.closed(client), Some(Cause::Done));
}

#[test]
fn a_client_that_does_not_read_stops_the_stream_and_resumes_it_by_reading() {
    const WHOLE: usize = 32 * 1024 * 1024;
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    let mut download = Download::start(&mut host, request, WHOLE);
    download.pump(&mut host);
    assert!(download.sent < WHOLE / 2, "{} bytes are held for a client that does not read", download.sent);
    assert!(!host.engine.needs_turn());

    let mut received = Vec::new();
    while !download.is_complete() {
        assert!(wait_readable(&[host.engine.fd(), client.as_raw_fd()], AT_LAST), "it stalls at {}", download.sent);
        read_all(&mut client, &mut received);
        download.pump(&mut host);
    }
    host.engine.finish(request).unwrap();
    received.extend(host.read_until(&mut client, |bytes| bytes.ends_with(b"\r\n0\r\n\r\n")));
    assert_eq!(received.iter().filter(|&&byte| byte == b'x').count(), WHOLE);
    assert_eq!(host.closed(request), Some(Cause::Done));
}

/// Streams `hello` to a client that sends these header lines, and ends it with two trailers, of which the head names one.
fn with_trailers(lines: &str) -> String {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    let request = host.request();
    let mut head = ResponseHead::default();
    head.headers.insert(header::TRAILER, HeaderValue::from_static("x-sum"));
    host.engine.respond_streamed(request, head).unwrap();
    host.write(request, "hello");
    let trailers = [("x-sum", "42"), ("x-other", "1")]
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
    host.engine.finish_with_trailers(request, HeaderMap::from_iter(trailers)).unwrap();
    let answer = host.received(client);
    assert_eq!(host.closed(request), Some(Cause::Done));
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "next");
    assert!(host.received(client).ends_with("next"));
    answer
}

#[test]
fn trailers_that_the_head_names_follow_for_a_client_that_asks_for_them() {
    let answer = with_trailers("TE: trailers\r\n");
    assert!(answer.ends_with("5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n"), "{answer}");
}

#[test]
fn trailers_are_left_out_for_a_client_that_does_not_ask() {
    let answer = with_trailers("");
    assert!(answer.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{answer}");
}
