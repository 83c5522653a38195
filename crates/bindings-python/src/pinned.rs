//! A value that belongs to one thread, inside an object that Python may pass around.

use std::{
    mem::ManuallyDrop,
    ops::Deref,
    thread::{self, ThreadId},
};

use pyo3::{PyErr, exceptions::PyRuntimeError};

/// Gives its value out on the thread that made it, and refuses elsewhere.
///
/// Dropped elsewhere, the value is leaked: its parts may not be touched from there.
pub(crate) struct Pinned<T> {
    owner: ThreadId,
    value: ManuallyDrop<T>,
}

// SAFETY: every way to the value compares the current thread with the owner first.
unsafe impl<T> Send for Pinned<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Pinned<T> {}

impl<T> Pinned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { owner: thread::current().id(), value: ManuallyDrop::new(value) }
    }

    pub(crate) fn get(&self) -> Result<&T, PyErr> {
        if self.is_home() {
            return Ok(self.value.deref());
        }
        Err(PyRuntimeError::new_err(
            "this belongs to the thread of the event loop; reach it from here with loop.call_soon_threadsafe",
        ))
    }

    fn is_home(&self) -> bool {
        thread::current().id() == self.owner
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        if self.is_home() {
            // SAFETY: this is the owning thread, and the value is not used again.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}
