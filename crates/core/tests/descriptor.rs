//! The engine's one descriptor: readable when there is something to do, and only then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    io::Write,
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

use hostloop::{Clock, Event};
use rustix::event::epoll;
use support::{
    GET, Host, SECOND,
    sockets::{AT_LAST, connect, is_readable, wait_readable},
};

impl Host {
    /// An engine on the machine's clock.
    fn real() -> Self {
        Self::with(|config| config.clock = Clock::Monotonic)
    }

    fn shows_work(&self) -> bool {
        is_readable(self.engine.fd())
    }
}

#[test]
fn a_new_engine_and_an_idle_server_show_no_work() {
    let mut host = Host::real();
    assert!(!host.shows_work());
    let server = host.server();
    let address = host.listen(server);
    let _client = connect(address);
    host.wait_for(|host| (host.engine.http_status(server).unwrap().connections == 1).then_some(()));
    host.client(server);
    host.run();
    for _ in 0..10 {
        host.turn().unwrap();
        assert!(!host.shows_work() && !host.engine.needs_turn());
    }
}

#[test]
fn the_descriptor_becomes_readable_when_a_timer_is_due_and_not_before() {
    let mut host = Host::real();
    let start = std::time::Instant::now();
    host.engine.timer_start(Duration::from_millis(40), Duration::ZERO, 1).unwrap();
    host.engine.timer_start(SECOND * 3600, Duration::ZERO, 2).unwrap();
    host.run();
    assert!(host.events().is_empty());
    let mut wakes = 0;
    while host.events().is_empty() {
        assert!(wait_readable(&[host.engine.fd()], AT_LAST), "the timer never shows");
        host.turn().unwrap();
        wakes += 1;
        if start.elapsed() < Duration::from_millis(40) {
            assert!(host.events().is_empty(), "it fired early");
        } else {
            break;
        }
    }
    assert!(wakes <= 4, "{wakes} wake-ups for one timer");
    host.run();
    assert!(!host.shows_work());
}

#[test]
fn the_descriptor_becomes_readable_when_a_socket_does() {
    let mut host = Host::real();
    let server = host.server();
    let mut client = host.tcp(server);
    assert!(wait_readable(&[host.engine.fd()], AT_LAST), "a client to accept");
    host.run();
    assert!(!host.shows_work());
    client.write_all(GET.as_bytes()).unwrap();
    assert!(wait_readable(&[host.engine.fd()], AT_LAST), "bytes to read");
    let request = host.wait_for_request();
    assert!(!host.shows_work());
    host.respond(request, "done");
    drop(client);
    assert!(wait_readable(&[host.engine.fd()], AT_LAST), "a client that left");
    host.run();
    host.assert_status(server, 0, 0);
}

#[test]
fn the_descriptor_stays_readable_while_the_budget_leaves_work() {
    let mut host = Host::with(|config| config.turn_events = 1);
    let server = host.server();
    for _ in 0..5 {
        let client = host.client(server);
        host.engine.client_send(client, GET.as_bytes()).unwrap();
    }
    let mut requests = 0;
    for _ in 0..5 {
        host.turn().unwrap();
        requests += host.events().iter().filter(|event| matches!(event, Event::Request { .. })).count();
        if requests < 5 {
            assert!(host.shows_work(), "{requests} requests are told, and the others forgotten");
        }
    }
    assert_eq!(requests, 5);
}

#[test]
fn work_of_verbs_is_told_by_needs_turn() {
    let mut host = Host::new();
    assert!(!host.engine.needs_turn());
    let timer = host.engine.timer_start(SECOND, Duration::ZERO, 1).unwrap();
    host.engine.timer_cancel(timer).unwrap();
    assert!(host.engine.needs_turn());
    host.turn().unwrap();
    assert!(!host.engine.needs_turn());
    let server = host.server();
    host.client(server);
    assert!(host.engine.needs_turn());
}

#[test]
fn the_descriptor_wakes_another_epoll_that_it_is_nested_in() {
    let mut host = Host::real();
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    // SAFETY: the engine outlives this.
    let engine = unsafe { BorrowedFd::borrow_raw(host.engine.fd()) };
    epoll::add(&outer, engine, epoll::EventData::new_u64(0), epoll::EventFlags::IN).unwrap();
    assert!(!is_readable(outer.as_raw_fd()));

    host.engine.remote().post(1).unwrap();
    assert!(wait_readable(&[outer.as_raw_fd()], AT_LAST), "a post");
    host.run();
    assert!(!is_readable(outer.as_raw_fd()));

    host.engine.timer_start(Duration::from_millis(1), Duration::ZERO, 2).unwrap();
    assert!(wait_readable(&[outer.as_raw_fd()], AT_LAST), "a timer");
    host.wait_for(|host| host.find(|event| matches!(event, Event::Timer { .. }).then_some(())));
    assert!(!is_readable(outer.as_raw_fd()));

    let server = host.server();
    let _client = host.tcp(server);
    assert!(wait_readable(&[outer.as_raw_fd()], AT_LAST), "a socket");
}
