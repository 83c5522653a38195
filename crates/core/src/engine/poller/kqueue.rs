//! kqueue, with an `EVFILT_TIMER` and an `EVFILT_USER` in the same set.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    ptr,
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{
        Timespec,
        kqueue::{Event, EventFilter, EventFlags, UserDefinedFlags, UserFlags, kevent_timespec, kqueue},
    },
    time::{ClockId, clock_gettime},
};

use super::{Interest, Poll, Readiness, Trigger};

const BATCH: usize = 256;
const TIMER_IDENT: isize = 1;
const WAKE_IDENT: isize = 2;

pub(crate) struct Kqueue {
    queue: Arc<OwnedFd>,
}

impl Poll for Kqueue {
    type Wake = Wake;

    fn new() -> io::Result<Self> {
        let queue = kqueue()?;
        change(&queue, &[user(UserFlags::empty(), EventFlags::ADD | EventFlags::CLEAR)])?;
        Ok(Self { queue: Arc::new(queue) })
    }

    fn fd(&self) -> RawFd {
        self.queue.as_raw_fd()
    }

    fn wake(&self) -> Wake {
        Wake(Arc::clone(&self.queue))
    }

    fn add(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> io::Result<()> {
        self.modify(fd, key, interest, trigger)
    }

    fn modify(&self, fd: BorrowedFd<'_>, key: u64, interest: Interest, trigger: Trigger) -> io::Result<()> {
        let flags = |wanted| {
            let state = if wanted { EventFlags::ENABLE } else { EventFlags::DISABLE };
            let clear = if trigger == Trigger::Edge { EventFlags::CLEAR } else { EventFlags::empty() };
            EventFlags::ADD | state | clear
        };
        let (fd, data) = (fd.as_raw_fd(), ptr::without_provenance_mut(key as usize));
        change(
            &self.queue,
            &[
                Event::new(EventFilter::Read(fd), flags(interest.readable), data),
                Event::new(EventFilter::Write(fd), flags(interest.writable), data),
            ],
        )
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let delete = |filter| Event::new(filter, EventFlags::DELETE, ptr::null_mut());
        change(&self.queue, &[delete(EventFilter::Read(fd)), delete(EventFilter::Write(fd))])
    }

    fn set_timer(&self, deadline: Option<u64>) -> io::Result<()> {
        let Some(deadline) = deadline else {
            let timer = EventFilter::Timer { ident: TIMER_IDENT, timer: None };
            return match change(&self.queue, &[Event::new(timer, EventFlags::DELETE, ptr::null_mut())]) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            };
        };
        let now = clock_gettime(ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let timer = EventFilter::Timer { ident: TIMER_IDENT, timer: Some(relative(deadline.saturating_sub(now))) };
        change(&self.queue, &[Event::new(timer, EventFlags::ADD | EventFlags::ONESHOT, ptr::null_mut())])
    }

    fn wait(&self, ready: &mut Vec<Readiness>, timeout: Option<u64>) -> io::Result<bool> {
        let timeout = timeout.map(|nanos| Timespec { tv_sec: (nanos / 1_000_000_000) as _, tv_nsec: (nanos % 1_000_000_000) as _ });
        let mut batch = Vec::with_capacity(BATCH);
        // SAFETY: the list of changes is empty, so no descriptor is registered by this call.
        match unsafe { kevent_timespec(&*self.queue, &[], rustix::buffer::spare_capacity(&mut batch), timeout.as_ref()) } {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(batch.iter().filter_map(readiness));
        Ok(batch.iter().any(|event| matches!(event.filter(), EventFilter::Timer { .. })))
    }
}

/// rustix rounds a timer of whole seconds and some microseconds down to the seconds: a nanosecond and a millisecond more keep
/// it exact to a millisecond and never early.
fn relative(nanos: u64) -> Duration {
    let duration = Duration::from_nanos(nanos | 1);
    if duration.subsec_millis() == 0 { duration + Duration::from_millis(1) } else { duration }
}

fn readiness(event: &Event) -> Option<Readiness> {
    let hangup = event.flags().contains(EventFlags::EOF);
    // The end of the writing side is the peer's: it takes nothing more.
    let (ready, reset) = match event.filter() {
        EventFilter::Read(_) => (Interest::READ, false),
        EventFilter::Write(_) => (Interest { readable: hangup, writable: true }, hangup),
        _ => return None,
    };
    Some(Readiness { key: event.udata().addr() as u64, ready, hangup, reset })
}

fn user(flags: UserFlags, action: EventFlags) -> Event {
    Event::new(EventFilter::User { ident: WAKE_IDENT, flags, user_flags: UserDefinedFlags::new(0) }, action, ptr::null_mut())
}

fn change(queue: &OwnedFd, changes: &[Event]) -> io::Result<()> {
    // SAFETY: every descriptor in `changes` is borrowed by the caller for this call, and is removed before it is closed.
    unsafe { kevent_timespec(queue.as_fd(), changes, &mut [] as &mut [Event], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) }?;
    Ok(())
}

/// Makes the poller's descriptor readable, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Wake(Arc<OwnedFd>);

impl Wake {
    /// One system call.
    pub(crate) fn wake(&self) {
        let _ = change(&self.0, &[user(UserFlags::TRIGGER, EventFlags::empty())]);
    }
}
