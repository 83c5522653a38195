//! From hyper's request to the host's event, and back.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, CONNECTION, EXPECT, RETRY_AFTER},
};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{
    body::Body,
    connection::Connection,
    exchange::{Exchange, Gathered, Gathering},
    options::BodyMode,
    reply::problem,
    routes::{Lookup, Route},
};
use crate::event::{Cause, RequestHead};

/// Serves the requests of one connection.
pub(crate) struct Service(pub(crate) Rc<Connection>);

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Reply;

    fn call(&self, request: Request<Incoming>) -> Reply {
        let connection = &self.0;
        connection.request_started(&request);
        let server = &connection.server;
        if request.headers().get(EXPECT).is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
            return self.turn_away(request, problem(StatusCode::EXPECTATION_FAILED, "only 100-continue can be expected"));
        }
        let routes = server.routes.borrow();
        let (route, params) = match routes.find(request.method(), request.uri().path()) {
            Lookup::Found(route, params) => (route.clone(), params),
            Lookup::NotFound => {
                return self.turn_away(request, problem(StatusCode::NOT_FOUND, "nothing is served at this path"));
            }
            Lookup::MethodNotAllowed(allow) => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this path is served for other methods");
                response.headers_mut().insert(ALLOW, allow.clone());
                return self.turn_away(request, response);
            }
        };
        if server.is_overloaded() {
            return self.turn_away(request, overloaded());
        }
        self.accept(request, &route, params)
    }
}

impl Service {
    fn accept(&self, request: Request<Incoming>, route: &Route, params: Vec<(u32, u32)>) -> Reply {
        let (parts, incoming) = request.into_parts();
        let head = Box::new(RequestHead {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            params,
            peer: self.0.peer,
        });
        let mode = match route.options.body {
            // Looking for the body would ask the client for it.
            BodyMode::AtHand if head.headers.contains_key(EXPECT) => BodyMode::OnDemand,
            mode => mode,
        };
        if incoming.is_end_stream() {
            return self.dispatch(head, route, None, (mode != BodyMode::OnDemand).then(Bytes::new));
        }
        if mode == BodyMode::OnDemand {
            return self.dispatch(head, route, Some(incoming), None);
        }
        let mut gathering = Gathering::new(Rc::clone(&self.0.server), incoming);
        // Says at once that the body is wanted, so that hyper reads on before it asks for the response.
        let gathered = gathering.poll(&mut Context::from_waker(Waker::noop()));
        let mut reply =
            Reply { connection: Rc::clone(&self.0), state: State::Gathering(Box::new((head, route.clone(), gathering))) };
        match gathered {
            Poll::Ready(gathered) => reply.gathered(gathered),
            Poll::Pending => self.0.set_gathering(true),
        }
        reply
    }

    fn dispatch(&self, head: Box<RequestHead>, route: &Route, incoming: Option<Incoming>, body: Option<Bytes>) -> Reply {
        let exchange = self.0.start_exchange(route.token, incoming);
        exchange.announce(head, body);
        Reply { connection: Rc::clone(&self.0), state: State::Awaiting(exchange) }
    }

    /// Answers without the host, and without the body.
    fn turn_away(&self, request: Request<Incoming>, response: Response<Body>) -> Reply {
        let body = request.into_body();
        if !body.is_end_stream() {
            self.0.leave_body(body, false);
        }
        Reply { connection: Rc::clone(&self.0), state: State::Answered(Some(Box::new(response))) }
    }
}

fn overloaded() -> Response<Body> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What hyper could not read although the gate let it pass, or what the client left unfinished.
pub(crate) const BROKEN_BODY: &str = "the body is incomplete or malformed";

pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The future of a response.
pub(crate) struct Reply {
    connection: Rc<Connection>,
    state: State,
}

enum State {
    Answered(Option<Box<Response<Body>>>),
    /// The host is told once the body is whole.
    Gathering(Box<(Box<RequestHead>, Route, Gathering)>),
    Awaiting(Rc<Exchange>),
}

impl Reply {
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        loop {
            match &mut self.state {
                State::Answered(response) => return response.take().map_or(Poll::Pending, |response| Poll::Ready(*response)),
                State::Awaiting(exchange) => return exchange.poll_reply(cx),
                State::Gathering(gathering) => match (gathering.2.poll(cx), gathering.1.options.body) {
                    (Poll::Ready(gathered), _) => self.gathered(gathered),
                    (Poll::Pending, BodyMode::AtHand) => self.go_on(),
                    (Poll::Pending, _) => {
                        self.connection.set_gathering(true);
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn gathered(&mut self, gathered: Gathered) {
        self.connection.set_gathering(false);
        let body = match gathered {
            Gathered::Whole(body) => body,
            Gathered::Broken => return self.refuse(problem(StatusCode::BAD_REQUEST, BROKEN_BODY)),
            Gathered::Overloaded => return self.refuse(overloaded()),
        };
        if let State::Gathering(gathering) = std::mem::replace(&mut self.state, State::Answered(None)) {
            let (head, route, _) = *gathering;
            let exchange = self.connection.start_exchange(route.token, None);
            exchange.announce(head, Some(body));
            self.state = State::Awaiting(exchange);
        }
    }

    /// Tells the host now; it reads the rest of the body itself.
    fn go_on(&mut self) {
        self.connection.set_gathering(false);
        if let State::Gathering(gathering) = std::mem::replace(&mut self.state, State::Answered(None)) {
            let (head, route, gathering) = *gathering;
            let (at_hand, incoming) = gathering.into_rest();
            let exchange = self.connection.start_exchange(route.token, Some(incoming));
            exchange.hold(at_hand);
            exchange.announce(head, None);
            self.state = State::Awaiting(exchange);
        }
    }

    fn refuse(&mut self, response: Response<Body>) {
        self.state = State::Answered(Some(Box::new(closing(response))));
    }
}

impl Future for Reply {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.poll_response(cx));
        self.connection.response_started(&response);
        Poll::Ready(Ok(if self.connection.is_last_response() { closing(response) } else { response }))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.connection.set_gathering(false);
        if let State::Awaiting(exchange) = &self.state {
            exchange.reply_dropped();
        }
    }
}

/// Why an exchange ends when its connection does.
pub(crate) fn cause_of_end(timed_out: bool, refused: bool) -> Cause {
    match (timed_out, refused) {
        (true, _) => Cause::TimedOut,
        (false, true) => Cause::Refused,
        (false, false) => Cause::Disconnected,
    }
}
