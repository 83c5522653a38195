//! Other threads reach an engine through its remote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{os::fd::RawFd, thread};

use hostloop::{ErrorKind, Event};
use support::{
    Host, kind,
    sockets::{AT_LAST, is_readable, wait_readable},
};

fn posted(host: &mut Host) -> Vec<u64> {
    host.events().into_iter().filter_map(|event| if let Event::Posted { token } = event { Some(token) } else { None }).collect()
}

#[test]
fn posts_of_every_thread_arrive_once_and_in_that_thread_s_order() {
    const POSTS: u64 = 5000;
    let mut host = Host::new();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let remote = host.engine.remote();
            thread::spawn(move || (0..POSTS).for_each(|post| remote.post(thread << 32 | post).unwrap()))
        })
        .collect();
    let mut arrived = [0; 4];
    while arrived.iter().sum::<u64>() < 4 * POSTS {
        assert!(wait_readable(&[host.engine.fd()], AT_LAST), "a post woke nobody");
        host.turn().unwrap();
        for token in posted(&mut host) {
            let thread = (token >> 32) as usize;
            assert_eq!(token as u32 as u64, arrived[thread], "out of order");
            arrived[thread] += 1;
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    host.run();
    assert!(posted(&mut host).is_empty());
}

/// Takes the descriptor's readiness away without a turn, so that another wake-up shows as a new one.
fn watch_edges(fd: RawFd) -> std::os::fd::OwnedFd {
    use rustix::event::epoll;
    let edges = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    // SAFETY: the engine outlives this.
    let engine = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    epoll::add(&edges, engine, epoll::EventData::new_u64(0), epoll::EventFlags::IN | epoll::EventFlags::ET).unwrap();
    edges
}

fn has_edge(edges: &std::os::fd::OwnedFd) -> bool {
    use rustix::event::epoll;
    let mut events = Vec::with_capacity(1);
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    epoll::wait(edges, rustix::buffer::spare_capacity(&mut events), Some(&now)).unwrap() > 0
}

#[test]
fn posts_wake_the_descriptor_once_until_they_are_taken() {
    let mut host = Host::new();
    let remote = host.engine.remote();
    assert!(!is_readable(host.engine.fd()));
    let edges = watch_edges(host.engine.fd());
    for round in 0..3 {
        thread::scope(|scope| scope.spawn(|| remote.post(1)).join().unwrap()).unwrap();
        assert!(is_readable(host.engine.fd()));
        assert!(has_edge(&edges), "round {round}: the first post wakes");
        (2..100).for_each(|token| remote.post(token).unwrap());
        assert!(!has_edge(&edges), "round {round}: those behind it do not");
        host.turn().unwrap();
        assert_eq!(posted(&mut host), (1..100).collect::<Vec<_>>());
        assert!(!is_readable(host.engine.fd()));
    }
}

#[test]
fn a_full_inbox_refuses_and_takes_again_after_a_turn() {
    let mut host = Host::with(|config| config.inbox_capacity = 3);
    let remote = host.engine.remote();
    (1..=3).for_each(|token| remote.post(token).unwrap());
    assert_eq!(kind(remote.post(4)), ErrorKind::Full);
    host.run();
    remote.post(5).unwrap();
    host.run();
    assert_eq!(posted(&mut host), [1, 2, 3, 5]);
}

#[test]
fn a_post_wakes_an_engine_that_is_parked() {
    let host = Host::new();
    let remote = host.engine.remote();
    let (parked, wait) = std::sync::mpsc::channel();
    let poster = thread::spawn(move || {
        wait.recv().unwrap();
        remote.post(7).unwrap();
    });
    let mut events = hostloop::Events::new();
    parked.send(()).unwrap();
    host.engine.park(&mut events, Some(AT_LAST)).unwrap();
    assert!(matches!(events.drain().next(), Some(Event::Posted { token: 7 })));
    poster.join().unwrap();
}

#[test]
fn a_remote_outlives_its_engine_and_posts_to_a_closed_one_arrive_nowhere() {
    let mut host = Host::new();
    let remote = host.engine.remote();
    host.close();
    remote.post(1).unwrap();
    assert!(posted(&mut host).is_empty());
    drop(host);
    remote.post(2).unwrap();
}
