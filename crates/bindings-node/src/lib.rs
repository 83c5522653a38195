//! hostloop for Node: the native layer, under the public one in `lib/`.
//!
//! The engine runs on the thread of Node's own loop, which watches its descriptor. What a turn reports crosses into JavaScript as one
//! call for the whole batch: numbers in an array that both sides see, and one string.

mod batch;
mod buffers;
mod callback;
mod direct;
mod errors;
mod host;
mod lifecycle;
mod options;
mod response;
mod socket;
mod uv;
