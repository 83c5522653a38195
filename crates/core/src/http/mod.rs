//! HTTP: servers, connections and exchanges.
//!
//! hyper speaks the protocol over a transport of the engine's. In front of it stands a gate that refuses what RFC 9112 does not
//! allow; behind it, an exchange for each request joins hyper's future to the host's verbs and events.

mod access;
mod body;
mod client;
mod connection;
mod exchange;
mod leftover;
mod listen;
mod options;
mod patience;
mod reply;
mod routes;
mod server;
mod service;
mod strict;
mod transport;

use std::{cell::RefCell, rc::Rc};

use hyper::body::Incoming;

#[cfg(feature = "app")]
pub(crate) use self::client::connect_from;
use self::connection::Connection;
pub(crate) use self::{
    client::{Client, connect},
    exchange::Exchange,
    listen::{Listener, adopt, bind, start as listen},
    server::Server,
};
pub use self::{
    listen::{Address, ListeningSocket},
    options::{BodyMode, Limits, RouteOptions, ServerOptions, Timeouts},
    reply::ResponseHead,
    routes::Routes,
    server::ServerStatus,
};
use crate::{
    engine::Core,
    handle::{Handle, Kind, Table},
};

/// All that speaks HTTP in one engine.
pub(crate) struct Http {
    pub(crate) core: Rc<Core>,
    pub(crate) servers: RefCell<Table<Rc<Server>>>,
    pub(crate) listeners: RefCell<Table<Rc<Listener>>>,
    pub(crate) requests: RefCell<Table<Rc<Exchange>>>,
    pub(crate) clients: RefCell<Table<Rc<Client>>>,
}

impl Http {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        Self {
            core,
            servers: RefCell::new(Table::new(Kind::Server)),
            listeners: RefCell::new(Table::new(Kind::Listener)),
            requests: RefCell::new(Table::new(Kind::Request)),
            clients: RefCell::new(Table::new(Kind::Client)),
        }
    }

    fn open_request(self: &Rc<Self>, token: u64, connection: &Rc<Connection>, incoming: Option<Incoming>) -> Rc<Exchange> {
        let mut opened = None;
        self.requests.borrow_mut().insert_with(|handle| {
            let exchange = Rc::new(Exchange::new(handle, token, Rc::clone(self), Rc::clone(connection), incoming));
            Rc::clone(opened.insert(exchange))
        });
        opened.unwrap_or_else(|| unreachable!("the table has made it"))
    }

    /// Ends every server, listener and client, each with its last event.
    pub(crate) fn close(&self) {
        let servers = self.servers.borrow_mut().drain();
        for (_, server) in &servers {
            server.close();
        }
        for (handle, server) in &servers {
            self.core.report_cancelled(*handle, server.token);
        }
        let clients = self.clients.borrow_mut().drain();
        for (handle, client) in &clients {
            self.core.report_cancelled(*handle, client.token);
        }
    }

    fn forget_request(&self, handle: Handle) {
        let exchange = self.requests.borrow_mut().remove(handle);
        drop(exchange);
    }
}
