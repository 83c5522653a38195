//! Watching folders: something in them has changed.

use std::path::Path;

use notify::{Event, RecursiveMode, Watcher as _, recommended_watcher};
use pyo3::prelude::*;

use crate::errors::invalid;

/// Calls `changed(path)` for each file that changes in a folder, from a thread of its own, until it is closed.
#[pyclass(module = "hostloop._core")]
pub(crate) struct Watcher {
    inner: Option<notify::RecommendedWatcher>,
}

#[pymethods]
impl Watcher {
    #[new]
    fn new(py: Python<'_>, changed: Py<PyAny>) -> PyResult<Self> {
        let report = move |event: notify::Result<Event>| {
            if let Ok(event) = event
                && !event.kind.is_access()
            {
                Python::attach(|py| tell(py, &changed, &event));
            }
        };
        let inner = recommended_watcher(report).map_err(|error| invalid(py, format!("nothing can be watched: {error}")))?;
        Ok(Self { inner: Some(inner) })
    }

    /// Watches a folder, and with `recursive` the folders in it.
    fn watch(&mut self, py: Python<'_>, folder: &str, recursive: bool) -> PyResult<()> {
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        let Some(inner) = &mut self.inner else { return Ok(()) };
        py.detach(|| inner.watch(Path::new(folder), mode))
            .map_err(|error| invalid(py, format!("folder {folder:?} cannot be watched: {error}")))
    }

    /// Ends the watching, and its thread.
    fn close(&mut self, py: Python<'_>) {
        let inner = self.inner.take();
        // The thread may be waiting for the interpreter.
        py.detach(|| drop(inner));
    }
}

fn tell(py: Python<'_>, changed: &Py<PyAny>, event: &Event) {
    for path in &event.paths {
        if let Err(error) = changed.call1(py, (path.to_string_lossy(),)) {
            error.write_unraisable(py, None);
        }
    }
}
