//! The little of libuv that a guest of Node's loop needs. The node binary exports it.
//!
//! A [`Watch`] has the loop call back when a descriptor is readable, and once more each time before the loop waits.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ffi::{c_int, c_uint, c_void},
    ptr::NonNull,
    rc::Rc,
};

use napi::sys::uv_loop_s;

/// What libuv calls `uv_handle_t`; its size is asked of the libuv that is there.
#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

const POLL: c_uint = 8;
const PREPARE: c_uint = 9;
const READABLE: c_int = 1;

unsafe extern "C" {
    fn uv_handle_size(kind: c_uint) -> usize;
    fn uv_handle_set_data(handle: *mut Handle, data: *mut c_void);
    fn uv_handle_get_data(handle: *const Handle) -> *mut c_void;
    fn uv_poll_init(event_loop: *mut uv_loop_s, handle: *mut Handle, fd: c_int) -> c_int;
    fn uv_poll_start(handle: *mut Handle, events: c_int, callback: extern "C" fn(*mut Handle, c_int, c_int)) -> c_int;
    fn uv_prepare_init(event_loop: *mut uv_loop_s, handle: *mut Handle) -> c_int;
    fn uv_prepare_start(handle: *mut Handle, callback: extern "C" fn(*mut Handle)) -> c_int;
    fn uv_close(handle: *mut Handle, callback: extern "C" fn(*mut Handle));
    fn uv_ref(handle: *mut Handle);
    fn uv_unref(handle: *mut Handle);
}

/// Who is called by the loop.
pub(crate) trait Guest {
    /// The descriptor is readable.
    fn readable(self: Rc<Self>);

    /// The loop is about to wait.
    fn before_waiting(self: Rc<Self>);

    /// The loop has let go of the handles, and the descriptor may be closed.
    fn released(&self);
}

/// Two handles in a loop. They are freed by the loop, after [`Watch::close`].
pub(crate) struct Watch {
    poll: NonNull<Handle>,
    prepare: NonNull<Handle>,
}

impl Watch {
    /// Has the loop watch a descriptor. It does not keep the process alive before [`Watch::keep_alive`].
    ///
    /// # Errors
    ///
    /// libuv's error number.
    ///
    /// # Safety
    ///
    /// The loop is the one of this thread, and outlives the watch. The descriptor stays open until [`Guest::released`].
    pub(crate) unsafe fn open<G: Guest>(event_loop: *mut uv_loop_s, fd: c_int, guest: &Rc<G>) -> Result<Self, c_int> {
        // SAFETY: each handle is allocated in its size, initialised before it is started, and freed after it is closed.
        unsafe {
            let poll = allocate(POLL);
            let failed = uv_poll_init(event_loop, poll.as_ptr(), fd);
            if failed != 0 {
                free(poll, POLL);
                return Err(failed);
            }
            let prepare = allocate(PREPARE);
            uv_prepare_init(event_loop, prepare.as_ptr());
            for handle in [poll, prepare] {
                uv_handle_set_data(handle.as_ptr(), Rc::into_raw(Rc::clone(guest)).cast_mut().cast());
                uv_unref(handle.as_ptr());
            }
            uv_poll_start(poll.as_ptr(), READABLE, on_readable::<G>);
            uv_prepare_start(prepare.as_ptr(), on_prepare::<G>);
            Ok(Self { poll, prepare })
        }
    }

    /// Says whether the watch keeps the loop, and so the process, alive.
    pub(crate) fn keep_alive(&self, keep: bool) {
        // SAFETY: the handle is initialised, and not closed while there is a `Watch`.
        unsafe { if keep { uv_ref(self.poll.as_ptr()) } else { uv_unref(self.poll.as_ptr()) } }
    }

    /// Has the loop let go. [`Guest::released`] follows.
    pub(crate) fn close<G: Guest>(self) {
        // SAFETY: both are open until here, and `self` is gone after. The handles are freed in their callbacks.
        unsafe {
            uv_close(self.prepare.as_ptr(), on_prepare_closed::<G>);
            uv_close(self.poll.as_ptr(), on_poll_closed::<G>);
        }
    }
}

fn layout(kind: c_uint) -> Layout {
    // SAFETY: the kinds are libuv's.
    let size = unsafe { uv_handle_size(kind) };
    Layout::from_size_align(size, align_of::<u128>()).unwrap_or_else(|_| unreachable!("{size} bytes are no handle"))
}

/// # Safety
///
/// The kind is one of libuv's.
unsafe fn allocate(kind: c_uint) -> NonNull<Handle> {
    let layout = layout(kind);
    // SAFETY: a handle is never empty.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory.cast()).unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
}

/// # Safety
///
/// The handle was made by `allocate` with this kind, and nothing uses it any more.
unsafe fn free(handle: NonNull<Handle>, kind: c_uint) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(handle.as_ptr().cast(), layout(kind)) }
}

/// The guest of a handle, borrowed from it.
///
/// # Safety
///
/// The handle's data is what `Watch::open` put there for this type.
unsafe fn guest<G>(handle: *const Handle) -> Rc<G> {
    // SAFETY: the handle holds one count of its own, so that the pointer is alive.
    unsafe {
        let data: *const G = uv_handle_get_data(handle).cast_const().cast();
        Rc::increment_strong_count(data);
        Rc::from_raw(data)
    }
}

extern "C" fn on_readable<G: Guest>(handle: *mut Handle, _status: c_int, _events: c_int) {
    // SAFETY: libuv gives the handle that was started with this function.
    unsafe { guest::<G>(handle) }.readable();
}

extern "C" fn on_prepare<G: Guest>(handle: *mut Handle) {
    // SAFETY: as above.
    unsafe { guest::<G>(handle) }.before_waiting();
}

extern "C" fn on_poll_closed<G: Guest>(handle: *mut Handle) {
    // SAFETY: as above; the handle's own count is taken over, and the handle is freed.
    unsafe {
        let guest: Rc<G> = Rc::from_raw(uv_handle_get_data(handle).cast_const().cast());
        free(NonNull::new_unchecked(handle), POLL);
        guest.released();
    }
}

extern "C" fn on_prepare_closed<G: Guest>(handle: *mut Handle) {
    // SAFETY: as above.
    unsafe {
        let guest: Rc<G> = Rc::from_raw(uv_handle_get_data(handle).cast_const().cast());
        free(NonNull::new_unchecked(handle), PREPARE);
        drop(guest);
    }
}
