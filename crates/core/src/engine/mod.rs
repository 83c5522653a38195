//! The engine's core: the turn, and what it turns.
//!
//! A turn never blocks and never calls the host. It runs what verbs made ready, looks once for readiness, takes what other
//! threads posted, fires timers, and runs what all of that made ready, within a budget. What is left makes the descriptor
//! readable again.

pub(crate) mod alarm;
pub(crate) mod duplex;
pub(crate) mod fork;
pub(crate) mod inbox;
pub(crate) mod poller;
pub(crate) mod reactor;
pub(crate) mod remote;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod tasks;

use std::{
    cell::{Cell, RefCell},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind, Result},
    event::{Cause, Event},
    handle::{Handle, Kind, Table},
    timer::{Clock, TimerId, Wheel, clock::nanos},
};

use alarm::Wakers;
use fork::Birthplace;
use poller::Interest;
use reactor::{Reactor, Source};
use tasks::Tasks;

/// Settings of an engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the time comes from. Default: the machine's monotonic clock.
    pub clock: Clock,
    /// How long one turn may run before it yields to the host. Default: 2 ms.
    pub turn_time: Duration,
    /// How many events one turn may report before it runs no further tasks; the rest follow in the next. Timers that are due and
    /// posts are reported whatever their number. Default: 1,024.
    pub turn_events: usize,
    /// How many posts of other threads may wait. Default: 65,536.
    pub inbox_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { clock: Clock::Monotonic, turn_time: Duration::from_millis(2), turn_events: 1024, inbox_capacity: 65_536 }
    }
}

/// Tasks that run between two looks at the clock.
const TASKS_PER_CLOCK: usize = 32;

pub(crate) struct Core {
    pub(crate) birthplace: Birthplace,
    clock: Clock,
    now: Cell<u64>,
    turn_time: u64,
    turn_events: usize,
    pub(crate) reactor: Reactor,
    pub(crate) timers: RefCell<Wheel>,
    pub(crate) alarms: RefCell<Wheel>,
    pub(crate) alarm_wakers: RefCell<Wakers>,
    pub(crate) watches: RefCell<Table<Watch>>,
    pub(crate) tasks: Tasks,
    events: RefCell<Vec<Event>>,
    /// The instant that the poller's timer is set to. It may be early, never late.
    timer_set: Cell<u64>,
}

/// A descriptor of the host's. The host keeps it open until it is unwatched.
pub(crate) struct Watch {
    pub(crate) token: u64,
    pub(crate) fd: std::os::fd::RawFd,
    pub(crate) key: u64,
    pub(crate) interest: Interest,
}

impl Core {
    pub(crate) fn new(config: Config) -> Result<Self> {
        let reactor = Reactor::new().map_err(|error| {
            Error::io("engine", "no descriptors are left for the reactor; close some, or raise the limit (ulimit -n)", error)
        })?;
        let now = config.clock.now();
        Ok(Self {
            birthplace: Birthplace::here(),
            now: Cell::new(now),
            turn_time: nanos(config.turn_time),
            turn_events: config.turn_events.max(1),
            timers: RefCell::new(Wheel::new(now)),
            alarms: RefCell::new(Wheel::new(now)),
            alarm_wakers: RefCell::default(),
            watches: RefCell::new(Table::new(Kind::Watch)),
            tasks: Tasks::new(config.inbox_capacity, reactor.wake()),
            events: RefCell::default(),
            timer_set: Cell::new(alarm::NEVER),
            reactor,
            clock: config.clock,
        })
    }

    /// The time at the start of this turn, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Looks at the clock, for a verb that counts from now.
    pub(crate) fn refresh_now(&self) -> u64 {
        let now = self.clock.now();
        self.now.set(now);
        now
    }

    pub(crate) fn report(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    /// Returns whether a turn would find work that the descriptor does not show.
    pub(crate) fn has_work(&self) -> bool {
        self.tasks.is_ready() || !self.events.borrow().is_empty()
    }

    pub(crate) fn deregister(&self, source: &Source) {
        // In a forked child the set is still the parent's: closing the descriptor is all that may be done.
        if !self.birthplace.is_elsewhere() {
            self.reactor.deregister(source);
        }
    }

    /// One turn: `wait` is how long to wait if there is nothing to do, in nanoseconds; 0 does not, `None` has no end.
    pub(crate) fn turn(&self, wait: Option<u64>) -> Result<()> {
        let start = self.refresh_now();
        let mut outcome = self.run_tasks(start);
        let wait = if self.has_work() { Some(0) } else { wait };
        match self.poll(wait) {
            // Its edge is spent, even if this turn's clock has not reached it: it must be set again.
            Ok(true) => self.timer_set.set(0),
            Ok(false) => {}
            Err(error) => outcome = outcome.and(Err(Error::io("turn", "the reactor failed", error))),
        }
        self.tasks.drain_inbox(|token| self.report(Event::Posted { token }));
        let start = if wait == Some(0) { start } else { self.refresh_now() };
        self.fire_timers();
        outcome = outcome.and(self.run_tasks(start));
        outcome.and(self.set_timer())
    }

    /// Hands over what was reported. Work that is left makes the descriptor readable.
    pub(crate) fn take_events(&self, events: &mut Vec<Event>) {
        if self.tasks.is_ready() {
            self.tasks.shared().wake();
        }
        std::mem::swap(&mut *self.events.borrow_mut(), events);
    }

    fn poll(&self, wait: Option<u64>) -> io::Result<bool> {
        let watches = self.watches.borrow();
        self.reactor.poll(wait, |watch, ready| {
            let handle = Handle::from_bits(watch);
            let Some(&Watch { token, interest, .. }) = watches.get(handle) else { return };
            let ready = ready.and(interest);
            if ready != Interest::NONE {
                self.report(Event::Ready { handle, token, ready });
            }
        })
    }

    /// Runs ready tasks until none is left or the budget is spent. A task that panics is gone; the others go on.
    fn run_tasks(&self, start: u64) -> Result<()> {
        let mut outcome = Ok(());
        let mut count = 0;
        while self.events.borrow().len() < self.turn_events {
            let Some(runnable) = self.tasks.next() else { break };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runnable.run())) {
                outcome = outcome.and(Err(panicked("turn", &*panic)));
            }
            count += 1;
            if count % TASKS_PER_CLOCK == 0 && self.refresh_now() - start > self.turn_time {
                break;
            }
        }
        outcome
    }

    fn fire_timers(&self) {
        let now = self.now();
        self.timers.borrow_mut().advance(now, |id, token| self.report(Event::Timer { handle: timer_handle(id), token }));
        let wakers = self.alarm_wakers.borrow();
        self.alarms.borrow_mut().advance(now, |_, seat| wakers.wake(seat as usize));
    }

    /// Has the descriptor become readable when the next timer is due. A timer set too early is left: it costs one turn.
    pub(crate) fn set_timer(&self) -> Result<()> {
        let timers = self.timers.borrow().next_deadline();
        let alarms = self.alarms.borrow().next_deadline();
        let next = timers.into_iter().chain(alarms).min().unwrap_or(alarm::NEVER);
        let set = self.timer_set.get();
        let is_pending = set > self.now();
        if self.clock.is_manual() || next == alarm::NEVER || (is_pending && set <= next) {
            return Ok(());
        }
        self.timer_set.set(next);
        self.reactor.set_timer(Some(next)).map_err(|error| Error::io("turn", "the timer failed", error))
    }

    /// Ends every task, timer and watch, each with its last event. What was posted before still arrives.
    pub(crate) fn close(&self) {
        self.tasks.drain_inbox(|token| self.report(Event::Posted { token }));
        self.tasks.close();
        self.timers.borrow_mut().drain(|id, token| self.report_cancelled(timer_handle(id), token));
        for (handle, watch) in self.watches.borrow_mut().drain() {
            if !self.birthplace.is_elsewhere() {
                self.reactor.unwatch(watch.borrow_fd(), watch.key);
            }
            self.report_cancelled(handle, watch.token);
        }
    }

    pub(crate) fn report_cancelled(&self, handle: Handle, token: u64) {
        self.report(Event::Closed { handle, token, cause: Cause::Cancelled });
    }
}

pub(crate) fn timer_handle(id: TimerId) -> Handle {
    Handle::new(Kind::Timer, id.generation, id.index)
}

pub(crate) fn timer_id(handle: Handle) -> Option<TimerId> {
    handle.is(Kind::Timer).then(|| TimerId { index: handle.slot(), generation: handle.generation() })
}

/// Turns what a panic left into an error of the call that hit it.
pub(crate) fn panicked(operation: &'static str, panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(ErrorKind::Panic, operation, format!("a defect in hostloop: {}", message.unwrap_or("no message")))
}

impl Watch {
    pub(crate) fn borrow_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the contract of `Engine::watch` is that the descriptor stays open until it is unwatched.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.fd) }
    }
}
