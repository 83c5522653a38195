//! Watching files and folders.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;

use crate::errors::to_python;

/// Calls `changed(path)` for each watched path that changes, from a thread of its own, until it is closed.
#[pyclass(module = "hostloop._core")]
pub(crate) struct Watcher {
    inner: Option<hostloop::Watcher>,
}

#[pymethods]
impl Watcher {
    #[new]
    fn new(changed: Py<PyAny>) -> PyResult<Self> {
        let inner = hostloop::Watcher::new(move |path| Python::attach(|py| tell(py, &changed, path))).map_err(to_python)?;
        Ok(Self { inner: Some(inner) })
    }

    /// Watches a file, or a folder with all that is in it, wherever links lead.
    #[expect(clippy::needless_pass_by_value, reason = "what is taken from Python is owned")]
    fn watch(&mut self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let Some(inner) = &mut self.inner else { return Ok(()) };
        py.detach(|| inner.watch(&path)).map_err(to_python)
    }

    /// Ends the watching, and its thread.
    fn close(&mut self, py: Python<'_>) {
        let inner = self.inner.take();
        // The thread may be waiting for the interpreter.
        py.detach(|| drop(inner));
    }
}

fn tell(py: Python<'_>, changed: &Py<PyAny>, path: &Path) {
    if let Err(error) = changed.call1(py, (path.as_os_str(),)) {
        error.write_unraisable(py, None);
    }
}
