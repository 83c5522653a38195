//! The lifecycle for Node: the graph as it is declared, the plan as it was checked, and the run as the container drives it.
//!
//! All three speak in numbers. What they number, functions, values and errors, stays in tables of the public layer.

mod graph;
mod plan;
mod policy;
mod routes;
mod run;
mod told;
