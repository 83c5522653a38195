//! How things end: each verb by one final event, each handle by its last, and the engine by `Shutdown`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{io::Write, net::Shutdown, os::fd::AsRawFd, time::Duration};

use bytes::Bytes;
use hostloop::{Cause, Chunk, ErrorKind, Event, Handle, Interest, ResponseHead, RouteOptions};
use http::Method;
use support::{GET, Host, SECOND, kind, post};

/// Starts one of everything: the tokens of verbs that have not had their final event, the server, a client and two requests.
struct Everything {
    tokens: Vec<u64>,
    server: Handle,
    clients: [Handle; 2],
    reading: Handle,
    writing: Handle,
}

impl Everything {
    fn start(host: &mut Host) -> Self {
        let server = host.server();
        let clients = [host.client(server), host.client(server)];
        host.send(clients[0], post("/", 10) + "half");
        let reading = host.request();
        assert!(matches!(host.read(reading), Some(Chunk::Data(_))));
        let mut tokens = vec![host.token()];
        host.engine.request_read(reading, tokens[0]).unwrap();

        host.send(clients[1], GET);
        let writing = host.request();
        host.engine.respond_streamed(writing, ResponseHead::default()).unwrap();
        for _ in 0..3 {
            tokens.push(host.token());
            host.engine.write(writing, Bytes::from(vec![b'x'; 100_000]), *tokens.last().unwrap()).unwrap_or_else(|error| {
                assert_eq!(error.kind(), ErrorKind::Full);
                tokens.pop();
            });
        }
        Self { tokens, server, clients, reading, writing }
    }

    fn assert_each_ended_once(&self, host: &Host) {
        for &token in &self.tokens {
            assert_eq!(host.finals(token), 1, "final events of token {token}");
        }
    }
}

#[test]
fn reads_and_writes_under_way_end_once_when_the_client_disconnects() {
    let mut host = Host::new();
    let everything = Everything::start(&mut host);
    everything.clients.iter().for_each(|&client| host.engine.client_close(client).unwrap());
    host.run();
    everything.assert_each_ended_once(&host);
    assert_eq!(host.closed(everything.reading), Some(Cause::Disconnected));
    assert_eq!(host.closed(everything.writing), Some(Cause::Disconnected));
    host.assert_status(everything.server, 0, 0);
}

#[test]
fn a_client_that_leaves_in_a_body_that_nobody_reads_is_noticed() {
    let bodies =
        ["Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"];
    for body in bodies {
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}");
        let mut host = Host::new();
        let server = host.server();
        let client = host.client(server);
        host.send(client, &text);
        let in_memory = host.request();
        host.engine.client_shutdown(client).unwrap();
        host.run();
        assert_eq!(host.closed(in_memory), Some(Cause::Disconnected));

        let mut client = host.tcp(server);
        client.write_all(text.as_bytes()).unwrap();
        let request = host.wait_for_request();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(host.wait_for(|host| host.closed(request)), Cause::Disconnected);
    }
}

#[test]
fn reads_and_writes_under_way_end_once_when_the_server_drains() {
    let mut host = Host::new();
    let everything = Everything::start(&mut host);
    host.engine.http_drain(everything.server, Some(SECOND)).unwrap();
    host.run();
    assert!(host.closed(everything.reading).is_none(), "the drain's deadline has not come");
    host.advance(5 * SECOND);
    everything.assert_each_ended_once(&host);
    assert_eq!(host.closed(everything.reading), Some(Cause::Drained));
    assert_eq!(host.closed(everything.writing), Some(Cause::Drained));
    assert_eq!(host.closed(everything.server), Some(Cause::Done));
}

#[test]
fn reads_and_writes_under_way_end_once_when_the_engine_is_closed() {
    let mut host = Host::new();
    let mut everything = Everything::start(&mut host);
    let (reader, _writer) = std::io::pipe().unwrap();
    let listener = host.token();
    host.engine.http_listen(everything.server, &"127.0.0.1:0".parse().unwrap(), false, listener).unwrap();
    let timer = host.token();
    host.engine.timer_start(SECOND, Duration::ZERO, timer).unwrap();
    let watch = host.token();
    // SAFETY: the pipe outlives the engine's watch.
    unsafe { host.engine.watch(reader.as_raw_fd(), Interest::READ, watch).unwrap() };
    let posted = host.token();
    host.engine.remote().post(posted).unwrap();
    everything.tokens.extend([listener, timer, watch, posted]);

    host.close();
    everything.assert_each_ended_once(&host);
    let events = host.events();
    for handle in [everything.reading, everything.writing, everything.server, everything.clients[0], everything.clients[1]] {
        let of_handle =
            |event: &&Event| matches!(event, Event::Closed { handle: of, cause: Cause::Cancelled, .. } if *of == handle);
        assert_eq!(events.iter().filter(of_handle).count(), 1);
    }
    assert!(matches!(events.last(), Some(Event::Shutdown)));
}

#[test]
fn cancelled_requests_and_clients_end_by_their_own_last_event() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.abort(request).unwrap();
    host.run();
    assert_eq!(host.closed(request), Some(Cause::Cancelled));
    assert_eq!(host.closed(client), Some(Cause::Done), "the server has closed it");
    let other = host.client(server);
    host.engine.client_close(other).unwrap();
    host.run();
    assert_eq!(host.closed(other), Some(Cause::Cancelled));
    host.assert_status(server, 0, 0);
}

#[test]
fn after_its_last_event_a_handle_is_stale_for_every_verb() {
    let mut host = Host::new();
    let everything = Everything::start(&mut host);
    let (reader, _writer) = std::io::pipe().unwrap();
    // SAFETY: the pipe outlives the engine's watch.
    let watch = unsafe { host.engine.watch(reader.as_raw_fd(), Interest::READ, 0).unwrap() };
    let timer = host.engine.timer_start(SECOND, Duration::ZERO, 0).unwrap();
    let listener = host.engine.http_listen(everything.server, &"127.0.0.1:0".parse().unwrap(), false, 0).unwrap();
    host.engine.unwatch(watch).unwrap();
    host.engine.http_drain(everything.server, Some(Duration::ZERO)).unwrap();
    host.run();
    host.advance(5 * SECOND);

    let (engine, server, request, client) = (&host.engine, everything.server, everything.reading, everything.clients[0]);
    let stale = [
        engine.timer_cancel(timer),
        engine.timer_restart(timer, SECOND, SECOND),
        engine.rewatch(watch, Interest::READ),
        engine.unwatch(watch),
        engine.http_route(server, Method::GET, "/x", 0, RouteOptions::default()),
        engine.http_listen(server, &"127.0.0.1:0".parse().unwrap(), false, 0).map(drop),
        engine.http_listen_fd(server, std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(), 0).map(drop),
        engine.http_status(server).map(drop),
        engine.http_drain(server, None),
        engine.http_connect(server, 0).map(drop),
        engine.listener_address(listener).map(drop),
        engine.listener_close(listener),
        engine.request_read(request, 0),
        engine.respond(request, ResponseHead::default(), Bytes::new()),
        engine.respond_streamed(request, ResponseHead::default()),
        engine.write(request, Bytes::new(), 0),
        engine.finish(request),
        engine.abort(request),
        engine.client_send(client, b"x").map(drop),
        engine.client_shutdown(client),
        engine.client_close(client),
    ];
    for (place, result) in stale.into_iter().enumerate() {
        assert_eq!(kind(result), ErrorKind::Stale, "verb {place}");
    }
    host.run();
    assert!(host.events().iter().all(|event| !matches!(event, Event::Request { .. })));
}

#[test]
fn a_closed_engine_refuses_every_turn_and_verb() {
    let mut host = Host::new();
    let server = host.server();
    host.engine.close().unwrap();
    assert!(host.engine.needs_turn());
    assert_eq!(kind(host.engine.timer_start(SECOND, Duration::ZERO, 0)), ErrorKind::Closed);
    host.turn().unwrap();
    assert!(matches!(host.events().last(), Some(Event::Shutdown)));
    assert_eq!(kind(host.turn()), ErrorKind::Closed);
    assert_eq!(kind(host.engine.park(&mut hostloop::Events::new(), None)), ErrorKind::Closed);
    assert_eq!(kind(host.engine.close()), ErrorKind::Closed);
    assert_eq!(kind(host.engine.http_status(server)), ErrorKind::Closed);
    assert!(host.events().is_empty() && !host.engine.needs_turn());
}

// Requests that are answered before their body has come.

#[test]
fn a_body_that_comes_after_its_response_is_thrown_away_and_the_next_request_served() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    for _ in 0..2 {
        host.send(client, post("/", 200_000));
        let request = host.request();
        host.respond(request, "early");
        let answer = host.received(client);
        assert!(answer.ends_with("early") && !answer.contains("connection: close"), "{answer}");
        host.send(client, "x".repeat(200_000));
    }
    host.send(client, post("/nowhere", 5));
    assert!(host.received(client).starts_with("HTTP/1.1 404"));
    host.send(client, String::from("hello") + GET);
    let request = host.request();
    host.respond(request, "next");
    assert!(host.received(client).ends_with("next"));
}

#[test]
fn a_body_that_is_too_long_to_be_thrown_away_ends_the_connection_which_says_so() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/", 300_000) + "start");
    let request = host.request();
    host.respond(request, "early");
    let answer = host.received(client);
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("early"), "{answer}");
    host.advance(SECOND * 2);
    assert_eq!(host.closed(client), Some(Cause::Done));
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_told_that_the_connection_ends() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let request = host.request();
    host.respond(request, "no");
    let answer = host.received(client);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_body_that_never_comes_after_its_response_is_waited_for_as_long_as_any_body() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.timeouts.body = Some(SECOND * 10));
    let client = host.client(server);
    host.send(client, post("/", 5));
    let request = host.request();
    host.respond(request, "early");
    host.advance(SECOND * 9);
    assert_eq!(host.closed(client), None);
    host.advance(SECOND * 3);
    assert_eq!(host.closed(client), Some(Cause::Done));
    assert!(host.received(client).matches("HTTP/1.1").count() == 1, "a request has one response");
}

#[test]
fn a_body_that_is_malformed_after_its_response_ends_the_connection_without_a_second_response() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let request = host.request();
    host.respond(request, "early");
    host.engine.client_send(client, b"nonsense\r\n").unwrap();
    host.run();
    host.advance(SECOND * 2);
    assert!(host.closed(client).is_some());
    assert!(host.received(client).matches("HTTP/1.1").count() == 1, "a request has one response");
}

#[test]
fn disconnecting_idle_connections_leaves_those_with_a_request() {
    let mut host = Host::new();
    let server = host.server();
    let (idle, busy) = (host.client(server), host.client(server));
    host.send(busy, GET);
    let request = host.request();
    host.engine.http_disconnect(server, true).unwrap();
    host.run();
    assert_eq!(host.closed(idle), Some(Cause::Done));
    host.respond(request, "hello");
    assert!(host.received(busy).ends_with("hello"));
}

#[test]
fn disconnecting_all_cancels_their_requests_and_the_server_goes_on() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.http_disconnect(server, false).unwrap();
    host.run();
    assert_eq!(host.closed(request), Some(Cause::Cancelled));
    assert_eq!(host.closed(client), Some(Cause::Done));
    assert_eq!(host.received(client), "");
    let next = host.client(server);
    host.send(next, GET);
    let request = host.request();
    host.respond(request, "hello");
    assert!(host.received(next).ends_with("hello"));
}
