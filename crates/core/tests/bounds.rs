//! Every queue has an end: a full one stops reading, accepting or writing, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::net::TcpStream;

use bytes::Bytes;
use hostloop::{Chunk, ErrorKind, Event, Handle, ResponseHead};
use support::{
    GET, Host, kind, post,
    sockets::{connect, read_all},
    statuses,
};

/// Sends until the server takes no more, and returns how many bytes that was.
fn push(host: &mut Host, client: Handle, most: usize) -> usize {
    let piece = vec![b'x'; 16 * 1024];
    let mut sent = 0;
    while sent < most {
        match host.engine.client_send(client, &piece[..piece.len().min(most - sent)]).unwrap() {
            0 => break,
            taken => sent += taken,
        }
        host.run();
    }
    sent
}

#[test]
fn a_client_cannot_push_a_body_that_nobody_reads() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/", 10_000_000));
    let request = host.request();
    let pushed = push(&mut host, client, 10_000_000);
    assert!(pushed < 256 * 1024, "{pushed} bytes were taken that nobody asked for");

    let mut read = 0;
    let mut sent = pushed;
    while let Some(Chunk::Data(bytes)) = host.read(request) {
        read += bytes.len();
        sent += push(&mut host, client, 10_000_000 - sent);
    }
    assert_eq!((sent, read), (10_000_000, 10_000_000));
}

#[test]
fn a_client_whose_bytes_did_not_fit_is_told_once_that_there_is_room() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, post("/", 10_000_000));
    let request = host.request();
    let writable = |host: &mut Host| {
        host.run();
        let is_of_client = |event: &Event| matches!(event, Event::Writable { handle, .. } if *handle == client).then_some(());
        std::iter::from_fn(|| host.find(is_of_client)).count()
    };
    assert_eq!(writable(&mut host), 0, "everything has fitted");
    let piece = vec![b'x'; 1_000_000];
    // The server reads some of it ahead, which makes room once.
    let mut sent = host.engine.client_send(client, &piece).unwrap();
    assert!(0 < sent && sent < piece.len());
    while writable(&mut host) == 1 {
        sent += host.engine.client_send(client, &piece).unwrap();
    }
    assert!(sent < piece.len(), "{sent} bytes were taken that nobody asked for");
    while sent < piece.len() {
        let Some(Chunk::Data(_)) = host.read(request) else { panic!("the body goes on") };
        assert!(writable(&mut host) <= 1);
        sent += host.engine.client_send(client, &piece[sent..]).unwrap();
    }
    while host.engine.client_send(client, &piece).unwrap() > 0 {
        host.run();
    }
    host.engine.abort(request).unwrap();
    assert_eq!(writable(&mut host), 0, "nobody reads what would be sent");
    assert!(host.closed(client).is_some());
}

#[test]
fn a_client_that_is_paused_is_told_of_nothing_until_it_goes_on() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    host.send(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let request = host.request();
    host.engine.client_pause(client, true).unwrap();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    let mut written = 0;
    while host.engine.write(request, Bytes::from(vec![b'x'; 10_000]), 10).is_ok() {
        written += 10_000;
        host.run();
    }
    assert!(written < 1_000_000, "{written} bytes were taken that nobody receives");
    assert_eq!((host.received(client).len(), host.closed(client)), (0, None));
    host.engine.client_pause(client, false).unwrap();
    assert!(host.engine.needs_turn(), "there is something to report");
    host.run();
    host.engine.finish(request).unwrap();
    assert_eq!(host.received(client).matches('x').count(), written);
    assert!(host.closed(client).is_some());
}

#[test]
fn a_client_cannot_push_requests_behind_one_that_is_not_answered() {
    let mut host = Host::new();
    let server = host.server();
    let client = host.client(server);
    let many = GET.repeat(1_000_000 / GET.len());
    let (mut sent, mut all) = (0, many.as_bytes());
    loop {
        let taken = host.engine.client_send(client, all).unwrap();
        host.run();
        if taken == 0 {
            break;
        }
        all = &all[taken..];
        sent += taken;
    }
    assert!(sent < 1_000_000 / 2, "{sent} bytes were taken");
    assert!(host.next_request().is_some() && host.next_request().is_none(), "one at a time");
    host.assert_status(server, 1, 1);
}

#[test]
fn a_write_beyond_the_stream_s_limit_is_refused_and_fits_once_there_is_room() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.stream_bytes = 1000);
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    let write = |host: &Host, length: usize| host.engine.write(request, Bytes::from(vec![b'x'; length]), 10);
    write(&host, 600).unwrap();
    write(&host, 400).unwrap();
    assert_eq!(kind(write(&host, 1)), ErrorKind::Full);
    host.run();
    write(&host, 5000).expect("one piece may be longer than the limit: it could never be written otherwise");
    assert_eq!(kind(write(&host, 1)), ErrorKind::Full);
    host.run();
    host.engine.finish(request).unwrap();
    assert_eq!(host.received(client).matches('x').count(), 6000);
}

#[test]
fn empty_pieces_are_bounded_too() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.stream_bytes = 1000);
    let client = host.client(server);
    host.send(client, GET);
    let request = host.request();
    host.engine.respond_streamed(request, ResponseHead::default()).unwrap();
    let accepted = (0..1000).take_while(|&token| host.engine.write(request, Bytes::new(), token).is_ok()).count();
    assert!(accepted < 100, "{accepted} empty pieces wait");
}

/// Connects so many clients that each send a request, and runs.
fn connect_many(host: &mut Host, address: std::net::SocketAddr, count: usize) -> Vec<TcpStream> {
    use std::io::Write;
    let clients: Vec<_> = (0..count).map(|_| connect(address)).collect();
    clients.iter().for_each(|mut client| client.write_all(GET.as_bytes()).unwrap());
    host.run();
    clients
}

#[test]
fn accepting_stops_at_the_limit_and_resumes_when_a_connection_ends() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.connections = 2);
    let address = host.listen(server);
    let mut clients = connect_many(&mut host, address, 5);
    let first = host.wait_for_request();
    let second = host.wait_for_request();
    host.run();
    host.assert_status(server, 2, 2);

    host.respond(first, "first");
    host.run();
    assert!(host.next_request().is_none(), "an answered connection is still open");
    let answered = clients.iter_mut().position(|client| {
        let mut bytes = Vec::new();
        read_all(client, &mut bytes);
        !bytes.is_empty()
    });
    drop(clients.remove(answered.unwrap()));
    let third = host.wait_for_request();
    host.assert_status(server, 2, 2);

    host.engine.abort(second).unwrap();
    host.engine.abort(third).unwrap();
    host.wait_for_request();
    host.wait_for_request();
    host.run();
    host.assert_status(server, 2, 2);
}

#[test]
fn requests_beyond_the_limit_get_a_503_and_the_others_are_served() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.requests = 1);
    let (first, second) = (host.client(server), host.client(server));
    host.send(first, GET);
    host.send(second, GET);
    let answer = host.received(second);
    assert_eq!(statuses(&answer), [503]);
    assert!(answer.contains("retry-after: 1\r\n"));
    let request = host.request();
    host.respond(request, "served");
    host.send(second, GET);
    let request = host.request();
    host.respond(request, "served too");
    assert!(host.received(first).ends_with("served") && host.received(second).ends_with("served too"));
}

#[test]
fn bodies_and_heads_beyond_their_limits_are_refused() {
    let mut host = Host::new();
    let server = host.server_with(|options| {
        options.limits.body_bytes = 10;
        options.limits.header_count = 4;
    });
    let many = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned() + &"X: y\r\n".repeat(4) + "\r\n";
    let chunked = "POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n";
    for (text, status) in [(post("/whole", 11), 413), (post("/", 11), 413), (chunked.into(), 413), (many, 431)] {
        let client = host.client(server);
        host.send(client, &text);
        assert_eq!(statuses(&host.received(client)), [status], "{text}");
    }
    assert!(host.next_request().is_none());
}

#[test]
fn a_request_counts_while_its_body_is_gathered() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.requests = 1);
    let (first, second) = (host.client(server), host.client(server));
    host.send(first, post("/whole", 10) + "half");
    host.assert_status(server, 2, 1);
    host.send(second, GET);
    assert_eq!(statuses(&host.received(second)), [503]);

    host.engine.client_close(first).unwrap();
    host.run();
    host.assert_status(server, 1, 0);
    host.send(second, GET);
    let request = host.request();
    host.respond(request, "served");
}

#[test]
fn bodies_that_are_gathered_are_bounded_in_sum() {
    let mut host = Host::new();
    let server = host.server_with(|options| options.limits.gathered_bytes = 100_000);
    let clients: Vec<_> = (0..3).map(|_| host.client(server)).collect();
    for (&client, sent) in clients.iter().zip([40_000, 40_000, 30_000]) {
        host.send(client, post("/whole", 60_000));
        push(&mut host, client, sent);
    }
    let refused = host.received(clients[2]);
    assert_eq!(statuses(&refused), [503]);
    assert!(refused.contains("connection: close\r\n"));
    for &client in &clients[..2] {
        push(&mut host, client, 20_000);
        let request = host.request();
        host.respond(request, "served");
        assert_eq!(statuses(&host.received(client)), [200]);
    }
    host.assert_status(server, 2, 0);
}

#[test]
fn limits_without_end_are_no_limits() {
    let mut host = Host::new();
    let server = host.server_with(|options| {
        let limits = &mut options.limits;
        (limits.head_bytes, limits.target_bytes, limits.header_count) = (1024 * 1024, 65_534, 24_576);
        (limits.body_bytes, limits.connections, limits.requests) = (u64::MAX, usize::MAX, usize::MAX);
        (limits.gathered_bytes, limits.stream_bytes, limits.min_rate) = (usize::MAX, usize::MAX, u32::MAX);
    });
    let client = host.client(server);
    host.send(client, "POST / HTTP/1.1\r\n");
    host.send(client, "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let request = host.request();
    assert!(matches!(host.read(request), Some(Chunk::Data(bytes)) if bytes == "hello"));
    host.respond(request, "served");
    assert!(host.received(client).contains("served"));
}

#[test]
fn no_limit_lets_in_more_header_fields_than_a_map_can_hold() {
    let mut host = Host::new();
    let server = host.server_with(|options| {
        options.limits.header_count = 24_576;
        options.limits.head_bytes = 1_000_000;
    });
    for (count, status) in [(24_576, 200), (24_577, 431)] {
        let client = host.client(server);
        let fields: String = (1..count).map(|field| format!("x-{field}: y\r\n")).collect();
        host.send(client, format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        if let Some(request) = host.next_request() {
            host.respond(request, "served");
        }
        assert_eq!(statuses(&host.received(client)), [status], "{count} fields");
    }
}

#[test]
fn a_limit_that_could_not_be_kept_is_refused() {
    let host = Host::new();
    for (name, change) in [
        ("head_bytes", (|limits| limits.head_bytes = usize::MAX) as fn(&mut hostloop::Limits)),
        ("target_bytes", |limits| limits.target_bytes = 65_535),
        ("header_count", |limits| limits.header_count = 0),
    ] {
        let mut options = hostloop::ServerOptions::default();
        change(&mut options.limits);
        let error = host.engine.http_server(options, 0).unwrap_err();
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn a_turn_s_budget_leaves_work_for_the_next_and_loses_none() {
    let mut host = Host::with(|config| config.turn_events = 1);
    let server = host.server();
    let clients: Vec<_> = (0..10).map(|_| host.client(server)).collect();
    clients.iter().for_each(|&client| assert_eq!(host.engine.client_send(client, GET.as_bytes()).unwrap(), GET.len()));
    host.turn().unwrap();
    let first = host.events().iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert!(first < 10, "one turn took them all");
    assert!(host.engine.needs_turn());
    host.run();
    let rest = host.events().iter().filter(|event| matches!(event, Event::Request { .. })).count();
    assert_eq!(first + rest, 10);
}
