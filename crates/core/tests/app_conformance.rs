//! The raw requests of `conformance/http1`, against a tower service.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;
#[path = "app_support/client.rs"]
#[allow(dead_code, reason = "only the place of the server is asked for")]
mod client;

use std::{convert::Infallible, task::Poll, time::Duration};

use app_support::built;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, Path, RawQuery},
    http::{
        HeaderMap, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hostloop::{App, app::Http};
use http_body::Frame;
use tokio::process::Command;

/// Three words, each when it is asked for.
struct Words(Vec<&'static str>);

impl http_body::Body for Words {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(|word| Ok(Frame::data(word.into()))))
    }
}

async fn headers(headers: HeaderMap) -> Json<Vec<(String, String)>> {
    let latin = |value: &[u8]| value.iter().map(|&byte| char::from(byte)).collect();
    Json(headers.iter().map(|(name, value)| (name.to_string(), latin(value.as_bytes()))).collect())
}

/// The corpus wants the methods of `Allow` as they are written by hand.
async fn spaced(mut response: Response) -> Response {
    if let Some(allow) = response.headers_mut().get_mut(ALLOW) {
        *allow = allow.to_str().unwrap().replace(',', ", ").parse().unwrap();
    }
    response
}

fn router() -> Router {
    let text = |text: &'static str| move || async move { text };
    Router::new()
        .route("/", get(text("ok")))
        .route("/echo", post(|body: Bytes| async move { ([(CONTENT_TYPE, "application/octet-stream")], body) }))
        .route("/items/{id}", get(|Path(id): Path<String>| async move { id }).put(text("put")))
        .route("/rest/{*rest}", get(|Path(rest): Path<String>| async move { rest }))
        .route("/unread", post(text("unread")))
        .route("/stream", get(|| async { Body::new(Words(vec!["three", "two", "one"])) }))
        .route("/headers", get(headers))
        .route("/query", get(|RawQuery(query): RawQuery| async { query.unwrap_or_default() }))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT.into_response() }))
        .layer(DefaultBodyLimit::disable())
}

#[tokio::test]
async fn what_rfc_9112_allows_is_served_and_the_rest_is_refused() {
    let http = Http::new("127.0.0.1:0").options(|options| {
        options.limits.head_bytes = 16 * 1024;
        options.limits.target_bytes = 4 * 1024;
        options.limits.header_count = 64;
        options.limits.body_bytes = 64 * 1024;
        options.timeouts.header = Some(Duration::from_secs(1));
        options.timeouts.body = Some(Duration::from_secs(1));
    });
    let service = || Router::new().fallback_service(router()).layer(map_response(spaced));
    let running = built(App::builder().http(http, service)).start().await.unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/http1/run.py");
    let port = client::place(&running).port().to_string();
    let told = Command::new("python3").args([root, "127.0.0.1", &port]).output().await.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}
