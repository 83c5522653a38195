//! The promises of the crate's first page, as a host notices them. Those about endings, bounds, other threads and forks have files
//! of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use hostloop::{Cause, ErrorKind, Event, Events, Handle, Interest, ResponseHead};
use support::{GET, Host, kind, post};

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

thread_local! {
    /// The host of the lent buffer below, and what a verb said that its drop called.
    static LENDER: RefCell<(Option<Rc<Host>>, Option<usize>)> = const { RefCell::new((None, None)) };
}

/// A buffer whose drop calls verbs: the one piece of host code that a turn runs.
struct Lent(Vec<u8>, Handle);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        LENDER.with_borrow_mut(|(host, requests)| {
            let Some(host) = host else { return };
            host.engine.timer_start(Duration::ZERO, Duration::ZERO, 77).unwrap();
            *requests = Some(host.engine.http_status(self.1).unwrap().requests);
        });
    }
}

#[test]
fn a_turn_runs_no_host_code_but_the_drop_of_a_lent_buffer_which_may_call_verbs() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    let body = Bytes::from_owner(Lent(b"lent".to_vec(), server));
    host.engine.respond(request, ResponseHead::default(), body).unwrap();
    let host = Rc::new(host);
    LENDER.set((Some(Rc::clone(&host)), None));
    let mut events = Events::new();
    host.engine.turn(&mut events).unwrap();
    assert_eq!(LENDER.take().1, Some(0), "the buffer was not given back in the turn");
    let host = Rc::into_inner(host).unwrap();
    let mut events: Vec<_> = events.drain().collect();
    let mut later = Events::new();
    host.engine.turn(&mut later).unwrap();
    events.extend(later.drain());
    assert!(events.iter().any(|event| matches!(event, Event::Received { bytes, .. } if bytes.ends_with(b"lent"))));
    assert!(events.iter().any(|event| matches!(event, Event::Timer { token: 77, .. })), "the verb did nothing");
}
