//! The engine without a host language: what a binding's cost is measured against.

use bytes::Bytes;
use hostloop::{Config, Engine, Event, Events, ResponseHead, RouteOptions, ServerOptions};
use http::{HeaderValue, Method, header::CONTENT_TYPE};

fn main() -> Result<(), hostloop::Error> {
    let engine = Engine::new(Config::default())?;
    let server = engine.http_server(ServerOptions::default(), 0)?;
    engine.http_route(server, Method::GET, "/", 1, RouteOptions::default())?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8000".into()).parse()?;
    engine.http_listen(server, &address, false, 2)?;
    let mut events = Events::new();
    loop {
        engine.park(&mut events, None)?;
        while !events.is_empty() {
            for event in events.drain() {
                if let Event::Request { handle, .. } = event {
                    let mut head = ResponseHead::default();
                    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
                    engine.respond(handle, head, Bytes::from_static(b"Hello, World!"))?;
                }
            }
            engine.turn(&mut events)?;
        }
    }
}
