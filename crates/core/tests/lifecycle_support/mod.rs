//! A host that plays the cases of `conformance/lifecycle`.

pub(crate) mod data;
pub(crate) mod player;
pub(crate) mod wiring;
