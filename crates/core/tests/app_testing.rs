//! The test client: the whole server, without a socket.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{
    convert::Infallible,
    future::pending,
    net::TcpListener,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use app_support::{BoxError, Log, SECOND, Unfinished, broken, built};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, Version},
    routing::{any, get, post},
};
use hostloop::{
    App, Resource, Restart, Stop,
    app::{Http, Lazy, Listening, Peer, Scope, TestClient, provide},
};
use http_body::Frame;
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

const AT_LAST: Duration = Duration::from_secs(20);
const ADDRESS: &str = "127.0.0.1:8000";

struct Greeting(&'static str);

async fn serving(router: Router) -> TestClient {
    built(App::builder().http(ADDRESS, move || router.clone())).test().await.unwrap()
}

/// A body whose pieces come from a channel.
struct Pieces(mpsc::Receiver<Result<Bytes, BoxError>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A body, and what is sent into it.
fn pieces() -> (mpsc::Sender<Result<Bytes, BoxError>>, Pieces) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Pieces(receiver))
}

async fn happened(log: &Log, what: &str) {
    let noted = async {
        while !log.take().iter().any(|noted| noted == what) {
            tokio::task::yield_now().await;
        }
    };
    timeout(AT_LAST, noted).await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_with_what_the_graph_has_made_or_a_test_has_put_in_its_place() {
    let hello = |greeting: Arc<Greeting>| Router::new().route("/", get(move || async move { greeting.0 }));
    let app = built(App::builder().supply(Greeting("hello")).http(ADDRESS, hello));
    assert_eq!(app.test().await.unwrap().get("/").await.unwrap().text(), "hello");
    let tested = app.with_overrides(|with| with.supply(Greeting("hi"))).unwrap().test().await.unwrap();
    for _ in 0..3 {
        assert_eq!(tested.get("/").await.unwrap().text(), "hi");
    }
}

#[tokio::test]
async fn no_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = Http::new(taken.local_addr().unwrap().to_string()).threads(4);
    let app = built(App::builder().http(at, || Router::new().route("/", get(|| async { "served" }))));
    let (one, other) = tokio::join!(app.test(), app.test());
    for client in [one.unwrap(), other.unwrap()] {
        assert_eq!(client.get("/").await.unwrap().text(), "served");
        assert_eq!(client.addresses(), []);
        client.stop().await.unwrap();
    }
    let unbound = built(App::builder().http("name.that.nobody.has:80", Router::new)).test().await.unwrap();
    assert_eq!(unbound.get("/").await.unwrap().status(), 404);
}

#[tokio::test]
async fn every_method_reaches_its_handler_and_says_who_asks() {
    async fn echo(method: Method, uri: Uri, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Json<Value> {
        let header = |name| headers.get(name).map(|value| value.to_str().unwrap());
        Json(json!([method.as_str(), uri.to_string(), peer.to_string(), header("host"), header("connection")]))
    }
    let client = serving(Router::new().route("/echo", any(echo))).await;
    let requests = [
        ("GET", client.get("/echo?a=1")),
        ("POST", client.post("/echo?a=1")),
        ("PUT", client.put("/echo?a=1")),
        ("PATCH", client.patch("/echo?a=1")),
        ("DELETE", client.delete("/echo?a=1")),
        ("OPTIONS", client.options("/echo?a=1")),
        ("PURGE", client.request(Method::from_bytes(b"PURGE").unwrap(), "/echo?a=1")),
    ];
    for (method, request) in requests {
        let said: Value = request.await.unwrap().json().unwrap();
        assert_eq!(said, json!([method, "/echo?a=1", "127.0.0.1:0", "testserver", "close"]));
    }
    let head = client.head("/echo").await.unwrap();
    assert!(head.body().is_empty() && head.headers()["content-length"] != "0", "{head:?}");
    let away: Value = client.get("http://away.test:81/echo").header("connection", "keep-alive").await.unwrap().json().unwrap();
    assert_eq!(away, json!(["GET", "/echo", "127.0.0.1:0", "away.test:81", "keep-alive"]));
}

#[tokio::test]
async fn a_client_of_a_unix_socket_has_no_address() {
    let peer = |peer: Option<Extension<Peer>>| async move { format!("{}", peer.is_some()) };
    let router = move || Router::new().route("/", get(peer));
    let client = built(App::builder().http("unix:/nowhere/socket", router)).test().await.unwrap();
    assert_eq!(client.get("/").await.unwrap().text(), "false");
}

#[tokio::test]
async fn json_goes_both_ways_and_what_is_none_is_told_with_the_body() {
    async fn times(Path(by): Path<u64>, Json(body): Json<Value>) -> Json<Value> {
        Json(json!({ "product": body["number"].as_u64().unwrap() * by }))
    }
    let client = serving(Router::new().route("/times/{by}", post(times))).await;
    let response = client.post("/times/2").json(&json!({ "number": 21 })).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.json::<Value>().unwrap(), json!({ "product": 42 }));
    let error = response.json::<Vec<u8>>().unwrap_err().to_string();
    let told = "POST /times/2: the body of the 200 OK is not the JSON that is wanted: `{\"product\":42}`: invalid type: map";
    assert!(error.starts_with(told), "{error}");
    let refused = client.post("/times/2").header("content-type", "text/plain").json(&1).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_request_that_is_there_already_is_sent_with_its_body_in_pieces() {
    let (said, mut heard) = mpsc::unbounded_channel();
    let listen = move |mut body: Body| {
        let said = said.clone();
        async move {
            while let Some(piece) = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
                said.send(piece.unwrap().into_data().unwrap()).unwrap();
            }
        }
    };
    let client = serving(Router::new().route("/", post(listen))).await;
    let (sender, body) = pieces();
    let request = axum::http::Request::post("/").header("x-name", "ada").body(body).unwrap();
    let answer = tokio::spawn(client.send(request).into_future());
    for piece in ["one", "two"] {
        sender.send(Ok(piece.into())).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), piece);
    }
    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    let text = client.send(axum::http::Request::post("/").body("whole".to_owned()).unwrap()).await.unwrap();
    assert_eq!((text.status().as_u16(), heard.recv().await.unwrap()), (200, "whole".into()));
}

#[tokio::test]
async fn a_request_of_any_version_is_sent_as_one_that_the_server_speaks() {
    let router = Router::new().route("/", get(|request: Request| async move { format!("{:?}", request.version()) }));
    let client = serving(router).await;
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        let request = axum::http::Request::get("/").version(version).body(Body::empty()).unwrap();
        let spoken = if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
        assert_eq!(client.send(request).await.unwrap().text(), spoken, "{version:?}");
    }
}

#[tokio::test]
async fn a_streamed_response_is_read_as_its_pieces_come() {
    let (sender, body) = pieces();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let stream = move || {
        let body = body.lock().unwrap().take().unwrap();
        async move { Body::new(body) }
    };
    let client = serving(Router::new().route("/", get(stream))).await;
    let response = client.get("/").stream().await.unwrap();
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    let mut body = response.into_body();
    for piece in ["one", "two"] {
        sender.send(Ok(piece.into())).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), piece);
    }
    drop(sender);
    assert!(body.next().await.is_none());
}

/// A router whose answer has no end, and how many pieces of 64 KiB were taken of it.
fn endless(log: &Log) -> (Router, Arc<AtomicUsize>) {
    let (log, produced) = (log.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&produced);
    let endless = move || {
        let (sender, body) = pieces();
        let (log, counted) = (log.clone(), Arc::clone(&counted));
        tokio::spawn(async move {
            while sender.send(Ok(Bytes::from_static(&[0; 64 * 1024]))).await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
            log.note("nobody reads any more");
        });
        async move { Body::new(body) }
    };
    (Router::new().route("/", get(endless)), produced)
}

#[tokio::test(start_paused = true)]
async fn a_test_that_does_not_read_holds_the_response_back() {
    let (router, produced) = endless(&Log::default());
    let client = serving(router).await;
    let mut body = client.get("/").stream().await.unwrap().into_body();
    // The clock goes on when neither the engine nor this runtime has anything left to do.
    sleep(SECOND).await;
    let settled = produced.load(Ordering::Relaxed);
    assert!(settled < 20, "{settled} pieces of 64 KiB were made for nobody");
    let mut read = 0;
    while read < (settled + 10) * 64 * 1024 {
        read += body.next().await.unwrap().unwrap().len();
    }
    assert!(produced.load(Ordering::Relaxed) > settled);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let log = Log::default();
    let (router, _) = endless(&log);
    let noted = log.clone();
    let hang = move || {
        let unfinished = Unfinished(noted.clone(), "handler");
        noted.note("asked");
        async move {
            pending::<()>().await;
            drop(unfinished);
        }
    };
    let client = serving(router.route("/hang", get(hang))).await;
    let mut body = client.get("/").stream().await.unwrap().into_body();
    body.next().await.unwrap().unwrap();
    drop(body);
    happened(&log, "nobody reads any more").await;
    let asking = tokio::spawn(client.get("/hang").into_future());
    happened(&log, "asked").await;
    asking.abort();
    happened(&log, "handler dropped").await;
}

#[tokio::test]
async fn a_response_that_breaks_off_is_an_error_and_the_next_request_is_served() {
    let may_break = Arc::new(Notify::new());
    let breaking = Arc::clone(&may_break);
    let half = move || {
        let breaking = Arc::clone(&breaking);
        async move {
            let (sender, body) = pieces();
            tokio::spawn(async move {
                sender.send(Ok("half".into())).await.unwrap();
                breaking.notified().await;
                sender.send(Err(broken("the rest is lost"))).await.unwrap();
            });
            Body::new(body)
        }
    };
    let client = serving(Router::new().route("/", get(half)).route("/well", get(|| async { "well" }))).await;
    let mut body = client.get("/").stream().await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    may_break.notify_one();
    let error = body.next().await.unwrap().unwrap_err().to_string();
    assert!(error.starts_with("GET /: the response broke off: "), "{error}");
    assert_eq!(client.get("/well").await.unwrap().text(), "well");
}

#[tokio::test]
async fn the_server_refuses_what_it_refuses_in_production() {
    async fn out_of_cheese() -> &'static str {
        panic!("out of cheese")
    }
    let router = || {
        let router = Router::new().route("/", post(|body: Bytes| async { body })).route("/slow", get(pending::<()>));
        router.route("/panic", get(out_of_cheese)).layer(DefaultBodyLimit::disable())
    };
    let http = Http::new(ADDRESS).options(|options| {
        options.limits.body_bytes = 10;
        options.timeouts.handler = Some(Duration::from_millis(50));
    });
    let client = built(App::builder().http(http, router)).test().await.unwrap();
    let status = async |request: hostloop::app::TestRequest| request.await.unwrap().status().as_u16();
    assert_eq!(status(client.post("/").body("ten bytes.")).await, 200);
    assert_eq!(status(client.post("/").body("more than ten bytes")).await, 413);
    assert_eq!(status(client.get("/").header("host", "a").header("host", "b")).await, 400);
    assert_eq!(status(client.get("/").header("x", "x".repeat(100_000))).await, 431);
    assert_eq!(status(client.get("/slow")).await, 503);
    assert_eq!(status(client.get("/panic")).await, 500);
    assert_eq!(status(client.get("/nowhere")).await, 404);
}

#[tokio::test]
async fn large_bodies_go_both_ways_and_one_that_nobody_reads_is_no_obstacle() {
    let echo = post(|body: Body| async { body }).layer(DefaultBodyLimit::disable());
    let client = serving(Router::new().route("/", echo).route("/unread", post(|| async { "unread" }))).await;
    let body = "x".repeat(5_000_000);
    assert!(client.post("/").body(body.clone()).await.unwrap().text() == body);
    for length in [200_000, 5_000_000] {
        assert_eq!(client.post("/unread").body("x".repeat(length)).await.unwrap().text(), "unread");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_run_at_the_same_time() {
    let both = Arc::new(tokio::sync::Barrier::new(20));
    let meet = move || {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
        }
    };
    let client = serving(Router::new().route("/", get(meet))).await;
    let asked: Vec<_> = (0..20).map(|_| tokio::spawn(client.get("/").into_future())).collect();
    for request in asked {
        assert_eq!(timeout(AT_LAST, request).await.unwrap().unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn values_scopes_and_reloads_are_at_hand() {
    struct Rates(usize);
    struct Session;
    let made = Arc::new(AtomicUsize::new(0));
    let rates = move || {
        let number = made.fetch_add(1, Ordering::Relaxed) + 1;
        async move { Ok::<_, Infallible>(Rates(number)) }
    };
    async fn number(State(rates): State<Lazy<Rates>>) -> String {
        rates.get().await.unwrap().0.to_string()
    }
    let app = App::builder()
        .provide(rates)
        .add(provide(|| async { Ok::<_, Infallible>(Session) }).scope(Scope::Request))
        .http(ADDRESS, |rates: Lazy<Rates>| Router::new().route("/", get(number)).with_state(rates));
    let client = built(app).test().await.unwrap();
    assert!(client.is_ready());
    assert_eq!((client.get("/").await.unwrap().text(), client.resolve::<Rates>().await.unwrap().0), ("1".into(), 1));
    client.reload::<Rates>().await.unwrap();
    assert_eq!(client.get("/").await.unwrap().text(), "2");
    let scope = client.scope(Scope::Request).await.unwrap();
    scope.resolve::<Session>().await.unwrap();
    scope.close().await.unwrap();
}

#[tokio::test]
async fn the_stop_answers_what_is_under_way_and_tells_what_fails() {
    let (asked, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asking, ending) = (Arc::clone(&asked), Arc::clone(&may_end));
    let slow = move || {
        let (asking, ending) = (Arc::clone(&asking), Arc::clone(&ending));
        async move {
            asking.notify_one();
            ending.notified().await;
            "answered"
        }
    };
    let app = App::builder()
        .resource(|| async {
            Ok::<_, Infallible>(Resource::new(Greeting("hello"), |_| async { Err::<(), _>(broken("it is stuck")) }))
        })
        .http(ADDRESS, move |_: Arc<Greeting>| Router::new().route("/", get(slow.clone())));
    let client = built(app).test().await.unwrap();
    let under_way = tokio::spawn(client.get("/").into_future());
    asked.notified().await;
    let stopping = tokio::spawn({
        let client = client.clone();
        async move { client.stop().await }
    });
    while client.is_ready() {
        tokio::task::yield_now().await;
    }
    may_end.notify_one();
    assert_eq!(under_way.await.unwrap().unwrap().text(), "answered");
    let error = stopping.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("`Greeting`") && error.ends_with("it is stuck"), "{error}");
    let late = client.get("/").await.unwrap_err().to_string();
    assert_eq!(late, "GET /: the application takes no requests any more");
}

#[tokio::test]
async fn an_application_that_nobody_holds_is_stopped_in_the_background() {
    let log = Log::default();
    let noted = log.clone();
    let greeting = move || {
        let log = noted.clone();
        async move { Ok::<_, Infallible>(Resource::new(Greeting("hello"), move |_| log.noting("closed"))) }
    };
    let app = App::builder().resource(greeting).http(ADDRESS, |_: Arc<Greeting>| Router::new());
    let client = built(app).test().await.unwrap();
    let other = client.at(ADDRESS);
    drop(client);
    assert_eq!(other.get("/").await.unwrap().status(), 404);
    drop(other);
    happened(&log, "closed").await;
}

#[tokio::test]
async fn a_start_that_fails_is_told_and_undone() {
    let log = Log::default();
    let noted = log.clone();
    let greeting = move || {
        let log = noted.clone();
        async move { Ok::<_, Infallible>(Resource::new(Greeting("hello"), move |_| log.noting("closed"))) }
    };
    let app =
        App::builder().resource(greeting).invoke(|_: Arc<Greeting>| async { Err(broken("not today")) }).http(ADDRESS, Router::new);
    let error = built(app).test().await.unwrap_err().to_string();
    assert!(error.ends_with("not today"), "{error}");
    assert_eq!(log.take(), ["closed"]);
}

#[tokio::test]
async fn of_several_listeners_the_request_says_which() {
    fn says(what: &'static str) -> impl Fn() -> Router + Clone + Send + Sync {
        move || Router::new().route("/", get(move || async move { what }))
    }
    let two = App::builder().http("0.0.0.0:80", says("public")).http("127.0.0.1:81", says("internal"));
    let client = built(two.clone()).test().await.unwrap();
    assert_eq!(client.at("0.0.0.0:80").get("/").await.unwrap().text(), "public");
    assert_eq!(client.at("127.0.0.1:81").get("/").await.unwrap().text(), "internal");
    let error = client.get("/").await.unwrap_err().to_string();
    assert!(error.contains("`0.0.0.0:80`") && error.ends_with("; choose one with at(..)"), "{error}");
    let error = client.at("127.0.0.1:82").get("/").await.unwrap_err().to_string();
    assert!(error.starts_with("no request can be made: nothing serves HTTP at `127.0.0.1:82`; use `"), "{error}");
    let twice = built(two.http("0.0.0.0:80", says("again"))).test().await.unwrap();
    let error = twice.at("0.0.0.0:80").get("/").await.unwrap_err().to_string();
    assert!(error.ends_with("HTTP is served at `0.0.0.0:80` more than once; declare different addresses"), "{error}");
    let none = built(App::builder().supply(Greeting("hello"))).test().await.unwrap();
    let error = none.get("/").await.unwrap_err().to_string();
    assert!(error.ends_with("nothing serves HTTP; add http(address, ...)"), "{error}");
    assert_eq!(none.resolve::<Greeting>().await.unwrap().0, "hello");
}

#[tokio::test]
async fn listeners_of_the_users_own_are_left_out() {
    let log = Log::default();
    let noted = log.clone();
    let door = move || {
        noted.note("bound");
        async { Ok::<_, Infallible>(Listening::new(|_| async {})) }
    };
    let client = built(App::builder().listener("door", door).http(ADDRESS, Router::new)).test().await.unwrap();
    assert_eq!(client.get("/").await.unwrap().status(), 404);
    client.stop().await.unwrap();
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_told() {
    let client = serving(Router::new()).await;
    let errors = [
        (client.get("/a b"), "GET /a b: the path cannot be sent: "),
        (client.get("links"), "GET links: `links` is no path; write `/links`"),
        (client.get("/").header("na me", "value"), "GET /: it cannot be sent: invalid HTTP header name"),
        (client.get("/").header("name", "a\nb"), "GET /: it cannot be sent: failed to parse header value"),
    ];
    for (request, told) in errors {
        let error = request.await.unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

// Tokio's paused clock.

#[tokio::test(start_paused = true)]
async fn a_paused_clock_goes_on_when_a_handler_waits() {
    let nap = || async {
        sleep(SECOND * 3600).await;
        "rested"
    };
    let client = serving(Router::new().route("/", get(nap))).await;
    let began = Instant::now();
    assert_eq!(client.get("/").await.unwrap().text(), "rested");
    assert_eq!(began.elapsed().as_secs(), 3600);
    client.stop().await.unwrap();
    assert!(began.elapsed() < SECOND * 3601, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_a_request_is_at_work() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let ticked = Arc::clone(&ticks);
    let tick = move |stop: Stop| {
        let ticked = Arc::clone(&ticked);
        async move {
            while stop.sleep(SECOND).await {
                ticked.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let echo = |request: Request| async {
        // It keeps the engine's thread, as a computation does.
        std::thread::sleep(Duration::from_millis(1));
        request.into_body()
    };
    let app = App::builder().worker("ticker", Restart::OnFailure, tick).http(ADDRESS, move || Router::new().route("/", post(echo)));
    let client = built(app).test().await.unwrap();
    for _ in 0..100 {
        let answer = timeout(Duration::from_millis(1), client.post("/").body("x".repeat(200_000))).await;
        assert_eq!(answer.unwrap().unwrap().body().len(), 200_000);
    }
    assert_eq!(ticks.load(Ordering::Relaxed), 0);
    sleep(SECOND * 10).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 9);
    client.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_background_is_in_what_the_end_tells() {
    let sweep = || async {
        sleep(SECOND).await;
        Err(broken("the broom is gone"))
    };
    let app = App::builder().worker("sweeper", Restart::Never, sweep).http(ADDRESS, Router::new);
    let client = built(app).test().await.unwrap();
    let error = client.ended().await.unwrap_err().to_string();
    assert!(error.ends_with("the broom is gone"), "{error}");
}
