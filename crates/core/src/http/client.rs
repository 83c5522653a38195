//! The host's end of an in-memory connection, for tests of a service without a port.

#[cfg(feature = "app")]
use std::net::SocketAddr;
use std::{cell::Cell, rc::Rc};

use super::{Http, server::Server, transport::Transport};
use crate::{
    engine::duplex::{ClientEnd, pair},
    event::{Cause, Event},
    handle::Handle,
};

pub(crate) struct Client {
    end: ClientEnd,
    pub(crate) token: u64,
    /// Whether the host has something left that there was no room for.
    is_full: Cell<bool>,
    /// Whether what the server writes is left with it.
    is_paused: Cell<bool>,
}

/// Connects to a server through memory.
pub(crate) fn connect(server: &Rc<Server>, token: u64) -> Handle {
    let (server_end, end) = pair();
    server.connect(Transport::Memory(server_end), None);
    let client = Client { end, token, is_full: Cell::new(false), is_paused: Cell::new(false) };
    server.http.clients.borrow_mut().insert(Rc::new(client))
}

/// Connects to a server through memory, for a task on the engine's thread. It comes from where it is said to.
#[cfg(feature = "app")]
pub(crate) fn connect_from(server: &Rc<Server>, peer: Option<SocketAddr>) -> ClientEnd {
    let (server_end, end) = pair();
    server.connect(Transport::Memory(server_end), peer);
    end
}

impl Client {
    pub(crate) fn send(&self, bytes: &[u8]) -> usize {
        let sent = self.end.send(bytes);
        self.is_full.set(sent < bytes.len());
        sent
    }

    pub(crate) fn pause(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
    }

    pub(crate) fn shutdown_write(&self) {
        self.end.shutdown_write();
    }

    /// Takes what the server has written, and whether it has closed; nothing of a client that is paused.
    fn receive(&self) -> (Vec<u8>, bool) {
        if self.is_paused.get() { (Vec::new(), false) } else { self.end.receive() }
    }

    /// Returns, once, that there is room for what did not fit before.
    fn takes_more(&self) -> bool {
        self.is_full.get() && self.end.has_room() && self.is_full.replace(false)
    }
}

impl Http {
    /// Reports what servers have written to the host's clients, and which of them can send on.
    pub(crate) fn report_clients(&self) {
        let mut closed = Vec::new();
        for (handle, client) in self.clients.borrow().iter() {
            let (bytes, has_ended) = client.receive();
            if !bytes.is_empty() {
                self.core.report(Event::Received { handle, token: client.token, bytes });
            }
            if has_ended {
                closed.push(handle);
            } else if client.takes_more() {
                self.core.report(Event::Writable { handle, token: client.token });
            }
        }
        for handle in closed {
            self.close_client(handle, Cause::Done);
        }
    }

    /// Ends the host's end, and reports it.
    pub(crate) fn close_client(&self, handle: Handle, cause: Cause) -> bool {
        let client = self.clients.borrow_mut().remove(handle);
        client.is_some_and(|client| {
            self.core.report(Event::Closed { handle, token: client.token, cause });
            true
        })
    }
}
