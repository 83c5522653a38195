//! Descriptors of the host's that the engine watches: level-triggered, and silent when disarmed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{PipeReader, Read, Write, pipe},
    os::fd::{AsRawFd, FromRawFd, IntoRawFd},
};

use hostloop::{Event, Handle, Interest};
use support::{Host, kind, sockets::is_readable};

impl Host {
    fn watch(&self, reader: &PipeReader, interest: Interest) -> Handle {
        // SAFETY: every test keeps its pipe until the engine is gone, or unwatches it.
        unsafe { self.engine.watch(reader.as_raw_fd(), interest, 7).unwrap() }
    }

    /// Takes one turn and returns which watches were ready, for what.
    fn ready(&mut self) -> Vec<(Handle, Interest)> {
        self.turn().unwrap();
        let ready = |event| if let Event::Ready { handle, ready, .. } = event { Some((handle, ready)) } else { None };
        self.events().into_iter().filter_map(ready).collect()
    }

    fn shows_work(&self) -> bool {
        is_readable(self.engine.fd())
    }
}

#[test]
fn a_watched_descriptor_is_reported_every_turn_for_as_long_as_it_is_ready() {
    let mut host = Host::new();
    let (mut reader, mut writer) = pipe().unwrap();
    let watch = host.watch(&reader, Interest::READ);
    assert_eq!(host.ready(), []);
    writer.write_all(b"x").unwrap();
    for _ in 0..3 {
        assert!(host.shows_work());
        assert_eq!(host.ready(), [(watch, Interest::READ)]);
    }
    reader.read_exact(&mut [0]).unwrap();
    assert!(!host.shows_work());
    assert_eq!(host.ready(), []);
}

#[test]
fn a_disarmed_watch_is_silent_until_it_is_armed_again() {
    let mut host = Host::new();
    let (reader, mut writer) = pipe().unwrap();
    let watch = host.watch(&reader, Interest::READ);
    writer.write_all(b"x").unwrap();
    host.engine.rewatch(watch, Interest::NONE).unwrap();
    assert!(!host.shows_work());
    assert_eq!(host.ready(), []);
    host.engine.rewatch(watch, Interest::READ).unwrap();
    assert!(host.shows_work());
    assert_eq!(host.ready(), [(watch, Interest::READ)]);
}

#[test]
fn a_disarmed_watch_is_silent_even_when_its_peer_goes() {
    let mut host = Host::new();
    let (reader, writer) = pipe().unwrap();
    let watch = host.watch(&reader, Interest::NONE);
    drop(writer);
    for _ in 0..3 {
        assert_eq!(host.ready(), []);
    }
    assert!(!host.shows_work(), "the host's loop spins on what it did not ask for");
    host.engine.rewatch(watch, Interest::READ).unwrap();
    assert_eq!(host.ready(), [(watch, Interest::READ)], "the end is something to read");
    host.engine.rewatch(watch, Interest::NONE).unwrap();
    assert_eq!((host.ready(), host.ready()), (vec![], vec![]));
    assert!(!host.shows_work());
}

#[test]
fn each_direction_is_reported_by_itself() {
    let mut host = Host::new();
    let (socket, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
    // SAFETY: the socket outlives the engine's watch.
    let watch = unsafe { host.engine.watch(socket.as_raw_fd(), Interest::READ, 7).unwrap() };
    assert_eq!(host.ready(), []);
    host.engine.rewatch(watch, Interest::WRITE).unwrap();
    peer.write_all(b"x").unwrap();
    assert_eq!(host.ready(), [(watch, Interest::WRITE)]);
    host.engine.rewatch(watch, Interest::BOTH).unwrap();
    assert_eq!(host.ready(), [(watch, Interest::BOTH)]);
    host.engine.unwatch(watch).unwrap();
}

#[test]
fn after_unwatch_nothing_but_closed_is_reported() {
    let mut host = Host::new();
    let (reader, mut writer) = pipe().unwrap();
    let watch = host.watch(&reader, Interest::READ);
    writer.write_all(b"x").unwrap();
    host.engine.unwatch(watch).unwrap();
    assert!(!host.shows_work());
    host.run();
    assert!(matches!(host.events()[..], [Event::Closed { handle, token: 7, .. }] if handle == watch));
}

#[test]
fn a_report_of_a_closed_descriptor_never_reaches_its_successor() {
    let mut host = Host::new();
    let (reader, mut writer) = pipe().unwrap();
    let old = host.watch(&reader, Interest::READ);
    // The old pipe lives on under another number, and goes on being readable.
    let twin = reader.try_clone().unwrap();
    writer.write_all(b"x").unwrap();
    host.engine.unwatch(old).unwrap();
    let (successor, mut successor_writer) = pipe().unwrap();
    let number = reader.into_raw_fd();
    // SAFETY: this test owns the number; dup2 closes what it names and gives it to the successor.
    let successor = unsafe {
        assert_eq!(libc::dup2(successor.as_raw_fd(), number), number);
        PipeReader::from_raw_fd(number)
    };
    let new = host.watch(&successor, Interest::READ);
    assert_ne!(old, new);
    assert_eq!(host.ready(), [], "the successor is empty");
    successor_writer.write_all(b"y").unwrap();
    assert_eq!(host.ready(), [(new, Interest::READ)]);
    host.engine.unwatch(new).unwrap();
    drop(twin);
}

#[test]
fn what_cannot_be_watched_is_refused_by_name() {
    let host = Host::new();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    // SAFETY: the file is open throughout.
    let error = unsafe { host.engine.watch(file.as_raw_fd(), Interest::READ, 1) }.unwrap_err();
    assert!(error.to_string().contains(&format!("descriptor {} cannot be watched", file.as_raw_fd())), "{error}");
    let (reader, _writer) = pipe().unwrap();
    let watch = host.watch(&reader, Interest::READ);
    // SAFETY: the pipe is open throughout.
    assert_eq!(kind(unsafe { host.engine.watch(reader.as_raw_fd(), Interest::READ, 2) }), hostloop::ErrorKind::Io);
    host.engine.unwatch(watch).unwrap();
}
