//! A guest of Node's loop: called back when its descriptor is readable, and each time before the loop waits.

mod doorbell;
mod ffi;

use std::{
    ffi::c_int,
    os::fd::{BorrowedFd, RawFd},
    rc::Rc,
};

use napi::sys::uv_loop_s;

use self::{
    doorbell::Doorbell,
    ffi::{Handle, Held, POLL, PREPARE, READABLE, guest, uv_poll_init, uv_poll_start, uv_prepare_init, uv_prepare_start},
};

/// Who is called by the loop.
pub(crate) trait Guest {
    /// The descriptor is readable.
    fn readable(self: Rc<Self>);

    /// The loop is about to wait.
    fn before_waiting(self: Rc<Self>);

    /// The loop has let go, and the descriptor may be closed.
    fn released(&self);
}

/// What a guest has in a loop. It does not keep the process alive before [`Watch::keep_alive`].
pub(crate) struct Watch {
    watched: Watched,
    prepare: Held,
}

/// Who looks at the descriptor.
enum Watched {
    Loop(Held),
    Thread(Doorbell),
}

impl Watch {
    /// Has the loop watch a descriptor; or, if it cannot or is not to, a thread that does nothing else.
    ///
    /// # Errors
    ///
    /// libuv's error number.
    ///
    /// # Safety
    ///
    /// The loop is the one of this thread, and outlives the watch. The descriptor stays open until [`Guest::released`].
    pub(crate) unsafe fn open<G: Guest>(
        event_loop: *mut uv_loop_s,
        fd: RawFd,
        guest: &Rc<G>,
        with_thread: bool,
    ) -> Result<Self, c_int> {
        // SAFETY: the caller's promise; the functions are those of the handles' kinds.
        unsafe {
            let polled = if with_thread { Err(0) } else { poll(event_loop, fd, guest) };
            let watched = match polled {
                Ok(poll) => Watched::Loop(poll),
                Err(_) => Watched::Thread(Doorbell::open(event_loop, BorrowedFd::borrow_raw(fd), guest)?),
            };
            let prepare = Held::new(PREPARE, guest, |_: &G| {}, |handle| uv_prepare_init(event_loop, handle))?;
            uv_prepare_start(prepare.as_ptr(), on_prepare::<G>);
            Ok(Self { watched, prepare })
        }
    }

    /// Says whether the watch keeps the loop, and so the process, alive.
    pub(crate) fn keep_alive(&self, keep: bool) {
        match &self.watched {
            Watched::Loop(poll) => poll.keep_alive(keep),
            Watched::Thread(bell) => bell.keep_alive(keep),
        }
    }

    /// Has the loop let go. [`Guest::released`] follows.
    pub(crate) fn close<G: Guest>(self) {
        self.prepare.close::<G>();
        match self.watched {
            Watched::Loop(poll) => poll.close::<G>(),
            Watched::Thread(bell) => bell.close::<G>(),
        }
    }
}

/// # Safety
///
/// As of [`Watch::open`].
unsafe fn poll<G: Guest>(event_loop: *mut uv_loop_s, fd: RawFd, guest: &Rc<G>) -> Result<Held, c_int> {
    // SAFETY: the caller's promise.
    unsafe {
        let poll = Held::new(POLL, guest, G::released, |handle| uv_poll_init(event_loop, handle, fd))?;
        uv_poll_start(poll.as_ptr(), READABLE, on_readable::<G>);
        Ok(poll)
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
