//! One request as a compiled route sees it: lazy getters, and the verbs that answer it.

use bytes::Bytes;
use hostloop::{Handle, RequestHead, ResponseHead};
use http::{HeaderValue, StatusCode, Version, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use pyo3::{
    exceptions::PyUnicodeDecodeError,
    prelude::*,
    pybacked::{PyBackedBytes, PyBackedStr},
    types::{PyBytes, PyString},
};

use crate::{
    head::{Head, latin1},
    host::Host,
};

/// Bodies from this size on are sent from Python's memory instead of being copied.
const COPY_LIMIT: usize = 4096;

/// A request, and the way to answer it. Nothing is decoded before it is asked for.
#[pyclass(frozen, weakref, module = "hostloop._core")]
pub(crate) struct Exchange {
    host: Py<Host>,
    handle: Handle,
    head: Box<RequestHead>,
    body: Option<Bytes>,
}

impl Exchange {
    pub(crate) fn new(host: Py<Host>, handle: Handle, head: Box<RequestHead>, body: Option<Bytes>) -> Self {
        Self { host, handle, head, body }
    }

    fn respond_whole(&self, py: Python<'_>, media_type: &'static str, body: Bytes) -> PyResult<()> {
        let mut head = ResponseHead::default();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.host.get().verb(py, |engine| engine.respond(self.handle, head, body))
    }
}

#[pymethods]
impl Exchange {
    #[getter]
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    /// The path, percent-decoded as UTF-8. Bytes that are not UTF-8 become U+FFFD.
    #[getter]
    fn path(&self) -> String {
        percent_decode_str(self.head.uri.path()).decode_utf8_lossy().into_owned()
    }

    /// The path and query as they were sent.
    #[getter]
    fn target(&self) -> String {
        self.head.uri.path_and_query().map_or_else(|| self.head.uri.to_string(), ToString::to_string)
    }

    #[getter]
    fn raw_path(&self) -> &str {
        self.head.uri.path()
    }

    #[getter]
    fn query_string(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    #[getter]
    fn http_version(&self) -> &'static str {
        if self.head.version == Version::HTTP_10 { "1.0" } else { "1.1" }
    }

    /// The client's address and port, or None where it has none.
    #[getter]
    fn client(&self) -> Option<(String, u16)> {
        self.head.peer.map(|peer| (peer.ip().to_string(), peer.port()))
    }

    /// The header fields, names in lower case, in the order of their first appearance.
    #[getter]
    fn headers(&self) -> Vec<(&str, String)> {
        self.head.headers.iter().map(|(name, value)| (name.as_str(), latin1(value.as_bytes()))).collect()
    }

    /// The first field of that name.
    fn header(&self, name: &str) -> Option<String> {
        self.head.headers.get(name).map(|value| latin1(value.as_bytes()))
    }

    /// A path parameter by its place in the route, percent-decoded. Raises UnicodeDecodeError if it is not UTF-8.
    fn param<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyString>> {
        let raw = self.head.param(index).unwrap_or_default();
        let decoded: std::borrow::Cow<'_, [u8]> = percent_decode_str(raw).into();
        match std::str::from_utf8(&decoded) {
            Ok(text) => Ok(PyString::new(py, text)),
            Err(error) => Err(PyErr::from_value(PyUnicodeDecodeError::new_utf8(py, &decoded, error)?.into_any())),
        }
    }

    /// The whole body, on routes that ask for it before they are called; elsewhere None.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.body.as_ref().map(|body| PyBytes::new(py, body))
    }

    /// Reads on in the body. The future gives the next bytes, or None at the end.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.host.get().verb_with_future(py, |engine, token| engine.request_read(self.handle, token))
    }

    /// Answers with a text.
    fn text(&self, py: Python<'_>, text: PyBackedStr) -> PyResult<()> {
        self.respond_whole(
            py,
            "text/plain; charset=utf-8",
            if text.len() < COPY_LIMIT { Bytes::copy_from_slice(text.as_bytes()) } else { Bytes::from_owner(text) },
        )
    }

    /// Answers with JSON that is encoded already.
    fn json(&self, py: Python<'_>, encoded: PyBackedBytes) -> PyResult<()> {
        self.respond_whole(py, "application/json", share(encoded))
    }

    /// Answers with bytes.
    fn bytes(&self, py: Python<'_>, bytes: PyBackedBytes) -> PyResult<()> {
        self.respond_whole(py, "application/octet-stream", share(bytes))
    }

    /// Answers 204.
    fn no_content(&self, py: Python<'_>) -> PyResult<()> {
        let head = ResponseHead { status: StatusCode::NO_CONTENT, ..ResponseHead::default() };
        self.host.get().verb(py, |engine| engine.respond(self.handle, head, Bytes::new()))
    }

    /// Answers with any head and body.
    fn respond(&self, py: Python<'_>, head: &Head, body: PyBackedBytes) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.respond(self.handle, head.inner.clone(), share(body)))
    }

    /// Starts a streamed response.
    fn start(&self, py: Python<'_>, head: &Head) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.respond_streamed(self.handle, head.inner.clone()))
    }

    /// Writes the next piece. The future gives True when it has left for the client, False if the client is gone.
    fn write<'py>(&self, py: Python<'py>, bytes: PyBackedBytes) -> PyResult<Bound<'py, PyAny>> {
        self.host.get().verb_with_future(py, |engine, token| engine.write(self.handle, share(bytes), token))
    }

    /// Ends a streamed response.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.finish(self.handle))
    }

    /// Closes the connection, so that the client sees an incomplete response.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.abort(self.handle))
    }
}

fn share(bytes: PyBackedBytes) -> Bytes {
    if bytes.len() < COPY_LIMIT { Bytes::copy_from_slice(&bytes) } else { Bytes::from_owner(bytes) }
}
