//! A host without a loop of its own: it takes turns until nothing happens, and keeps what was reported.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

pub(crate) mod download;
pub(crate) mod sockets;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use hostloop::{
    Cause, Clock, Config, Engine, ErrorKind, Event, Events, Handle, ManualClock, ResponseHead, Result, RouteOptions, ServerOptions,
};
use http::Method;

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// More turns than any promise here needs. Beyond it, the engine is spinning.
const MANY_TURNS: usize = 100_000;

pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) clock: ManualClock,
    batch: Events,
    events: VecDeque<Event>,
    received: HashMap<Handle, Vec<u8>>,
    finals: HashMap<u64, usize>,
    tokens: u64,
}

impl Host {
    /// Makes an engine with a clock that stands still.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = ManualClock::new();
        let mut config = Config::default();
        config.clock = Clock::Manual(clock.clone());
        change(&mut config);
        Self {
            engine: Engine::new(config).unwrap(),
            clock,
            batch: Events::new(),
            events: VecDeque::new(),
            received: HashMap::new(),
            finals: HashMap::new(),
            tokens: 1000,
        }
    }

    /// A token that nothing else has.
    pub(crate) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    // Turns.

    pub(crate) fn turn(&mut self) -> Result<()> {
        let outcome = self.engine.turn(&mut self.batch);
        self.keep();
        outcome
    }

    fn keep(&mut self) {
        for event in self.batch.drain() {
            if let (true, Some(token)) = (event.is_final(), token_of(&event)) {
                *self.finals.entry(token).or_default() += 1;
            }
            match event {
                Event::Received { handle, bytes, .. } => self.received.entry(handle).or_default().extend(bytes),
                event => self.events.push_back(event),
            }
        }
    }

    /// Takes turns until the engine is at rest.
    pub(crate) fn run(&mut self) {
        for _ in 0..MANY_TURNS {
            self.turn().unwrap();
            if !self.engine.needs_turn() && !sockets::is_readable(self.engine.fd()) {
                return;
            }
        }
        panic!("the engine never comes to rest");
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.run();
    }

    /// Closes the engine and takes its last turn.
    pub(crate) fn close(&mut self) {
        self.engine.close().unwrap();
        self.turn().unwrap();
    }

    // What was reported.

    /// Takes everything that nobody has looked at.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Takes the first event that is looked for, and leaves the others.
    pub(crate) fn find<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        let (place, found) = self.events.iter().enumerate().find_map(|(place, event)| Some((place, wanted(event)?)))?;
        self.events.remove(place);
        Some(found)
    }

    /// Returns how many final events a token has had.
    pub(crate) fn finals(&self, token: u64) -> usize {
        self.finals.get(&token).copied().unwrap_or_default()
    }

    pub(crate) fn closed(&mut self, handle: Handle) -> Option<Cause> {
        self.find(|event| match event {
            Event::Closed { handle: of, cause, .. } if *of == handle => Some(*cause),
            _ => None,
        })
    }

    /// The next request, which must have come.
    pub(crate) fn request(&mut self) -> Handle {
        self.run();
        self.next_request().expect("no request has come")
    }

    pub(crate) fn next_request(&mut self) -> Option<Handle> {
        self.find(|event| if let Event::Request { handle, .. } = event { Some(*handle) } else { None })
    }

    /// Takes what the server has written to a client in memory.
    pub(crate) fn received(&mut self, client: Handle) -> String {
        self.run();
        String::from_utf8(self.received.remove(&client).unwrap_or_default()).unwrap()
    }

    // Servers and clients.

    /// Makes a server with the routes GET / and POST /, read on demand, and POST /whole.
    pub(crate) fn server(&mut self) -> Handle {
        self.server_with(|_| {})
    }

    pub(crate) fn server_with(&mut self, change: impl FnOnce(&mut ServerOptions)) -> Handle {
        let mut options = ServerOptions::default();
        change(&mut options);
        let server = self.engine.http_server(options, 1).unwrap();
        let on_demand = RouteOptions::default();
        self.engine.http_route(server, Method::GET, "/", 2, on_demand).unwrap();
        self.engine.http_route(server, Method::POST, "/", 3, on_demand).unwrap();
        self.engine.http_route(server, Method::POST, "/whole", 4, RouteOptions::whole_body(true)).unwrap();
        server
    }

    pub(crate) fn client(&mut self, server: Handle) -> Handle {
        let token = self.token();
        self.engine.http_connect(server, token).unwrap()
    }

    /// Sends all of it, which the server must have room for, and runs.
    pub(crate) fn send(&mut self, client: Handle, text: impl AsRef<[u8]>) {
        let mut bytes = text.as_ref();
        while !bytes.is_empty() {
            let sent = self.engine.client_send(client, bytes).unwrap();
            assert!(sent > 0, "the server does not read");
            bytes = &bytes[sent..];
            self.run();
        }
    }

    pub(crate) fn respond(&mut self, request: Handle, body: &'static str) {
        self.engine.respond(request, ResponseHead::default(), Bytes::from_static(body.as_bytes())).unwrap();
        self.run();
    }

    /// Starts to read a request's body, and returns what came of it if anything has.
    pub(crate) fn read(&mut self, request: Handle) -> Option<hostloop::Chunk> {
        let token = self.token();
        self.engine.request_read(request, token).unwrap();
        self.run();
        self.chunk(request)
    }

    pub(crate) fn chunk(&mut self, request: Handle) -> Option<hostloop::Chunk> {
        let place = self.events.iter().position(|event| matches!(event, Event::Body { handle, .. } if *handle == request))?;
        match self.events.remove(place) {
            Some(Event::Body { chunk, .. }) => Some(chunk),
            _ => None,
        }
    }

    /// Asserts that a server has this many connections and unanswered requests.
    pub(crate) fn assert_status(&self, server: Handle, connections: usize, requests: usize) {
        let status = self.engine.http_status(server).unwrap();
        assert_eq!((status.connections, status.requests), (connections, requests), "connections and requests");
    }
}

fn token_of(event: &Event) -> Option<u64> {
    match event {
        Event::Timer { token, .. } | Event::Posted { token } | Event::Body { token, .. } | Event::Written { token, .. } => {
            Some(*token)
        }
        Event::Closed { token, .. } => Some(*token),
        _ => None,
    }
}

/// The kind of an error that must have been.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// The head of a POST to this path, with a body of this length to follow.
pub(crate) fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

/// The statuses of all the responses in a text.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ").skip(1).map(|response| response[..3].parse().unwrap()).collect()
}
