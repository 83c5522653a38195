//! The reactor: who waits for which descriptor.
//!
//! The engine's own sockets are registered once, edge-triggered, for their whole life, and remember their readiness
//! between looks: a read that came back short has drained the socket, and no system call is spent on finding out. Descriptors
//! of the host's are level-triggered and disarmed while nobody listens. Every registration carries a generation, so that a
//! report about a closed descriptor never reaches its successor.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    rc::Rc,
    task::{Context, Waker},
};

use super::poller::{Interest, Poll, Poller, Readiness, Trigger, Wake};

/// One socket of the engine's, with what is known of its readiness.
///
/// Invariant: the reactor's slot holds a clone for as long as the descriptor is in the poller's set.
pub(crate) struct Source {
    fd: OwnedFd,
    key: Cell<u64>,
    ready: Cell<Interest>,
    hangup: Cell<bool>,
    reset: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Source {
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.ready.get().readable
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.ready.get().writable
    }

    /// Returns whether the peer is gone in both directions, whatever of its bytes is still unread.
    pub(crate) fn is_reset(&self) -> bool {
        self.reset.get()
    }

    /// Returns whether the peer has closed its side, whatever of its bytes is still unread.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hangup.get()
    }

    /// Notes that a read found nothing more. Once the peer has closed, only the end itself drains the socket.
    pub(crate) fn drained(&self) {
        self.ready.set(Interest { readable: self.hangup.get(), ..self.ready.get() });
    }

    /// Notes that a read would have blocked.
    pub(crate) fn read_blocked(&self) {
        self.ready.set(Interest { readable: false, ..self.ready.get() });
    }

    /// Notes that a write would have blocked.
    pub(crate) fn write_blocked(&self) {
        self.ready.set(Interest { writable: false, ..self.ready.get() });
    }

    /// Has this task woken at the next change. One task owns a source.
    pub(crate) fn wake_on_change(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn report(&self, readiness: Readiness) {
        let ready = self.ready.get();
        self.ready.set(Interest {
            readable: ready.readable || readiness.ready.readable,
            writable: ready.writable || readiness.ready.writable,
        });
        self.hangup.set(self.hangup.get() || readiness.hangup);
        self.reset.set(self.reset.get() || readiness.reset);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Whom a report goes to.
enum Target {
    Source(Rc<Source>),
    /// A descriptor of the host's, by the number that the host's table gave it.
    Watch(u64),
}

pub(crate) struct Reactor {
    poller: Poller,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
    batch: RefCell<Vec<Readiness>>,
}

struct Slot {
    generation: u32,
    target: Option<Target>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poller: Poller::new()?, slots: RefCell::default(), free: RefCell::default(), batch: RefCell::default() })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.poller.fd()
    }

    pub(crate) fn wake(&self) -> Wake {
        self.poller.wake()
    }

    pub(crate) fn set_timer(&self, deadline: Option<u64>) -> io::Result<()> {
        self.poller.set_timer(deadline)
    }

    /// Takes a socket of the engine's. It counts as ready until a system call says otherwise.
    pub(crate) fn register(&self, fd: OwnedFd) -> io::Result<Rc<Source>> {
        let source = Rc::new(Source {
            fd,
            key: Cell::new(0),
            ready: Cell::new(Interest::BOTH),
            hangup: Cell::new(false),
            reset: Cell::new(false),
            waker: RefCell::default(),
        });
        let key = self.occupy(Target::Source(Rc::clone(&source)));
        source.key.set(key);
        match self.poller.add(source.as_fd(), key, Interest::BOTH, Trigger::Edge) {
            Ok(()) => Ok(source),
            Err(error) => {
                self.vacate(key);
                Err(error)
            }
        }
    }

    /// Forgets a socket. It is closed when the last clone goes.
    pub(crate) fn deregister(&self, source: &Source) {
        let _ = self.poller.remove(source.as_fd());
        self.vacate(source.key.get());
    }

    /// Watches a descriptor of the host's and returns the key to name it by.
    pub(crate) fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, watch: u64) -> io::Result<u64> {
        let key = self.occupy(Target::Watch(watch));
        match self.poller.add(fd, key, interest, Trigger::Level) {
            Ok(()) => Ok(key),
            Err(error) => {
                self.vacate(key);
                Err(error)
            }
        }
    }

    pub(crate) fn rewatch(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest) -> io::Result<()> {
        self.poller.modify(fd, key, interest, Trigger::Level)
    }

    pub(crate) fn unwatch(&self, fd: BorrowedFd<'_>, key: u64) {
        let _ = self.poller.remove(fd);
        self.vacate(key);
    }

    /// Looks for what is ready, wakes the tasks that wait for it, tells `watched` of the host's descriptors, and returns
    /// whether the timer ran out.
    pub(crate) fn poll(&self, timeout: Option<u64>, mut watched: impl FnMut(u64, Interest)) -> io::Result<bool> {
        let mut batch = self.batch.take();
        let result = self.poller.wait(&mut batch, timeout);
        for readiness in batch.drain(..) {
            match self.slots.borrow().get(readiness.key as u32 as usize) {
                Some(slot) if u64::from(slot.generation) == readiness.key >> 32 => match &slot.target {
                    Some(Target::Source(source)) => source.report(readiness),
                    Some(Target::Watch(watch)) => watched(*watch, readiness.ready),
                    None => {}
                },
                _ => {}
            }
        }
        self.batch.replace(batch);
        result
    }

    fn occupy(&self, target: Target) -> u64 {
        let mut slots = self.slots.borrow_mut();
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(Slot { generation: 0, target: None });
            slots.len() as u32 - 1
        });
        let slot = &mut slots[index as usize];
        slot.target = Some(target);
        u64::from(slot.generation) << 32 | u64::from(index)
    }

    fn vacate(&self, key: u64) {
        let mut slots = self.slots.borrow_mut();
        let slot = &mut slots[key as u32 as usize];
        debug_assert_eq!(u64::from(slot.generation), key >> 32);
        // Keys near the end of u64 are the poller's own: a slot that old is retired.
        slot.generation += 1;
        let old = slot.target.take();
        if slot.generation < u32::MAX - 1 {
            self.free.borrow_mut().push(key as u32);
        }
        drop(slots);
        drop(old);
    }
}
