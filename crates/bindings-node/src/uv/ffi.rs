//! The little of libuv that a guest of Node's loop needs. The node binary exports it.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ffi::{c_int, c_uint, c_void},
    ptr::NonNull,
    rc::Rc,
};

use napi::sys::uv_loop_s;

/// What libuv calls `uv_handle_t`; its size is asked of the libuv that is there.
#[repr(C)]
pub(super) struct Handle {
    _private: [u8; 0],
}

/// Kinds of handles, as libuv numbers them.
pub(super) const ASYNC: c_uint = 1;
pub(super) const POLL: c_uint = 8;
pub(super) const PREPARE: c_uint = 9;

pub(super) const READABLE: c_int = 1;

unsafe extern "C" {
    fn uv_handle_size(kind: c_uint) -> usize;
    fn uv_handle_set_data(handle: *mut Handle, data: *mut c_void);
    fn uv_handle_get_data(handle: *const Handle) -> *mut c_void;
    fn uv_close(handle: *mut Handle, callback: extern "C" fn(*mut Handle));
    fn uv_ref(handle: *mut Handle);
    fn uv_unref(handle: *mut Handle);
    pub(super) fn uv_poll_init(event_loop: *mut uv_loop_s, handle: *mut Handle, fd: c_int) -> c_int;
    pub(super) fn uv_poll_start(handle: *mut Handle, events: c_int, callback: extern "C" fn(*mut Handle, c_int, c_int)) -> c_int;
    pub(super) fn uv_prepare_init(event_loop: *mut uv_loop_s, handle: *mut Handle) -> c_int;
    pub(super) fn uv_prepare_start(handle: *mut Handle, callback: extern "C" fn(*mut Handle)) -> c_int;
    pub(super) fn uv_async_init(event_loop: *mut uv_loop_s, handle: *mut Handle, callback: extern "C" fn(*mut Handle)) -> c_int;
    pub(super) fn uv_async_send(handle: *mut Handle) -> c_int;
}

/// A handle with a count of its guest, in memory that the loop gives back after [`Held::close`].
pub(super) struct Held {
    handle: NonNull<Handle>,
    kind: c_uint,
}

/// What a handle's data points to.
struct Data<G> {
    guest: Rc<G>,
    kind: c_uint,
    /// Called with the guest when the loop has let go.
    closed: fn(&G),
}

impl Held {
    /// Makes a handle. It does not keep the loop alive.
    ///
    /// # Errors
    ///
    /// What `init` returns.
    ///
    /// # Safety
    ///
    /// `init` initialises a handle of this kind.
    pub(super) unsafe fn new<G>(
        kind: c_uint,
        guest: &Rc<G>,
        closed: fn(&G),
        init: impl FnOnce(*mut Handle) -> c_int,
    ) -> Result<Self, c_int> {
        let layout = layout(kind);
        // SAFETY: a handle is never empty, and is initialised before anything else uses it.
        unsafe {
            let memory = alloc_zeroed(layout);
            let handle: NonNull<Handle> = NonNull::new(memory.cast()).unwrap_or_else(|| std::alloc::handle_alloc_error(layout));
            let failed = init(handle.as_ptr());
            if failed != 0 {
                dealloc(memory, layout);
                return Err(failed);
            }
            let data = Box::new(Data { guest: Rc::clone(guest), kind, closed });
            uv_handle_set_data(handle.as_ptr(), Box::into_raw(data).cast());
            uv_unref(handle.as_ptr());
            Ok(Self { handle, kind })
        }
    }

    pub(super) fn as_ptr(&self) -> *mut Handle {
        self.handle.as_ptr()
    }

    /// Says whether the handle keeps the loop, and so the process, alive.
    pub(super) fn keep_alive(&self, keep: bool) {
        // SAFETY: the handle is open as long as there is a `Held`.
        unsafe { if keep { uv_ref(self.as_ptr()) } else { uv_unref(self.as_ptr()) } }
    }

    /// Has the loop let go, and the memory be freed then. `G` is the guest's type.
    pub(super) fn close<G>(self) {
        debug_assert!([ASYNC, POLL, PREPARE].contains(&self.kind));
        // SAFETY: the handle is open until here, and nobody has it after.
        unsafe { uv_close(self.as_ptr(), on_closed::<G>) }
    }
}

fn layout(kind: c_uint) -> Layout {
    // SAFETY: the kinds are libuv's.
    let size = unsafe { uv_handle_size(kind) };
    Layout::from_size_align(size, align_of::<u128>()).unwrap_or_else(|_| unreachable!("{size} bytes are no handle"))
}

/// The guest of a handle.
///
/// # Safety
///
/// The handle is open, and was made for a guest of this type.
pub(super) unsafe fn guest<G>(handle: *const Handle) -> Rc<G> {
    // SAFETY: the handle's data is there until it is closed.
    unsafe { Rc::clone(&(*uv_handle_get_data(handle).cast::<Data<G>>()).guest) }
}

extern "C" fn on_closed<G>(handle: *mut Handle) {
    // SAFETY: the handle was made by `Held::new`, and this is the last that is heard of it.
    let data = unsafe {
        let data = Box::from_raw(uv_handle_get_data(handle).cast::<Data<G>>());
        dealloc(handle.cast(), layout(data.kind));
        data
    };
    (data.closed)(&data.guest);
}
