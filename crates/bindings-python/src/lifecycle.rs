//! The lifecycle for Python: the graph as it is declared, the plan as it was checked, and the run as the container drives it.
//!
//! All three speak in numbers. What they number, functions, values and exceptions, stays in tables of the Python layer.

pub(crate) mod graph;
pub(crate) mod plan;
mod policy;
pub(crate) mod run;
mod told;
pub(crate) mod watch;
