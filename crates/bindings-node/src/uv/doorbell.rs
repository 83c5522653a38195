//! Where the loop cannot watch a descriptor, a thread does, and rings.
//!
//! ```text
//! thread    waits for the descriptor --> rings --> waits until the loop has answered --> again
//! loop      answers: takes its turns, then says so
//! ```
//!
//! One ring is under way at a time, however much there is to do. The thread touches nothing but the descriptor and the bell.

use std::{
    ffi::c_int,
    io::Write,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    rc::Rc,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use napi::sys::uv_loop_s;
use rustix::event::{PollFd, PollFlags, poll};

use super::{
    Guest,
    ffi::{ASYNC, Handle, Held, guest, uv_async_init, uv_async_send},
};

/// The bell, and the thread that rings it.
pub(super) struct Doorbell {
    bell: Held,
    shared: Arc<Shared>,
    /// The thread waits for its other end too.
    end: UnixStream,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The thread may ring.
    Quiet,
    /// The loop has not answered yet.
    Rung,
    /// The thread is to end.
    Closed,
}

/// What rings. libuv allows any thread to.
struct Bell(*mut Handle);

// SAFETY: `uv_async_send` is for other threads, and the handle is open until the thread has ended.
unsafe impl Send for Bell {}

/// A guest, and what it says to the thread once it has answered.
struct Answering<G> {
    guest: Rc<G>,
    shared: Arc<Shared>,
}

impl Doorbell {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// libuv's error number.
    ///
    /// # Safety
    ///
    /// As of [`Watch::open`](super::Watch::open).
    pub(super) unsafe fn open<G: Guest>(event_loop: *mut uv_loop_s, fd: BorrowedFd<'_>, guest: &Rc<G>) -> Result<Self, c_int> {
        let number = |error: std::io::Error| -error.raw_os_error().unwrap_or(1);
        let shared = Arc::new(Shared { state: Mutex::new(State::Quiet), changed: Condvar::new() });
        let (end, ended) = UnixStream::pair().map_err(number)?;
        let watched = fd.try_clone_to_owned().map_err(number)?;
        let answering = Rc::new(Answering { guest: Rc::clone(guest), shared: Arc::clone(&shared) });
        let closed = |answering: &Answering<G>| answering.guest.released();
        // SAFETY: the caller's promise.
        let bell = unsafe { Held::new(ASYNC, &answering, closed, |handle| uv_async_init(event_loop, handle, on_bell::<G>))? };
        let mut doorbell = Self { bell, shared: Arc::clone(&shared), end, thread: None };
        let handle = Bell(doorbell.bell.as_ptr());
        let started =
            thread::Builder::new().name("hostloop-doorbell".into()).spawn(move || keep_ringing(&handle, &watched, &ended, &shared));
        match started {
            Ok(thread) => doorbell.thread = Some(thread),
            Err(error) => {
                doorbell.bell.close::<Answering<G>>();
                return Err(number(error));
            }
        }
        Ok(doorbell)
    }

    pub(super) fn keep_alive(&self, keep: bool) {
        self.bell.keep_alive(keep);
    }

    /// Ends the thread, then has the loop let go.
    pub(super) fn close<G: Guest>(mut self) {
        let _ = self.end.write_all(b"x");
        self.shared.turn(State::Closed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.bell.close::<Answering<G>>();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, unless the end has been asked for.
    fn turn(&self, next: State) -> bool {
        let mut state = self.lock();
        let is_open = *state != State::Closed;
        if is_open {
            *state = next;
            self.changed.notify_one();
        }
        is_open
    }

    fn wait_for_answer(&self) {
        drop(self.changed.wait_while(self.lock(), |state| *state == State::Rung));
    }
}

fn keep_ringing(bell: &Bell, watched: &OwnedFd, ended: &UnixStream, shared: &Shared) {
    // The loop may close the bell between the wait and the ring.
    while wait(watched.as_fd(), ended.as_fd()) && shared.turn(State::Rung) {
        // SAFETY: the handle is open until this thread has been joined.
        unsafe { uv_async_send(bell.0) };
        shared.wait_for_answer();
    }
}

/// Waits for the descriptor. Returns false at the end.
fn wait(watched: BorrowedFd<'_>, ended: BorrowedFd<'_>) -> bool {
    let mut both = [PollFd::from_borrowed_fd(watched, PollFlags::IN), PollFd::from_borrowed_fd(ended, PollFlags::IN)];
    loop {
        match poll(&mut both, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return both[1].revents().is_empty(),
        }
    }
}

extern "C" fn on_bell<G: Guest>(handle: *mut Handle) {
    // SAFETY: libuv gives the handle that was made with this function.
    let answering = unsafe { guest::<Answering<G>>(handle) };
    Rc::clone(&answering.guest).readable();
    answering.shared.turn(State::Quiet);
}
