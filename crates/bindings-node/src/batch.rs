//! What a turn reports, on its way to JavaScript: records of numbers, and the text they point into.
//!
//! | field | of a request | of another event |
//! |---|---|---|
//! | 0 | what happened ([`Code`]) | |
//! | 1 | the token | |
//! | 2, 3 | the handle: its lower and upper half | |
//! | 4, 5 | where its fields are in the text | what more there is to say |
//! | 6 | bits of [`flags`] | |
//! | 7, 8 | the client's IPv4 address and port | |
//!
//! The fields of a request are lines: its method if that is an unusual one, the client's address if that is not IPv4, the parameters of
//! the route, the target, then names and values of headers in turn. Bytes are read as Latin-1, as Node does.

use std::net::SocketAddr;

use hostloop::{Cause, Chunk, Event, Handle, RequestHead};
use http::{Method, Version};

/// Records that fit in the array that both sides see.
pub(crate) const CAPACITY: usize = 256;

/// Bytes of text after which a batch is handed over. A header that a handler keeps is a part of the text in V8, and keeps all of it.
const MUCH_TEXT: usize = 8 * 1024;

/// Numbers in a record.
pub(crate) const FIELDS: usize = 9;

#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Code {
    Request = 1,
    Data = 2,
    End = 3,
    Aborted = 4,
    Written = 5,
    Closed = 6,
    Received = 7,
    Access = 8,
    Shutdown = 9,
    Writable = 10,
}

/// Bits 0-3 are the method, by its place in [`METHODS`].
pub(crate) mod flags {
    pub(crate) const OTHER_METHOD: u32 = 15;
    pub(crate) const HTTP_10: u32 = 1 << 4;
    pub(crate) const PEER_IN_TEXT: u32 = 1 << 5;
    pub(crate) const HAS_BODY: u32 = 1 << 6;
    /// The number of the route's parameters begins here.
    pub(crate) const PARAMS_SHIFT: u32 = 8;
}

pub(crate) const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

/// Events that go to JavaScript in one call.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<[u32; FIELDS]>,
    pub(crate) text: Vec<u8>,
    /// Bytes of bodies and connections, one for each event that has some, in order.
    pub(crate) bytes: Vec<bytes::Bytes>,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.text.clear();
        self.bytes.clear();
    }

    /// Returns whether it is to be handed over before anything else is added.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() == CAPACITY || self.text.len() >= MUCH_TEXT
    }

    pub(crate) fn push_request(&mut self, handle: Handle, token: u64, head: &RequestHead, has_body: bool) {
        let start = self.text.len();
        let mut flags = self.push_method(&head.method);
        if head.version == Version::HTTP_10 {
            flags |= flags::HTTP_10;
        }
        if has_body {
            flags |= flags::HAS_BODY;
        }
        let (address, port) = match head.peer {
            Some(SocketAddr::V4(peer)) => (u32::from(*peer.ip()), peer.port()),
            Some(SocketAddr::V6(peer)) => {
                flags |= flags::PEER_IN_TEXT;
                self.push_line(peer.ip().to_string().as_bytes());
                (0, peer.port())
            }
            None => (0, 0),
        };
        flags |= (head.params.len() as u32) << flags::PARAMS_SHIFT;
        for index in 0..head.params.len() {
            self.push_line(head.param(index).unwrap_or_default().as_bytes());
        }
        self.push_target(head);
        for (name, value) in &head.headers {
            self.text.push(b'\n');
            self.text.extend_from_slice(name.as_str().as_bytes());
            self.text.push(b'\n');
            self.text.extend_from_slice(value.as_bytes());
        }
        let fields = (start as u32, self.text.len() as u32);
        self.push(Code::Request, token, handle, fields, [flags, address, port.into()]);
    }

    /// Adds an event that is not a request.
    pub(crate) fn push_event(&mut self, event: Event) {
        match event {
            Event::Body { handle, token, chunk } => match chunk {
                Chunk::Data(bytes) => {
                    self.push_short(Code::Data, token, handle, 0);
                    self.bytes.push(bytes);
                }
                Chunk::End => self.push_short(Code::End, token, handle, 0),
                _ => self.push_short(Code::Aborted, token, handle, 0),
            },
            Event::Written { handle, token, sent } => self.push_short(Code::Written, token, handle, sent.into()),
            Event::Closed { handle, token, cause } => self.push_short(Code::Closed, token, handle, cause_code(cause)),
            Event::Received { handle, token, bytes } => {
                self.push_short(Code::Received, token, handle, 0);
                self.bytes.push(bytes.into());
            }
            Event::Writable { handle, token } => self.push_short(Code::Writable, token, handle, 0),
            Event::Access { token, entry } => {
                let start = self.text.len();
                self.text.extend_from_slice(access_line(&entry).as_bytes());
                let fields = (start as u32, self.text.len() as u32);
                self.push(Code::Access, token, Handle::from_bits(0), fields, [0; 3]);
            }
            Event::Shutdown => self.push_short(Code::Shutdown, 0, Handle::from_bits(0), 0),
            // The host starts no timers and watches no descriptors, Node has its own.
            _ => {}
        }
    }

    fn push_method(&mut self, method: &Method) -> u32 {
        match METHODS.iter().position(|known| known == method) {
            Some(place) => place as u32,
            None => {
                self.push_line(method.as_str().as_bytes());
                flags::OTHER_METHOD
            }
        }
    }

    fn push_target(&mut self, head: &RequestHead) {
        match head.uri.path_and_query() {
            Some(target) if head.uri.scheme().is_none() => self.text.extend_from_slice(target.as_str().as_bytes()),
            _ => self.text.extend_from_slice(head.uri.to_string().as_bytes()),
        }
    }

    fn push_line(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
    }

    fn push_short(&mut self, code: Code, token: u64, handle: Handle, more: u32) {
        self.push(code, token, handle, (more, 0), [0; 3]);
    }

    fn push(&mut self, code: Code, token: u64, handle: Handle, fields: (u32, u32), more: [u32; 3]) {
        let bits = handle.to_bits();
        self.records.push([
            code as u32,
            token as u32,
            bits as u32,
            (bits >> 32) as u32,
            fields.0,
            fields.1,
            more[0],
            more[1],
            more[2],
        ]);
    }
}

fn cause_code(cause: Cause) -> u32 {
    match cause {
        Cause::Done => 0,
        Cause::Cancelled => 1,
        Cause::Disconnected => 2,
        Cause::TimedOut => 3,
        Cause::Refused => 4,
        _ => 5,
    }
}

/// Client, method, target, version, status, bytes and milliseconds, a line each. What is not known is empty.
fn access_line(entry: &hostloop::Access) -> String {
    let client = entry.peer.map(|peer| peer.to_string()).unwrap_or_default();
    let (method, target, version) = match &entry.request {
        Some((method, uri, version)) => (method.to_string(), uri.to_string(), format!("{version:?}")),
        None => Default::default(),
    };
    let status = entry.status.map(|status| status.as_u16().to_string()).unwrap_or_default();
    let milliseconds = entry.duration.as_secs_f64() * 1000.0;
    format!("{client}\n{method}\n{target}\n{version}\n{status}\n{}\n{milliseconds}", entry.bytes)
}
