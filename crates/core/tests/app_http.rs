//! HTTP through a tower service, over real sockets.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;
#[path = "app_support/client.rs"]
mod client;

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use app_support::{Log, Unfinished, broken, built, until};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    routing::{any, get, post},
};
use client::{Client, place};
use hostloop::{
    App, Resource,
    app::{AppHandle, Http, Peer, RequestBody, Running, Scope, construct},
};
use http_body::Frame;
use tokio::{
    net::{TcpStream, UnixStream},
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

const ANYWHERE: &str = "127.0.0.1:0";
const AT_LAST: Duration = Duration::from_secs(20);

struct Greeting(&'static str);

async fn serving(router: Router) -> Running {
    built(App::builder().http(ANYWHERE, move || router.clone())).start().await.unwrap()
}

/// A body whose pieces come from a channel.
struct Pieces(mpsc::Receiver<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_router_answers_with_what_the_graph_has_made_for_it() {
    async fn hello(State(greeting): State<Arc<Greeting>>, Path(name): Path<String>, Extension(peer): Extension<Peer>) -> String {
        assert!(peer.0.ip().is_loopback());
        format!("{}, {name}", greeting.0)
    }
    let router = |greeting: Arc<Greeting>| Router::new().route("/hello/{name}", get(hello)).with_state(greeting);
    let running = built(App::builder().supply(Greeting("hello")).http(ANYWHERE, router)).start().await.unwrap();
    let mut client = Client::connect(&running).await;
    for name in ["you", "me"] {
        let answer = client.get(&format!("/hello/{name}")).await;
        assert_eq!((answer.status, answer.text()), (200, format!("hello, {name}")));
        assert!(answer.head.contains(&format!("content-length: {}\r\n", answer.body.len())), "{}", answer.head);
    }
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(client.post("/hello/you", "").await.status, 405);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_of_every_length_come_and_go() {
    let echo = post(|body: Body| async move { body });
    let running = serving(Router::new().route("/", echo.layer(axum::extract::DefaultBodyLimit::disable()))).await;
    let mut client = Client::connect(&running).await;
    for length in [0, 1, 1000, 100_000, 5_000_000] {
        let body = "x".repeat(length);
        assert!(client.post("/", &body).await.text() == body, "{length} bytes");
    }
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().text(), "abcde");
}

#[tokio::test]
async fn a_streamed_response_is_sent_as_its_pieces_come() {
    let (sender, receiver) = mpsc::channel(1);
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let stream = move || {
        let pieces = receiver.lock().unwrap().take().unwrap();
        async move { Body::new(Pieces(pieces)) }
    };
    let running = serving(Router::new().route("/", get(stream))).await;
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.head().await.unwrap().contains("transfer-encoding: chunked"), "the head comes before the first piece");
    for piece in ["one", "two"] {
        sender.send(piece.into()).await.unwrap();
        assert_eq!(client.chunk().await.unwrap(), piece.as_bytes());
    }
    drop(sender);
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_response_back() {
    let produced = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&produced);
    let endless = move || {
        let (sender, receiver) = mpsc::channel(1);
        let counted = Arc::clone(&counted);
        tokio::spawn(async move {
            while sender.send(Bytes::from_static(&[0; 64 * 1024])).await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        async move { Body::new(Pieces(receiver)) }
    };
    let running = serving(Router::new().route("/", get(endless))).await;
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    let settled = settled(&produced).await;
    assert!(settled < 200, "{settled} pieces of 64 KiB were made for nobody");
    for _ in 0..settled + 10 {
        client.chunk().await.unwrap();
    }
    assert!(produced.load(Ordering::Relaxed) > settled);
}

/// Waits until a count has stood still for a while.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = count.load(Ordering::Relaxed);
        if now == last {
            return now;
        }
        last = now;
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_future_of_a_request_is_dropped_when_the_client_leaves() {
    let log = Log::default();
    let noted = log.clone();
    let hang = move || {
        let unfinished = Unfinished(noted.clone(), "handler");
        noted.note("asked");
        async move {
            pending::<()>().await;
            drop(unfinished);
        }
    };
    let running = serving(Router::new().route("/", get(hang))).await;
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    timeout(AT_LAST, happened(&log, "asked")).await.unwrap();
    drop(client);
    timeout(AT_LAST, happened(&log, "handler dropped")).await.unwrap();
}

async fn happened(log: &Log, what: &str) {
    while !log.take().iter().any(|noted| noted == what) {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    async fn fail() -> &'static str {
        panic!("out of cheese")
    }
    let running = serving(Router::new().route("/fail", get(fail)).route("/", get(|| async { "well" }))).await;
    let mut client = Client::connect(&running).await;
    let failed = client.get("/fail").await;
    assert_eq!(failed.status, 500);
    assert!(failed.head.contains("application/problem+json") && !failed.text().contains("cheese"), "{}", failed.text());
    assert_eq!(client.get("/").await.text(), "well");
}

#[tokio::test]
async fn an_error_of_the_service_is_a_500_and_one_in_the_middle_is_seen() {
    #[derive(Clone)]
    struct Failing;
    impl tower_service::Service<axum::http::Request<RequestBody>> for Failing {
        type Response = axum::http::Response<Body>;
        type Error = app_support::BoxError;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: axum::http::Request<RequestBody>) -> Self::Future {
            std::future::ready(match request.uri().path() {
                "/refused" => Err(broken("no")),
                _ => Ok(axum::http::Response::new(Body::new(Breaking(0)))),
            })
        }
    }
    struct Breaking(u8);
    impl http_body::Body for Breaking {
        type Data = Bytes;
        type Error = app_support::BoxError;

        fn poll_frame(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0 += 1;
            match self.0 {
                1 => Poll::Ready(Some(Ok(Frame::data("half".into())))),
                2 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(Some(Err(broken("the rest is lost")))),
            }
        }
    }
    let running = built(App::builder().http(ANYWHERE, || Failing)).start().await.unwrap();
    let mut client = Client::connect(&running).await;
    assert_eq!(client.get("/refused").await.status, 500);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let rest = timeout(AT_LAST, client.rest()).await.unwrap();
    assert!(!rest.ends_with("0\r\n\r\n"), "what is cut off must not look complete: {rest}");
}

#[tokio::test]
async fn what_a_handler_spawns_lives_on_with_the_application() {
    let (done, mut is_done) = mpsc::unbounded_channel();
    let go_on = Arc::new(Notify::new());
    let waited = Arc::clone(&go_on);
    let spawn = move || {
        let (done, waited) = (done.clone(), Arc::clone(&waited));
        async move {
            sleep(Duration::from_millis(1)).await;
            tokio::spawn(async move {
                waited.notified().await;
                done.send("later").unwrap();
            });
            tokio::task::spawn_blocking(|| "now").await.unwrap()
        }
    };
    let running = serving(Router::new().route("/", get(spawn))).await;
    assert_eq!(Client::connect(&running).await.get("/").await.text(), "now");
    running.stop().await.unwrap();
    go_on.notify_one();
    assert_eq!(timeout(AT_LAST, is_done.recv()).await.unwrap(), Some("later"));
}

#[tokio::test]
async fn a_request_may_have_a_scope_of_its_own() {
    struct Counter(AtomicUsize);
    struct Number(usize);
    async fn number(State(app): State<AppHandle>) -> String {
        let scope = app.scope(Scope::Request).await.unwrap();
        let (first, second) = (scope.resolve::<Number>().await.unwrap(), scope.resolve::<Number>().await.unwrap());
        assert_eq!(first.0, second.0);
        scope.close().await.unwrap();
        first.0.to_string()
    }
    let next = |counter: Arc<Counter>| Number(counter.0.fetch_add(1, Ordering::Relaxed));
    let app = App::builder()
        .supply(Counter(AtomicUsize::new(1)))
        .add(construct(next).scope(Scope::Request))
        .http(ANYWHERE, |app: AppHandle| Router::new().route("/", get(number)).with_state(app));
    let running = built(app).start().await.unwrap();
    let mut client = Client::connect(&running).await;
    assert_eq!((client.get("/").await.text(), client.get("/").await.text()), ("1".into(), "2".into()));
}

// How it ends.

#[tokio::test]
async fn what_is_under_way_is_answered_and_nobody_new_is_let_in() {
    let (go_on, started) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waited, notified) = (Arc::clone(&go_on), Arc::clone(&started));
    let slow = move || {
        let (waited, notified) = (Arc::clone(&waited), Arc::clone(&notified));
        async move {
            notified.notify_one();
            waited.notified().await;
            "answered"
        }
    };
    let running = Arc::new(serving(Router::new().route("/", get(slow))).await);
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    started.notified().await;
    let stopping = tokio::spawn({
        let running = Arc::clone(&running);
        async move { running.stop().await }
    });
    until(&running, |app| !app.is_ready()).await;
    let address = place(&running);
    timeout(AT_LAST, async { while TcpStream::connect(address).await.is_ok() {} }).await.unwrap();
    go_on.notify_one();
    let answer = client.answer().await.unwrap();
    assert!(answer.closes() && answer.text() == "answered", "{}", answer.head);
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_is_not_answered_in_time_is_cut_off_and_told() {
    let log = Log::default();
    let noted = log.clone();
    let hang = move || {
        let unfinished = Unfinished(noted.clone(), "handler");
        noted.note("asked");
        async move {
            pending::<()>().await;
            drop(unfinished);
        }
    };
    let router = Router::new().route("/", get(hang));
    let app = App::builder()
        .http(ANYWHERE, move || router.clone())
        .options(|options| options.drain_timeout = Some(Duration::from_millis(100)));
    let running = built(app).start().await.unwrap();
    let mut client = Client::connect(&running).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    timeout(AT_LAST, happened(&log, "asked")).await.unwrap();
    let (stopped, answer) = tokio::join!(running.stop(), client.answer());
    let error = stopped.unwrap_err().to_string();
    assert!(error.starts_with("listener `http 127.0.0.1:0` (crates/core/tests/app_http.rs:"), "{error}");
    assert!(error.ends_with("1 request was not answered in time and was cut off with a 503"), "{error}");
    assert_eq!(answer.unwrap().status, 503);
    assert_eq!(log.take(), ["handler dropped"]);
}

/// Sends one request after the other on kept connections until the server closes them, and counts the answers.
async fn load(address: std::net::SocketAddr, is_over: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    while let Ok(stream) = TcpStream::connect(address).await {
        let mut client = Client::over(stream);
        loop {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            if !client.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await {
                panic!("a connection was closed that had not been told of it");
            }
            let answer = client.answer().await.expect("a request was lost");
            assert_eq!((answer.status, answer.text().as_str()), (200, "answered"));
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.closes() {
                break;
            }
        }
    }
}

async fn stop_under_load(http: Http) {
    let answer = || async {
        sleep(Duration::from_millis(2)).await;
        "answered"
    };
    let router = Router::new().route("/", get(answer));
    let running = built(App::builder().http(http, move || router.clone())).start().await.unwrap();
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> =
        (0..40).map(|_| tokio::spawn(load(place(&running), Arc::clone(&is_over), Arc::clone(&answered)))).collect();
    timeout(AT_LAST, async {
        while answered.load(Ordering::Relaxed) < 500 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    running.stop().await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        timeout(AT_LAST, client).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_loses_no_request() {
    stop_under_load(ANYWHERE.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_threads_share_the_port_and_drain_together() {
    stop_under_load(Http::new(ANYWHERE).threads(2)).await;
}

#[tokio::test]
async fn the_service_is_gone_before_what_it_holds_is_taken_back() {
    struct Database;
    let app = App::builder()
        .resource(|| async { Ok::<_, Infallible>(Resource::owned(Database, |_| async {})) })
        .http(ANYWHERE, |database: Arc<Database>| Router::new().route("/", any(|| async {})).with_state(database));
    let running = built(app).start().await.unwrap();
    assert_eq!(Client::connect(&running).await.get("/").await.status, 200);
    running.stop().await.unwrap();
}

// Where it listens.

#[tokio::test]
async fn an_address_in_use_is_named_and_what_had_started_is_undone() {
    let log = Log::default();
    let running = serving(Router::new()).await;
    let closed = log.clone();
    let app = App::builder()
        .resource(move || {
            let closed = closed.clone();
            async move { Ok::<_, Infallible>(Resource::new(Greeting("well"), move |_| closed.noting("closed"))) }
        })
        .http(place(&running), |_: Arc<Greeting>| Router::new());
    let error = built(app).start().await.unwrap_err().to_string();
    assert!(error.contains("another socket listens there; stop it, choose another port, or port 0 for any"), "{error}");
    assert_eq!(log.take(), ["closed"]);
}

#[tokio::test]
async fn a_name_is_looked_up_and_nonsense_is_told_from_it() {
    let running = built(App::builder().http("localhost:0", Router::new)).start().await.unwrap();
    assert!(place(&running).ip().is_loopback());
    let error = built(App::builder().http("nonsense", Router::new)).start().await.unwrap_err().to_string();
    assert!(error.contains("`nonsense` is not an address; write 127.0.0.1:8000"), "{error}");
}

#[tokio::test]
async fn a_unix_socket_is_served_by_one_thread() {
    let folder = std::env::temp_dir().join(format!("hostloop-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let at = format!("unix:{}", folder.join("socket").display());
    let error = built(App::builder().http(Http::new(&at).threads(2), Router::new)).start().await.unwrap_err().to_string();
    assert!(error.contains("a unix socket is served by one thread, not by 2"), "{error}");
    let running = built(App::builder().http(at.as_str(), Router::new)).start().await.unwrap();
    UnixStream::connect(folder.join("socket")).await.unwrap();
    running.stop().await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
