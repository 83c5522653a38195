//! The routes of an application, checked as they are added.

use hostloop::RouteOptions;
use http::Method;
use pyo3::prelude::*;

use crate::errors::{invalid, to_python};

/// Methods and paths, before there is a server for them.
#[pyclass(module = "hostloop._core")]
#[derive(Default)]
pub(crate) struct Routes {
    inner: hostloop::Routes,
}

#[pymethods]
impl Routes {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Adds a route. Raises ConflictError if it is given twice, InvalidError if it cannot be read or told from another.
    fn insert(&mut self, py: Python<'_>, name: &str, path: &str) -> PyResult<()> {
        self.inner.insert(method(py, name)?, path, 0, RouteOptions::default()).map_err(to_python)
    }
}

/// Reads a method.
pub(crate) fn method(py: Python<'_>, name: &str) -> PyResult<Method> {
    Method::from_bytes(name.as_bytes()).map_err(|_| invalid(py, format!("method {name:?} is not a token; use GET, POST, ...")))
}
