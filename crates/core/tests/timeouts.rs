//! Each timeout of a server, with a clock that the test moves.
//!
//! Deadlines may be late by a sixteenth, so that those of many connections share wake-ups: `past` is beyond that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{io::Write, time::Duration};

use hostloop::{Cause, Chunk, Handle, Timeouts};
use support::{GET, Host, SECOND, download::Download, post, statuses};

const TIMEOUT: Duration = Duration::from_secs(16);

/// A server on which everything but one timeout is switched off.
fn server_with(host: &mut Host, set: impl FnOnce(&mut Timeouts)) -> Handle {
    host.server_with(|options| {
        let timeouts = &mut options.timeouts;
        (timeouts.header, timeouts.body, timeouts.handler) = (None, None, None);
        (timeouts.write, timeouts.keep_alive, timeouts.drain) = (None, None, None);
        set(timeouts);
    })
}

/// Comes to just before the timeout.
fn just_before(host: &mut Host) {
    host.advance(TIMEOUT - Duration::from_millis(1));
}

/// From just before the timeout to just past the latest that it may be.
fn past(host: &mut Host) {
    host.advance(SECOND + Duration::from_millis(2));
}

#[test]
fn a_head_that_takes_too_long_gets_a_408_and_is_closed() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.header = Some(TIMEOUT));
    let client = host.client(server);
    host.advance(TIMEOUT * 10);
    host.send(client, "GET / HT");
    just_before(&mut host);
    host.assert_status(server, 1, 0);
    assert_eq!(host.received(client), "");
    past(&mut host);
    let answer = host.received(client);
    assert_eq!(statuses(&answer), [408], "{answer}");
    assert!(answer.contains("connection: close\r\n"));
    assert_eq!(host.closed(client), Some(Cause::Done));
    host.assert_status(server, 0, 0);
}

#[test]
fn a_head_is_timed_from_its_first_byte_to_its_last_and_bytes_earn_nothing() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.header = Some(TIMEOUT));
    let client = host.client(server);
    for byte in GET.as_bytes().chunks(1).take(16) {
        host.send(client, byte);
        host.advance(SECOND);
    }
    host.advance(SECOND * 2);
    assert_eq!(statuses(&host.received(client)), [408]);

    let client = host.client(server);
    host.send(client, &GET[..10]);
    just_before(&mut host);
    host.send(client, &GET[10..]);
    past(&mut host);
    let request = host.request();
    host.respond(request, "in time");
    assert!(host.received(client).ends_with("in time"));
}

#[test]
fn a_body_that_does_not_come_gets_a_408_and_its_request_is_timed_out() {
    for path in ["/", "/whole"] {
        let mut host = Host::new();
        let server = server_with(&mut host, |timeouts| timeouts.body = Some(TIMEOUT));
        let client = host.client(server);
        host.send(client, post(path, 100));
        let request = host.next_request();
        if let Some(request) = request {
            host.engine.request_read(request, 1).unwrap();
        }
        host.run();
        just_before(&mut host);
        assert_eq!(host.received(client), "");
        past(&mut host);
        assert_eq!(statuses(&host.received(client)), [408], "{path}");
        if let Some(request) = request {
            assert!(matches!(host.chunk(request), Some(Chunk::Aborted)));
            assert_eq!(host.closed(request), Some(Cause::TimedOut));
        }
        host.assert_status(server, 0, 0);
    }
}

/// Sends so many bytes of a body each second, all of which are read, and returns for how many seconds that went well.
fn send_at_rate(host: &mut Host, bytes_a_second: usize, seconds: usize) -> usize {
    let server = server_with(host, |timeouts| timeouts.body = Some(TIMEOUT));
    let client = host.client(server);
    host.send(client, post("/", bytes_a_second * seconds));
    let request = host.request();
    for second in 0..seconds {
        let _ = host.read(request);
        host.advance(SECOND);
        if host.engine.client_send(client, &vec![b'x'; bytes_a_second]).is_err() || host.closed(request).is_some() {
            return second;
        }
        host.run();
        let Some(Chunk::Data(bytes)) = host.chunk(request) else { return second };
        assert_eq!(bytes.len(), bytes_a_second);
    }
    seconds
}

#[test]
fn a_steady_sender_is_never_cut_off_and_a_trickle_is() {
    assert_eq!(send_at_rate(&mut Host::new(), 250, 1000), 1000);
    let seconds = send_at_rate(&mut Host::new(), 10, 1000);
    assert!((16..=18).contains(&seconds), "{seconds} seconds");
}

#[test]
fn a_body_that_nobody_asks_for_is_not_timed() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.body = Some(TIMEOUT));
    let client = host.client(server);
    host.send(client, post("/", 5));
    let request = host.request();
    host.advance(TIMEOUT * 10);
    host.send(client, "hello");
    assert!(matches!(host.read(request), Some(Chunk::Data(bytes)) if bytes == "hello"));
}

#[test]
fn a_handler_that_does_not_answer_is_cancelled_and_its_client_gets_a_503() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.handler = Some(TIMEOUT));
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    just_before(&mut host);
    assert!(host.closed(request).is_none());
    past(&mut host);
    assert_eq!(host.closed(request), Some(Cause::TimedOut));
    assert_eq!(statuses(&host.received(client)), [503]);
    host.assert_status(server, 1, 0);
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "the connection lives on");
    assert_eq!(statuses(&host.received(client)), [200]);
}

#[test]
fn a_handler_s_time_ends_when_its_response_starts() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.handler = Some(TIMEOUT));
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.respond_streamed(request, hostloop::ResponseHead::default()).unwrap();
    host.run();
    host.advance(TIMEOUT * 10);
    host.engine.finish(request).unwrap();
    host.run();
    assert_eq!(host.closed(request), Some(Cause::Done));
}

#[test]
fn a_handler_s_time_does_not_run_while_it_waits_for_the_body() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.handler = Some(TIMEOUT));
    let client = host.client(server);
    host.send(client, post("/", 10));
    let request = host.request();
    for (wait, bytes) in [(SECOND * 15, "hello"), (SECOND * 100, "world")] {
        assert!(host.read(request).is_none());
        host.advance(wait);
        assert!(host.closed(request).is_none());
        host.send(client, bytes);
        assert!(matches!(host.chunk(request), Some(Chunk::Data(_))));
        host.advance(SECOND * 7);
        assert!(host.closed(request).is_none(), "it has worked for 7 s since the last bytes, and less than 16 s in all");
    }
    host.advance(SECOND * 4);
    assert_eq!(host.closed(request), Some(Cause::TimedOut), "it has worked for 18 s");
    assert_eq!(statuses(&host.received(client)), [503]);
}

#[test]
fn a_client_that_takes_nothing_is_closed() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.write = Some(TIMEOUT));
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    let mut download = Download::start(&mut host, request, 32 * 1024 * 1024);
    download.pump(&mut host);
    just_before(&mut host);
    assert!(host.closed(request).is_none());
    past(&mut host);
    assert_eq!(host.closed(request), Some(Cause::TimedOut));
    host.assert_status(server, 0, 0);
    let answer = host.read_to_end(&mut client);
    assert!(!answer.ends_with("0\r\n\r\n"), "it is not taken for whole");
}

#[test]
fn an_idle_connection_is_closed_whether_or_not_it_was_ever_used() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.keep_alive = Some(TIMEOUT));
    let (used, unused) = (host.client(server), host.client(server));
    host.send(used, GET);
    let request = host.request();
    host.advance(TIMEOUT / 2);
    host.respond(request, "late");
    just_before(&mut host);
    assert_eq!((host.closed(used), host.closed(unused)), (None, Some(Cause::Done)));
    host.assert_status(server, 1, 0);
    past(&mut host);
    assert_eq!(host.closed(used), Some(Cause::Done));
    assert_eq!(statuses(&host.received(used)), [200], "closed without another word");
    host.assert_status(server, 0, 0);
}

#[test]
fn an_answer_of_the_engine_s_own_counts_as_a_use_of_the_connection() {
    let mut host = Host::new();
    let server = server_with(&mut host, |timeouts| timeouts.keep_alive = Some(TIMEOUT));
    let client = host.client(server);
    for _ in 0..5 {
        host.advance(TIMEOUT * 3 / 4);
        host.send(client, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(statuses(&host.received(client)), [404]);
    }
    just_before(&mut host);
    assert_eq!(host.closed(client), None);
    past(&mut host);
    assert_eq!(host.closed(client), Some(Cause::Done));
}

#[test]
fn without_timeouts_everything_waits_without_end() {
    let day = SECOND * 86_400;
    let mut host = Host::new();
    let server = server_with(&mut host, |_| {});
    let [idle, head, body, handler] = [(); 4].map(|()| host.client(server));
    host.send(head, &GET[..10]);
    host.send(body, post("/", 5));
    let reading = host.request();
    assert!(host.read(reading).is_none());
    host.send(handler, GET);
    let request = host.request();
    host.advance(day);
    host.engine.http_drain(server, None).unwrap();
    host.advance(day);
    host.assert_status(server, 3, 2);
    host.send(head, &GET[10..]);
    host.send(body, "hello");
    assert!(matches!(host.chunk(reading), Some(Chunk::Data(_))));
    let last = host.request();
    [reading, request, last].into_iter().for_each(|request| host.respond(request, "at last"));
    for client in [head, body, handler] {
        assert!(host.received(client).ends_with("at last"));
    }
    assert_eq!((host.closed(idle), host.closed(server)), (Some(Cause::Done), Some(Cause::Done)));
}

#[test]
fn timeouts_that_are_changed_hold_for_connections_that_are_open() {
    let mut host = Host::new();
    let server = server_with(&mut host, |_| {});
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.respond(request, "hello");
    host.advance(TIMEOUT * 10);
    host.assert_status(server, 1, 0);
    let mut timeouts = Timeouts::default();
    timeouts.keep_alive = Some(TIMEOUT * 11);
    host.engine.http_timeouts(server, timeouts).unwrap();
    host.run();
    host.assert_status(server, 1, 0);
    host.advance(TIMEOUT * 2);
    assert_eq!(host.closed(client), Some(Cause::Done));
}
