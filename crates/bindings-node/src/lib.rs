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
mod resident;
mod response;
mod socket;
mod uv;

/// A turn allocates and frees many small things at once, one of each for every request. The system's allocator keeps few of a size at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[napi_derive::module_init]
fn init() {
    resident::stay();
}
