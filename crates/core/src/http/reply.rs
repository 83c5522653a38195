//! Responses: what a host gives, and what the engine answers by itself.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING},
};

use hyper::ext::ReasonPhrase;

use super::{body::Body, strict::Refusal};
use crate::error::{Error, Result};

/// A response as a host gives it, without its body.
///
/// `Date` and the framing of the body are the engine's to write.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The status, 200 to 999.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
}

impl ResponseHead {
    /// Refuses what would break the framing of the connection. `length` is the body's, where it is known.
    ///
    /// The answer to HEAD and a 304 may tell the length of a body that is not sent.
    pub(crate) fn check(&self, operation: &'static str, length: Option<usize>, is_head: bool) -> Result<()> {
        if self.status.is_informational() {
            return Err(Error::invalid(
                operation,
                format!("status {} is not a final response; use 200 to 999", self.status.as_u16()),
            ));
        }
        if self.headers.contains_key(TRANSFER_ENCODING) {
            return Err(Error::invalid(operation, "header `transfer-encoding` is written by the engine; leave it out"));
        }
        let Some(given) = self.headers.get(CONTENT_LENGTH) else { return Ok(()) };
        let stated: Option<usize> = given.to_str().ok().and_then(|given| given.parse().ok());
        let is_sent = !is_head && self.status != StatusCode::NOT_MODIFIED;
        match (stated, length) {
            (None, _) => {
                Err(Error::invalid(operation, format!("header `content-length` is {given:?}, not a number of bytes; leave it out")))
            }
            (Some(stated), Some(length)) if is_sent && stated != length => Err(Error::invalid(
                operation,
                format!("header `content-length` says {stated}, the body has {length} bytes; leave it out"),
            )),
            _ => Ok(()),
        }
    }

    /// How many bytes of body the client will take, if the head says.
    pub(crate) fn body_length(&self) -> Option<u64> {
        match self.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Some(0),
            _ => self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok(),
        }
    }

    pub(crate) fn with(self, body: Body) -> http::Response<Body> {
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.status.canonical_reason().is_none() {
            response.extensions_mut().insert(ReasonPhrase::from_static(b"unknown"));
        }
        response
    }
}

/// An answer of the engine's own, as problem details (RFC 9457).
pub(crate) fn problem(status: StatusCode, detail: &str) -> http::Response<Body> {
    let mut response = http::Response::new(Body::whole(problem_body(status, detail)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    response
}

/// The same on a connection that the parser has given up, as bytes.
pub(crate) fn refusal(refusal: Refusal) -> Vec<u8> {
    let body = problem_body(refusal.status, refusal.detail);
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let reason = refusal.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\ndate: {date}\r\n\r\n",
        refusal.status.as_u16(),
        body.len(),
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

const PROBLEM_JSON: &str = "application/problem+json";

/// Details are texts of this crate, without quotes or control characters.
fn problem_body(status: StatusCode, detail: &str) -> Bytes {
    let title = status.canonical_reason().unwrap_or("Error");
    format!(r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{detail}"}}"#, status.as_u16()).into()
}
