//! The test client's end of an in-memory connection.

use hostloop::Handle;
use pyo3::prelude::*;

use crate::host::Host;

/// Bytes to and from a server, without a socket.
#[pyclass(frozen, module = "hostloop._core")]
pub(crate) struct Client {
    host: Py<Host>,
    handle: Handle,
}

impl Client {
    pub(crate) fn new(host: Py<Host>, handle: Handle) -> Self {
        Self { host, handle }
    }
}

#[pymethods]
impl Client {
    /// Sends the start of the bytes and returns how much that was.
    fn send(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        self.host.get().verb(py, |engine| engine.client_send(self.handle, bytes))
    }

    /// Tells the server that nothing more will be sent.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.client_shutdown(self.handle))
    }

    /// Goes away.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.host.get().verb(py, |engine| engine.client_close(self.handle))
    }
}
