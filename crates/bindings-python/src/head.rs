//! Heads of responses, checked when they are made.

use hostloop::{Address, ResponseHead};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pyo3::{prelude::*, pybacked::PyBackedStr};

use crate::errors::{invalid, to_python};

/// The status and header fields of a response.
#[pyclass(frozen, module = "hostloop._core")]
pub(crate) struct Head {
    pub(crate) inner: ResponseHead,
}

#[pymethods]
impl Head {
    #[new]
    fn new(py: Python<'_>, status: i64, headers: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)>) -> PyResult<Self> {
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in &headers {
            let name = text(py, "a header's name", name)?;
            let value = text(py, &format!("header {name}"), value)?;
            map.append(header_name(py, &name)?, header_value(py, &name, &value)?);
        }
        Ok(Self { inner: ResponseHead { status: self::status(py, status)?, headers: map } })
    }

    #[getter]
    fn status(&self) -> u16 {
        self.inner.status.as_u16()
    }

    #[getter]
    fn headers(&self) -> Vec<(&str, String)> {
        self.inner.headers.iter().map(|(name, value)| (name.as_str(), latin1(value.as_bytes()))).collect()
    }
}

fn status(py: Python<'_>, status: i64) -> PyResult<StatusCode> {
    u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| !status.is_informational())
        .ok_or_else(|| invalid(py, format!("status {status} is not a final response; use 200 to 999")))
}

fn text(py: Python<'_>, what: &str, value: &Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    value.extract().map_err(|_| invalid(py, format!("{what} is {value:?}; use str")))
}

fn header_name(py: Python<'_>, name: &str) -> PyResult<HeaderName> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid(py, format!("header name {name:?} is not a token; use letters, digits and -")))
}

fn header_value(py: Python<'_>, name: &str, value: &str) -> PyResult<HeaderValue> {
    let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).ok_or_else(|| {
        let fix = "remove line breaks, control characters and characters beyond Latin-1";
        invalid(py, format!("header {name} has the value {value:?}, which would break the response; {fix}"))
    })
}

/// Header values are bytes; Python reads them as Latin-1, as WSGI and ASGI frameworks do.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Reads an address as people write it, and writes it as it is shown: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`.
#[pyfunction]
pub(crate) fn parse_address(text: &str) -> PyResult<String> {
    text.parse::<Address>().map(|address| address.to_string()).map_err(to_python)
}

/// What a path may not hold by itself (RFC 3986). `%` stays: a path that is encoded already is left as it is.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'#').add(b'?').add(b'{').add(b'}');

/// Percent-encodes what may not stand in a path by itself.
#[pyfunction]
pub(crate) fn quote_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}
