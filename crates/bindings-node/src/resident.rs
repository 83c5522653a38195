//! The module stays loaded until the process ends.
//!
//! Node unloads a native module when the last environment that has loaded it ends, as a worker thread does. What the allocator and Rust's
//! standard library keep for each thread outlives that, and would point into nothing once the module is loaded again.

use std::{ffi::c_void, mem::MaybeUninit};

/// Has the loader never unload this module.
pub(crate) fn stay() {
    let own: fn() = stay;
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: the address is in this module, whose name the loader gives and keeps. The module is open already, so that nothing is loaded.
    unsafe {
        if libc::dladdr(own as *const c_void, found.as_mut_ptr()) != 0 {
            let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            libc::dlopen(found.assume_init().dli_fname, flags);
        }
    }
}
