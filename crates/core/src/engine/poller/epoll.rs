//! epoll, with a timerfd and an eventfd in the same set.
//!
//! Both are edge-triggered: a new expiry or a new write is a new edge, so neither is ever read.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

use rustix::{
    event::{EventfdFlags, Timespec, epoll, eventfd},
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime},
};

use super::{Interest, Poll, Readiness, Trigger};

/// Keys of the two descriptors of the poller's own. No registration has them.
const TIMER_KEY: u64 = u64::MAX;
const WAKE_KEY: u64 = u64::MAX - 1;
const BATCH: usize = 256;

pub(crate) struct Epoll {
    epoll: OwnedFd,
    timer: OwnedFd,
    wake: Wake,
    batch: RefCell<Vec<epoll::Event>>,
}

impl Poll for Epoll {
    type Wake = Wake;

    fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let wake = Wake(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?));
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER_KEY), edge)?;
        epoll::add(&epoll, &wake.0, epoll::EventData::new_u64(WAKE_KEY), edge)?;
        Ok(Self { epoll, timer, wake, batch: RefCell::new(Vec::with_capacity(BATCH)) })
    }

    fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    fn wake(&self) -> Wake {
        self.wake.clone()
    }

    fn add(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), flags(interest, trigger))?)
    }

    fn modify(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(key), flags(interest, trigger))?)
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    fn set_timer(&self, deadline: Option<u64>) -> io::Result<()> {
        // Zero would disarm: an instant in the past is one nanosecond after the start of the clock.
        let it_value = deadline.map_or(Timespec { tv_sec: 0, tv_nsec: 0 }, |at| timespec(at.max(1)));
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    fn wait(&self, ready: &mut Vec<Readiness>, timeout: Option<u64>) -> io::Result<bool> {
        let mut batch = self.batch.borrow_mut();
        batch.clear();
        let timeout = timeout.map(timespec);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut batch), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(batch.iter().filter(|event| event.data.u64() < WAKE_KEY).map(readiness));
        Ok(batch.iter().any(|event| event.data.u64() == TIMER_KEY))
    }
}

fn timespec(nanos: u64) -> Timespec {
    Timespec { tv_sec: (nanos / 1_000_000_000) as _, tv_nsec: (nanos % 1_000_000_000) as _ }
}

fn flags(interest: Interest, trigger: Trigger) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN | epoll::EventFlags::RDHUP, interest.readable);
    flags.set(epoll::EventFlags::OUT, interest.writable);
    // The end of a peer is reported even to who asked for nothing: as an edge, it wakes no more than once.
    flags.set(epoll::EventFlags::ET, trigger == Trigger::Edge || interest == Interest::NONE);
    flags
}

fn readiness(event: &epoll::Event) -> Readiness {
    let flags = event.flags;
    let reset = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
    let hangup = reset || flags.contains(epoll::EventFlags::RDHUP);
    let readable = hangup || flags.contains(epoll::EventFlags::IN);
    let writable = flags.intersects(epoll::EventFlags::OUT | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
    Readiness { key: event.data.u64(), ready: Interest { readable, writable }, hangup, reset }
}

/// Makes the poller's descriptor readable, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Wake(Arc<OwnedFd>);

impl Wake {
    /// One system call. A full counter means that a wake-up is pending already.
    pub(crate) fn wake(&self) {
        let _ = rustix::io::write(self.0.as_fd(), &1u64.to_ne_bytes());
    }
}
