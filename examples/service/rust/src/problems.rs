//! What is answered when something is wrong, as problem details (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

/// One wrong value: where it came from, what it is called, what came and what was wanted.
#[derive(Debug, Serialize)]
pub struct Fault {
    r#in: &'static str,
    name: &'static str,
    got: Value,
    wanted: String,
}

impl Fault {
    /// A member of the body, or all of it without a name.
    pub fn body(name: &'static str, got: Value, wanted: impl Into<String>) -> Self {
        Self { r#in: "body", name, got, wanted: wanted.into() }
    }

    /// A parameter of the query.
    pub fn query(name: &'static str, got: &str, wanted: impl Into<String>) -> Self {
        Self { r#in: "query", name, got: got.into(), wanted: wanted.into() }
    }
}

/// An answer that says what is wrong.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    faults: Vec<Fault>,
}

impl Problem {
    /// Makes an answer with this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), faults: Vec::new() }
    }

    /// The 422 that names every fault.
    #[must_use]
    pub fn unprocessable(faults: Vec<Fault>) -> Self {
        let said: Vec<_> = faults.iter().map(said).collect();
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: said.join("; "), faults }
    }
}

fn said(fault: &Fault) -> String {
    let name = if fault.name.is_empty() { "the body" } else { fault.name };
    format!("{name} must be {}", fault.wanted)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = match self.status {
            // What RFC 9110 calls it now.
            StatusCode::UNPROCESSABLE_ENTITY => "Unprocessable Content",
            status => status.canonical_reason().unwrap_or("Error"),
        };
        let mut body = json!({"type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail});
        if !self.faults.is_empty() {
            body["errors"] = json!(self.faults);
        }
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// The database failed: the visitor is told that, and the log why.
impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        eprintln!("links: the database failed: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database failed; the service's log says why")
    }
}
