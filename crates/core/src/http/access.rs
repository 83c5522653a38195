//! What an access log is told of each response.

use std::{cell::RefCell, time::Duration};

use http::{Method, Request, StatusCode, Uri, Version};

use super::{server::Server, strict::Refusal};
use crate::event::{Access, Event};

/// The entry of the request that is being served, where the server reports them.
#[derive(Default)]
pub(super) struct AccessLog(RefCell<Option<Started>>);

struct Started {
    request: (Method, Uri, Version),
    at: u64,
    status: Option<StatusCode>,
    bytes: u64,
}

impl AccessLog {
    pub(super) fn request_started<B>(&self, request: &Request<B>, now: u64) {
        let request = (request.method().clone(), request.uri().clone(), request.version());
        self.0.replace(Some(Started { request, at: now, status: None, bytes: 0 }));
    }

    pub(super) fn response_started(&self, status: StatusCode) {
        if let Some(started) = &mut *self.0.borrow_mut() {
            started.status = Some(status);
        }
    }

    pub(super) fn handed(&self, bytes: usize) {
        if let Some(started) = &mut *self.0.borrow_mut() {
            started.bytes += bytes as u64;
        }
    }

    /// The response has left, or its client has.
    pub(super) fn ended(&self, server: &Server, peer: Option<std::net::SocketAddr>) {
        let Some(Started { request, at, status, bytes }) = self.0.take() else { return };
        let duration = Duration::from_nanos(server.http.core.now().saturating_sub(at));
        report(server, Access { peer, request: Some(request), status, bytes, duration });
    }

    /// A request was refused before, or instead of, its response.
    pub(super) fn refused(&self, server: &Server, peer: Option<std::net::SocketAddr>, refusal: Refusal) {
        if !server.options.report_access {
            return;
        }
        let started = self.0.take();
        let duration = started.as_ref().map_or(0, |started| server.http.core.now().saturating_sub(started.at));
        let request = started.map(|started| started.request);
        let duration = Duration::from_nanos(duration);
        report(server, Access { peer, request, status: Some(refusal.status), bytes: 0, duration });
    }
}

fn report(server: &Server, access: Access) {
    server.http.core.report(Event::Access { token: server.token, entry: Box::new(access) });
}
