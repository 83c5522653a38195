//! Tasks of the engine's own, and what other threads can reach of them.
//!
//! `async-task` does the bookkeeping; here is the run queue. A waker called on the engine's thread pushes to a plain queue; called
//! on any other, it goes through the inbox. Futures are polled and dropped on the engine's thread alone.

use std::{
    cell::{RefCell, UnsafeCell},
    collections::VecDeque,
    future::Future,
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use async_task::Runnable;

use super::{
    inbox::{Inbox, Posted},
    poller::Wake,
};

/// What reaches an engine from another thread.
pub(crate) enum Message {
    /// A task was woken there.
    Run(Runnable),
    /// A host's thread has something to say.
    Post(u64),
}

/// The part of an engine that other threads hold.
pub(crate) struct Shared {
    owner: usize,
    /// Invariant: touched by the owning thread alone, and never across a call out.
    queue: UnsafeCell<VecDeque<Runnable>>,
    inbox: Inbox<Message>,
    wake: Wake,
}

// SAFETY: `queue` is reached only after comparing the current thread with `owner`; the rest is Send + Sync by itself.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(inbox_capacity: usize, wake: Wake) -> Self {
        Self { owner: current_thread(), queue: UnsafeCell::default(), inbox: Inbox::new(inbox_capacity), wake }
    }

    /// Posts a token for the host, or returns false if the inbox is full.
    pub(crate) fn post(&self, token: u64) -> bool {
        match self.inbox.post(Message::Post(token)) {
            Posted::First => self.wake.wake(),
            Posted::Behind => {}
            Posted::Full(_) => return false,
        }
        true
    }

    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    fn schedule(&self, runnable: Runnable) {
        if current_thread() == self.owner {
            // SAFETY: this is the owning thread, and pushing calls nothing that could come back here.
            unsafe { (*self.queue.get()).push_back(runnable) };
        } else if matches!(self.inbox.post_reserved(Message::Run(runnable)), Posted::First) {
            self.wake.wake();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The engine has dropped every future it knew of. What a waker on another thread has sent since may not be dropped there.
        for message in self.inbox.take() {
            if let Message::Run(runnable) = message {
                std::mem::forget(runnable);
            }
        }
    }
}

/// All tasks of one engine.
pub(crate) struct Tasks {
    shared: Arc<Shared>,
    /// Wakers of all live tasks, so that closing the engine can end them.
    live: Rc<RefCell<Vec<Option<Waker>>>>,
    free: Rc<RefCell<Vec<usize>>>,
}

impl Tasks {
    pub(crate) fn new(inbox_capacity: usize, wake: Wake) -> Self {
        Self { shared: Arc::new(Shared::new(inbox_capacity, wake)), live: Rc::default(), free: Rc::default() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a task. It runs in the next turn.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.live.borrow_mut().push(None);
            self.live.borrow().len() - 1
        });
        let seat = Seat { live: Rc::clone(&self.live), free: Rc::clone(&self.free), index };
        let shared = Arc::clone(&self.shared);
        let future = async move {
            let _seat = seat;
            future.await;
        };
        // SAFETY: the future is not Send, so its Runnable must stay on this thread: `schedule` moves it elsewhere only inside the
        // inbox, which this engine alone empties; `close` drops every future before the engine goes, and what a foreign waker sends
        // later is leaked, not dropped. The future is 'static,
        // and `schedule` captures nothing but a Send + Sync Arc.
        let (runnable, task) = unsafe { async_task::spawn_unchecked(future, move |runnable| shared.schedule(runnable)) };
        self.live.borrow_mut()[index] = Some(runnable.waker());
        task.detach();
        runnable.schedule();
    }

    pub(crate) fn is_ready(&self) -> bool {
        // SAFETY: `Tasks` is not Send, so this is the owning thread.
        unsafe { !(*self.shared.queue.get()).is_empty() }
    }

    pub(crate) fn next(&self) -> Option<Runnable> {
        // SAFETY: as above; the runnable is moved out before anything else runs.
        unsafe { (*self.shared.queue.get()).pop_front() }
    }

    /// Takes what other threads sent: woken tasks join the queue, posts go to `posted`.
    pub(crate) fn drain_inbox(&self, mut posted: impl FnMut(u64)) {
        for message in self.shared.inbox.take() {
            match message {
                Message::Run(runnable) => self.shared.schedule(runnable),
                Message::Post(token) => posted(token),
            }
        }
    }

    /// Drops every task's future, here and now.
    pub(crate) fn close(&self) {
        let wakers: Vec<Waker> = self.live.borrow_mut().iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
        loop {
            self.drain_inbox(|_| {});
            // Dropping a runnable cancels its task, which drops the future.
            let Some(runnable) = self.next() else { break };
            drop(runnable);
        }
    }
}

/// A task's place among the live ones, given back when its future ends or is dropped.
struct Seat {
    live: Rc<RefCell<Vec<Option<Waker>>>>,
    free: Rc<RefCell<Vec<usize>>>,
    index: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let waker = self.live.borrow_mut()[self.index].take();
        self.free.borrow_mut().push(self.index);
        drop(waker);
    }
}

/// A number that no two live threads share.
fn current_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
