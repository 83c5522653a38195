//! The native layer of hostloop for Python: converts, calls and maps errors. Idiom, types and documentation are the Python
//! package's.

mod client;
mod errors;
mod exchange;
mod first_steps;
mod head;
mod host;
mod lifecycle;
mod options;
mod pinned;
mod routes;

use pyo3::prelude::*;

/// The native layer under `hostloop`. Use that.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::{
        client::Client,
        exchange::Exchange,
        head::{Head, parse_address, quote_path},
        host::Host,
        lifecycle::{
            graph::Graph,
            plan::Plan,
            run::{ManualClock, Run},
            watch::Watcher,
        },
        routes::Routes,
    };
}
