//! The promises of the crate's first page, as a host notices them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

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
    unsafe { host.engine.watch(std::os::fd::AsRawFd::as_raw_fd(&reader), Interest::READ, watch).unwrap() };
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
fn a_refused_verb_leads_to_no_event() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/", 10));
    let request = host.request();
    let (first, refused) = (host.token(), host.token());
    host.engine.request_read(request, first).unwrap();
    assert_eq!(kind(host.engine.request_read(request, refused)), ErrorKind::Conflict);
    assert_eq!(kind(host.engine.write(request, Bytes::new(), refused)), ErrorKind::Conflict);
    assert_eq!(kind(host.engine.http_connect(request, refused)), ErrorKind::Stale);
    let nowhere = "192.0.2.1:1".parse().unwrap();
    assert_eq!(kind(host.engine.http_listen(server, &nowhere, false, refused)), ErrorKind::AddressUnavailable);
    // SAFETY: the engine refuses a descriptor that is not open.
    assert_eq!(kind(unsafe { host.engine.watch(99_999, Interest::READ, refused) }), ErrorKind::Io);
    host.run();
    host.close();
    assert_eq!((host.finals(first), host.finals(refused)), (1, 0));
}

#[test]
fn what_an_event_gave_stays_valid_when_its_source_is_gone() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/whole?a=b", 5) + "hello");
    let (head, body) = host
        .events()
        .into_iter()
        .find_map(|event| match event {
            Event::Request { head, body, .. } => Some((head, body)),
            _ => None,
        })
        .unwrap();
    host.close();
    drop(host);
    assert_eq!((head.uri.query(), head.headers["host"].as_bytes()), (Some("a=b"), &b"a"[..]));
    assert_eq!(body.unwrap(), "hello");
}

#[test]
fn what_a_verb_was_given_may_change_when_it_returns() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    let mut text = GET.to_owned().into_bytes();
    host.engine.client_send(client, &text).unwrap();
    text.fill(b'!');
    let request = host.request();
    host.respond(request, "whole");
    assert!(host.received(client).ends_with("whole"));
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
    let watch = unsafe { host.engine.watch(std::os::fd::AsRawFd::as_raw_fd(&reader), Interest::READ, 0).unwrap() };
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
fn a_number_that_never_was_a_handle_is_refused() {
    let host = Host::new();
    for bits in [0, 1, u64::MAX, 1 << 56, 6 << 56 | 1 << 32 | 7, 1 << 56 | 1 << 32 | 5] {
        assert_eq!(kind(host.engine.timer_cancel(Handle::from_bits(bits))), ErrorKind::Stale);
        assert_eq!(kind(host.engine.abort(Handle::from_bits(bits))), ErrorKind::Stale);
    }
}

#[test]
fn events_of_one_request_come_in_order() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/", 5) + "hello");
    let request = host.find(|event| if let Event::Request { handle, .. } = event { Some(*handle) } else { None }).unwrap();
    host.engine.request_read(request, 10).unwrap();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    for token in 11..20 {
        host.engine.write(request, Bytes::from_static(b"piece"), token).unwrap();
    }
    host.engine.finish(request).unwrap();
    host.run();
    let order: Vec<_> = host
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Body { token, .. } | Event::Written { token, sent: true, .. } => token,
            Event::Closed { handle, cause: Cause::Done, .. } if handle == request => 20,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, (10..=20).collect::<Vec<_>>());
}

/// Host memory whose release goes wrong, which happens inside a turn.
struct Explosive;

impl AsRef<[u8]> for Explosive {
    fn as_ref(&self) -> &[u8] {
        &[b'x'; 100_000]
    }
}

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("released badly");
    }
}

#[test]
fn a_panic_becomes_an_error_of_its_turn_and_the_engine_goes_on() {
    let mut host = Host::new();
    let server = host.server();
    let (unlucky, other) = (host.client(server), host.client(server));
    host.send(unlucky, GET);
    let request = host.request();
    host.send(other, GET);
    let another = host.request();
    host.engine.respond(request, ResponseHead::default(), Bytes::from_owner(Explosive)).unwrap();
    let error = (0..100).find_map(|_| host.turn().err()).expect("no turn has failed");
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert!(error.to_string().contains("released badly"), "{error}");
    host.respond(another, "still here");
    assert!(host.received(other).ends_with("still here"));
    host.assert_status(server, 1, 0);
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
