//! Core errors as Python exceptions, by one table.

use hostloop::ErrorKind;
use pyo3::{PyErr, Python, prelude::*, sync::PyOnceLock, types::PyType};

/// Makes the Python exception of a core error.
pub(crate) fn to_python(error: hostloop::Error) -> PyErr {
    Python::attach(|py| {
        let class = match class(py, name(error.kind())) {
            Ok(class) => class,
            Err(missing) => return missing,
        };
        match error.os_error() {
            Some(number) => PyErr::from_type(class, (number, error.message().to_owned())),
            None => PyErr::from_type(class, (error.message().to_owned(),)),
        }
    })
}

fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Stale => "StaleError",
        ErrorKind::Forked => "ForkedError",
        ErrorKind::Closed => "ClosedError",
        ErrorKind::Invalid => "InvalidError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::Full => "FullError",
        ErrorKind::AddressInUse | ErrorKind::AddressUnavailable => "AddressError",
        _ => "EngineError",
    }
}

/// A class of `hostloop.errors`.
pub(crate) fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("hostloop.errors").map(Bound::unbind))?;
    Ok(module.bind(py).getattr(name)?.cast_into::<PyType>()?)
}

pub(crate) fn closed(message: &'static str) -> PyErr {
    Python::attach(|py| class(py, "ClosedError").map_or_else(|error| error, |class| PyErr::from_type(class, (message,))))
}

pub(crate) fn invalid(py: Python<'_>, message: String) -> PyErr {
    class(py, "InvalidError").map_or_else(|error| error, |class| PyErr::from_type(class, (message,)))
}
