//! Any bytes, cut anywhere, sent to a server through memory: no panic, every connection ends, nothing is left behind.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use hostloop::{Clock, Config, Engine, Event, Events, ManualClock, ResponseHead, RouteOptions, ServerOptions};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let clock = ManualClock::new();
    let mut config = Config::default();
    config.clock = Clock::Manual(clock.clone());
    let engine = Engine::new(config).expect("an engine");
    let server = engine.http_server(ServerOptions::default(), 0).expect("a server");
    engine.http_route(server, Method::GET, "/{rest:path}", 1, RouteOptions::default()).expect("a route");
    engine.http_route(server, Method::POST, "/{rest:path}", 1, RouteOptions::whole_body(true)).expect("a route");
    engine.http_route(server, Method::PUT, "/{rest:path}", 2, RouteOptions::default()).expect("a route");
    let client = engine.http_connect(server, 3).expect("a connection");
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        let _ = engine.client_send(client, piece);
        serve(&engine);
    }
    let _ = engine.client_shutdown(client);
    for _ in 0..200 {
        serve(&engine);
        clock.advance(Duration::from_secs(1));
    }
    let status = engine.http_status(server).expect("the server lives");
    assert_eq!((status.connections, status.requests), (0, 0));
});

fn serve(engine: &Engine) {
    let mut events = Events::new();
    loop {
        engine.turn(&mut events).expect("a turn");
        if events.is_empty() && !engine.needs_turn() {
            return;
        }
        for event in events.drain() {
            match event {
                Event::Request { handle, token: 2, .. } => drop(engine.request_read(handle, 0)),
                Event::Request { handle, body, .. } => drop(engine.respond(handle, ResponseHead::default(), body.unwrap_or_default())),
                Event::Body { handle, chunk: hostloop::Chunk::Data(_), .. } => drop(engine.request_read(handle, 0)),
                Event::Body { handle, .. } => drop(engine.respond(handle, ResponseHead::default(), Bytes::new())),
                _ => {}
            }
        }
    }
}
