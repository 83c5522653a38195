//! Clients that break off, trickle, babble or never read: each costs a bounded amount, and the others are served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Write};

use hostloop::{Cause, Chunk, Handle};
use support::{GET, Host, SECOND, download::Download, post, sockets::connect, statuses};

impl Host {
    /// Reads what requests there are to their ends, as a handler that wants the whole body.
    fn read_requests(&mut self) {
        self.run();
        while let Some(request) = self.next_request() {
            while self.closed(request).is_none() {
                match self.read_at_last(request) {
                    Some(Chunk::Data(_)) => {}
                    _ => break,
                }
            }
        }
    }

    /// As `read`, of a request that may have ended.
    fn read_at_last(&mut self, request: Handle) -> Option<Chunk> {
        self.engine.request_read(request, 5).ok()?;
        self.run();
        self.chunk(request)
    }

    fn assert_serves(&mut self, client: Handle) {
        self.send(client, GET);
        let request = self.request();
        self.respond(request, "served");
        assert!(self.received(client).ends_with("served"));
        assert_eq!(self.closed(request), Some(Cause::Done));
    }
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\nX: y\r\n\r\n";

fn uploads() -> [String; 3] {
    [post("/", 10) + "helloworld", post("/whole", 10) + "helloworld", CHUNKED.into()]
}

#[test]
fn wherever_a_client_breaks_off_everything_is_released() {
    let mut host = Host::new();
    let server = host.server();
    let steady = host.client(server);
    for text in uploads() {
        for end in 0..=text.len() {
            let client = host.client(server);
            host.send(client, &text[..end]);
            // Half of the handlers have begun to read before the client leaves.
            if end % 2 == 0 {
                host.read_requests();
            }
            host.engine.client_close(client).unwrap();
            host.read_requests();
            host.assert_status(server, 1, 0);
        }
        host.assert_serves(steady);
    }
}

#[test]
fn wherever_a_client_with_a_socket_breaks_off_everything_is_released() {
    let mut host = Host::new();
    let server = host.server();
    let address = host.listen(server);
    let steady = host.client(server);
    for text in uploads() {
        for end in 0..=text.len() {
            let mut client = connect(address);
            client.write_all(&text.as_bytes()[..end]).unwrap();
            if end % 3 == 0 {
                host.read_requests();
            }
            drop(client);
            host.wait_for(|host| {
                host.read_requests();
                let status = host.engine.http_status(server).unwrap();
                (status.connections == 1 && status.requests == 0).then_some(())
            });
        }
        host.assert_serves(steady);
    }
}

#[test]
fn a_client_that_breaks_off_in_the_middle_of_a_response_is_let_go() {
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    let mut download = Download::start(&mut host, request, 32 * 1024 * 1024);
    download.pump(&mut host);
    drop(client);
    let cause = host.wait_for(|host| host.closed(request));
    assert_eq!(cause, Cause::Disconnected);
    host.assert_status(server, 0, 0);
}

#[test]
fn a_client_that_leaves_behind_bytes_that_nobody_reads_is_missed_at_once() {
    let mut host = Host::new();
    let server = host.server();
    for text in [GET.repeat(2), post("/", 10) + "half"] {
        let client = host.client(server);
        host.send(client, text);
        let request = host.request();
        host.engine.client_close(client).unwrap();
        host.run();
        assert_eq!(host.closed(request), Some(Cause::Disconnected));
        host.assert_status(server, 0, 0);
    }
}

#[test]
fn a_head_that_comes_a_byte_at_a_time_is_served_in_time_and_refused_after() {
    let mut host = Host::new();
    let server = host.server();
    let (slow, slower, steady) = (host.client(server), host.client(server), host.client(server));
    for byte in GET.as_bytes().chunks(1) {
        host.send(slow, byte);
        host.advance(SECOND / 2);
        if host.engine.client_send(slower, &byte[..1]).is_ok() {
            host.run();
        }
        host.advance(SECOND / 2);
    }
    assert_eq!(GET.len(), 27);
    let request = host.request();
    host.respond(request, "slow");
    assert!(host.received(slow).ends_with("slow"));
    let request = host.request();
    host.respond(request, "slower");
    assert!(host.received(slower).ends_with("slower"));

    let long = "GET / HTTP/1.1\r\nX: ".to_owned() + &"y".repeat(60);
    let bytes_taken = long.as_bytes().chunks(1).take_while(|byte| {
        host.advance(SECOND);
        host.engine.client_send(slow, byte).is_ok()
    });
    let seconds = bytes_taken.count();
    assert!((30..=33).contains(&seconds), "{seconds} seconds");
    assert_eq!(statuses(&host.received(slow)), [408]);
    host.assert_serves(steady);
}

/// Bytes without rhyme, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn ten_megabytes_of_noise_are_refused_and_cost_nothing() {
    let mut host = Host::new();
    let server = host.server();
    let steady = host.client(server);
    let letters: Vec<u8> = noise(10_000_000).into_iter().map(|byte| b'a' + byte % 26).collect();
    for (bytes, expected) in [(noise(10_000_000), 400), (letters, 414)] {
        let client = host.client(server);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Ok(taken) = host.engine.client_send(client, rest) else { break };
            rest = &rest[taken..];
            host.run();
        }
        assert!(rest.len() > 9_000_000, "most of it is never taken");
        assert_eq!(statuses(&host.received(client)), [expected]);
        host.assert_status(server, 1, 0);
        host.assert_serves(steady);
    }
}

#[test]
fn a_socket_that_sends_on_after_its_refusal_is_left_after_a_second() {
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    let noise = noise(100_000);
    let mut sent = 0;
    for _ in 0..200 {
        match client.write(&noise) {
            Ok(written) => sent += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        host.turn().unwrap();
    }
    assert!(sent >= 100_000);
    host.run();
    host.advance(SECOND + SECOND / 8);
    host.assert_status(server, 0, 0);
}

#[test]
fn a_client_that_never_reads_holds_a_bounded_amount_until_it_is_timed_out() {
    let mut host = Host::new();
    let server = host.server();
    let mut client = host.tcp(server);
    client.write_all(GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    let mut download = Download::start(&mut host, request, 100_000_000);
    for _ in 0..30 {
        download.pump(&mut host);
        host.advance(SECOND);
    }
    assert!(download.sent < 16_000_000, "{} bytes went to a client that never reads", download.sent);
    host.advance(SECOND * 4);
    assert_eq!(host.closed(request), Some(Cause::TimedOut));
    host.assert_status(server, 0, 0);
}

#[test]
fn a_client_in_pipelined_haste_does_not_starve_the_others() {
    let mut host = Host::with(|config| config.turn_events = 4);
    let server = host.server();
    let (hasty, steady) = (host.client(server), host.client(server));
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1800);
    assert_eq!(host.engine.client_send(hasty, nowhere.as_bytes()).unwrap(), nowhere.len());
    host.engine.client_send(steady, GET.as_bytes()).unwrap();
    host.turn().unwrap();
    host.turn().unwrap();
    let request = host.next_request().expect("the steady client waits for the hasty one");
    host.respond(request, "served");
    assert_eq!(statuses(&host.received(hasty)).len(), 1800);
}
