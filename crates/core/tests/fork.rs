//! A forked child touches nothing that it inherited.
//!
//! This file has one test, so that the process that forks has no other thread at work.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{os::fd::AsRawFd, time::Duration};

use bytes::Bytes;
use hostloop::{Address, Config, Engine, ErrorKind, Event, Events, Handle, Interest, ListeningSocket, ResponseHead};
use support::{GET, Host, SECOND, sockets::connect};

/// Runs this in a forked child and returns the number that it ended with.
fn in_child(act: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs on this thread alone and leaves by `_exit`, past every destructor of the parent's.
    unsafe {
        match libc::fork() {
            0 => {
                let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(99);
                libc::_exit(status)
            }
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
                assert!(libc::WIFEXITED(status));
                libc::WEXITSTATUS(status)
            }
        }
    }
}

/// Returns which of the verbs did not give `Forked`, counted from one, or zero.
fn verbs_that_pass(engine: &Engine, server: Handle, request: Handle) -> i32 {
    let remote = engine.remote();
    let results = [
        engine.turn(&mut Events::new()),
        engine.park(&mut Events::new(), None),
        engine.timer_start(SECOND, Duration::ZERO, 0).map(drop),
        engine.http_status(server).map(drop),
        engine.http_connect(server, 0).map(drop),
        engine.http_drain(server, None),
        engine.respond(request, ResponseHead::default(), Bytes::new()),
        engine.abort(request),
        engine.close(),
        remote.post(1),
    ];
    let passes = |result: &hostloop::Result<()>| !matches!(result, Err(error) if error.kind() == ErrorKind::Forked);
    results.iter().position(passes).map_or(0, |place| place as i32 + 1)
}

fn a_new_engine_fires_a_timer() -> i32 {
    let engine = Engine::new(Config::default()).unwrap();
    let mut events = Events::new();
    engine.timer_start(Duration::from_millis(1), Duration::ZERO, 5).unwrap();
    loop {
        engine.park(&mut events, None).unwrap();
        match events.drain().next() {
            Some(Event::Timer { token: 5, .. }) => return 0,
            Some(_) => return 1,
            None => {}
        }
    }
}

/// Drops something in a forked child alone, as at an interpreter's end.
fn drop_in_child<T>(inherited: &T) {
    let status = in_child(|| {
        // SAFETY: this copy is the child's alone: the parent's is in another process.
        drop(unsafe { std::ptr::read(inherited) });
        0
    });
    assert_eq!(status, 0, "what is inherited cannot be dropped");
}

fn a_listening_socket_keeps_its_file_until_the_parent_drops_it() {
    let path = std::env::temp_dir().join(format!("hostloop-fork-held-{}.sock", std::process::id()));
    let socket = ListeningSocket::bind(&Address::Unix(path.clone()), false).unwrap();
    drop_in_child(&socket);
    assert!(path.exists(), "the child has removed the parent's file");
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_child_s_engine_is_forked_and_the_parent_s_goes_on() {
    let mut host = Host::new();
    let server = host.server();
    let address = host.listen(server);
    let mut client = connect(address);
    std::io::Write::write_all(&mut client, GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    let path = std::env::temp_dir().join(format!("hostloop-fork-{}.sock", std::process::id()));
    host.engine.http_listen(server, &Address::Unix(path.clone()), false, 0).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: the pipe outlives the engine's watch.
    let watch = unsafe { host.engine.watch(reader.as_raw_fd(), Interest::READ, 9).unwrap() };

    assert_eq!(in_child(|| verbs_that_pass(&host.engine, server, request)), 0, "a verb passes in the child");
    assert_eq!(in_child(a_new_engine_fires_a_timer), 0, "a new engine works in the child");
    drop_in_child(&host.engine);
    a_listening_socket_keeps_its_file_until_the_parent_drops_it();

    assert!(path.exists(), "the child has removed the parent's socket");
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    host.turn().unwrap();
    assert!(
        host.events().iter().any(|event| matches!(event, Event::Ready { handle, .. } if *handle == watch)),
        "the child has ended the parent's watch"
    );
    host.engine.unwatch(watch).unwrap();
    host.respond(request, "still here");
    let answer = host.read_until(&mut client, |bytes| bytes.ends_with(b"still here"));
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let mut late = connect(address);
    std::io::Write::write_all(&mut late, GET.as_bytes()).unwrap();
    let request = host.wait_for_request();
    host.respond(request, "and here");
    host.read_until(&mut late, |bytes| bytes.ends_with(b"and here"));
}
