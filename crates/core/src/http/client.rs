//! The host's end of an in-memory connection, for tests of a service without a port.

#[cfg(feature = "app")]
use std::net::SocketAddr;
use std::rc::Rc;

use super::{Http, server::Server, transport::Transport};
use crate::{
    engine::duplex::{ClientEnd, pair},
    event::{Cause, Event},
    handle::Handle,
};

pub(crate) struct Client {
    end: ClientEnd,
    pub(crate) token: u64,
}

/// Connects to a server through memory.
pub(crate) fn connect(server: &Rc<Server>, token: u64) -> Handle {
    let (server_end, end) = pair();
    server.connect(Transport::Memory(server_end), None);
    server.http.clients.borrow_mut().insert(Rc::new(Client { end, token }))
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
        self.end.send(bytes)
    }

    pub(crate) fn shutdown_write(&self) {
        self.end.shutdown_write();
    }
}

impl Http {
    /// Reports what servers have written to the host's clients.
    pub(crate) fn report_received(&self) {
        let mut closed = Vec::new();
        for (handle, client) in self.clients.borrow().iter() {
            let (bytes, has_ended) = client.end.receive();
            if !bytes.is_empty() {
                self.core.report(Event::Received { handle, token: client.token, bytes });
            }
            if has_ended {
                closed.push(handle);
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
