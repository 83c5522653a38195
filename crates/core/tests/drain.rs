//! How a server ends: new clients are turned away, what is under way finishes, and every wait is bounded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{io::Write, net::TcpStream, time::Duration};

use hostloop::{Cause, Chunk, Event, Handle};
use support::{GET, Host, SECOND, post, sockets::connect, statuses};

/// Beyond a deadline, and the sixteenth that it may be late.
fn past(deadline: Duration) -> Duration {
    deadline + deadline / 8
}

impl Host {
    fn drain(&mut self, server: Handle, timeout: Duration) {
        self.engine.http_drain(server, Some(timeout)).unwrap();
        self.run();
    }

    /// Sends a request from a new client and answers it.
    fn used_client(&mut self, server: Handle) -> Handle {
        let client = self.client(server);
        self.send(client, GET);
        let request = self.request();
        self.respond(request, "used");
        self.received(client);
        client
    }
}

#[test]
fn a_server_without_connections_ends_at_once() {
    let mut host = Host::new();
    let server = host.server();
    host.drain(server, SECOND * 30);
    assert_eq!(host.closed(server), Some(Cause::Done));
}

#[test]
fn a_connection_that_has_been_idle_is_closed_at_once() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.used_client(server);
    host.advance(SECOND * 2);
    host.drain(server, SECOND * 30);
    assert_eq!(host.closed(client), Some(Cause::Done));
    assert_eq!(host.closed(server), Some(Cause::Done));
}

#[test]
fn a_connection_that_was_just_used_is_closed_a_second_after_its_last_use() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.used_client(server);
    host.advance(SECOND / 2);
    host.drain(server, SECOND * 30);
    host.advance(SECOND * 4 / 10);
    assert_eq!(host.closed(client), None);
    host.advance(SECOND * 2 / 10);
    assert_eq!((host.closed(client), host.closed(server)), (Some(Cause::Done), Some(Cause::Done)));
}

#[test]
fn a_request_that_was_on_its_way_is_answered_with_connection_close() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.used_client(server);
    host.drain(server, SECOND * 30);
    host.send(client, GET);
    let request = host.request();
    host.advance(SECOND * 5);
    assert!(host.closed(server).is_none());
    host.respond(request, "the last");
    let answer = host.received(client);
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("the last"), "{answer}");
    assert_eq!((host.closed(client), host.closed(server)), (Some(Cause::Done), Some(Cause::Done)));
}

#[test]
fn what_is_under_way_finishes_with_connection_close() {
    let mut host = Host::new();
    let server = host.server();
    let [asked, uploading, streaming] = [(); 3].map(|()| host.client(server));
    host.send(asked, GET);
    let answering = host.request();
    host.send(uploading, post("/", 5));
    let reading = host.request();
    host.send(streaming, GET);
    let writing = host.request();
    host.engine.respond_streamed(writing, hostloop::ResponseHead::default()).unwrap();
    host.run();
    host.drain(server, SECOND * 30);
    host.advance(SECOND * 20);
    host.respond(answering, "answered");
    assert!(host.read(reading).is_none());
    host.send(uploading, "hello");
    assert!(matches!(host.chunk(reading), Some(Chunk::Data(_))));
    host.respond(reading, "uploaded");
    host.engine.write(writing, "streamed".into(), 9).unwrap();
    host.engine.finish(writing).unwrap();
    host.run();
    for (client, text) in [(asked, "answered"), (uploading, "uploaded"), (streaming, "streamed")] {
        let answer = host.received(client);
        assert!(statuses(&answer) == [200] && answer.contains(text), "{answer}");
    }
    host.advance(past(SECOND));
    assert_eq!(host.closed(server), Some(Cause::Done));
    assert!([answering, reading, writing].into_iter().all(|request| host.closed(request) == Some(Cause::Done)));
}

#[test]
fn at_the_deadline_what_is_not_answered_gets_a_503() {
    let mut host = Host::new();
    let server = host.server();
    let (asked, streaming) = (host.client(server), host.client(server));
    host.send(asked, GET);
    let unanswered = host.request();
    host.send(streaming, GET);
    let unfinished = host.request();
    host.engine.respond_streamed(unfinished, hostloop::ResponseHead::default()).unwrap();
    host.drain(server, SECOND * 16);
    host.advance(SECOND * 15);
    assert!(host.closed(unanswered).is_none());
    host.advance(past(SECOND));
    host.advance(SECOND);
    assert_eq!((host.closed(unanswered), host.closed(unfinished)), (Some(Cause::Drained), Some(Cause::Drained)));
    let answer = host.received(asked);
    assert!(statuses(&answer) == [503] && answer.contains("connection: close\r\n"), "{answer}");
    assert!(!host.received(streaming).ends_with("0\r\n\r\n"), "half a response is not taken for a whole one");
    host.advance(past(SECOND));
    assert_eq!(host.closed(server), Some(Cause::Done));
}

#[test]
fn the_server_s_own_timeout_holds_where_the_drain_gives_none() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.timeouts.drain = Some(SECOND * 5));
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.http_drain(server, None).unwrap();
    host.advance(past(SECOND * 5));
    assert_eq!(host.closed(request), Some(Cause::Drained));
}

#[test]
fn a_second_drain_only_brings_the_deadline_forward() {
    for (first, second) in [(SECOND * 10, SECOND * 1000), (SECOND * 1000, SECOND * 10)] {
        let mut host = Host::new();
        let server = host.server();
        let client = host.client(server);
        host.send(client, GET);
        let request = host.request();
        host.drain(server, first);
        host.drain(server, second);
        host.advance(SECOND * 9);
        assert!(host.closed(request).is_none());
        host.advance(past(SECOND * 2));
        assert_eq!(host.closed(request), Some(Cause::Drained), "{first:?} and {second:?}");
        host.advance(past(SECOND));
        assert_eq!(host.closed(server), Some(Cause::Done));
    }
}

#[test]
fn connections_that_never_spoke_do_not_hold_it_up() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.tcp(server);
    let silent = host.client(server);
    host.wait_for(|host| (host.engine.http_status(server).unwrap().connections == 2).then_some(()));
    host.drain(server, SECOND * 30);
    host.advance(past(SECOND));
    host.advance(past(SECOND));
    assert_eq!((host.closed(silent), host.closed(server)), (Some(Cause::Done), Some(Cause::Done)));
    drop(client);
}

#[test]
fn a_head_that_has_begun_may_end_and_no_other_begins() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, &GET[..10]);
    host.drain(server, SECOND * 30);
    host.advance(past(SECOND));
    host.send(client, GET[10..].to_owned() + GET);
    let request = host.request();
    host.respond(request, "served");
    assert!(host.next_request().is_none());
    assert_eq!(statuses(&host.received(client)), [200]);
    assert_eq!(host.closed(server), Some(Cause::Done));
}

#[test]
fn a_client_that_keeps_its_side_open_is_left_after_a_second() {
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    host.drain(server, SECOND * 30);
    host.respond(request, "bye");
    let answer = host.read_to_end(&mut client);
    assert!(answer.ends_with("bye"), "{answer}");
    host.run();
    assert!(host.closed(server).is_none(), "it waits for the client to have read");
    host.advance(past(SECOND));
    assert_eq!(host.closed(server), Some(Cause::Done));
}

#[test]
fn a_draining_server_refuses_new_connections_and_ends_its_listeners_first_and_itself_last() {
    let mut host = Host::new();
    let server = host.server();
    let address = host.listen(server);
    let mut client = connect(address);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    host.drain(server, SECOND * 30);
    assert!(host.engine.http_status(server).unwrap().is_draining);
    assert!(TcpStream::connect(address).is_err());
    host.respond(request, "bye");
    drop(client);
    host.advance(past(SECOND));
    let order: Vec<_> = host
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Closed { handle, .. } = event { Some(handle.kind().unwrap()) } else { None })
        .collect();
    assert_eq!(order, [hostloop::Kind::Listener, hostloop::Kind::Request, hostloop::Kind::Server]);
}

#[test]
fn other_servers_of_the_engine_go_on() {
    let mut host = Host::new();
    let (first, second) = (host.server(), host.server());
    let client = host.client(second);
    host.drain(first, Duration::ZERO);
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "here");
    let answer = host.received(client);
    assert!(answer.ends_with("here") && !answer.contains("connection: close"), "{answer}");
}
