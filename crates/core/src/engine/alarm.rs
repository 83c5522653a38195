//! A deadline that a task moves at will.
//!
//! Connections move their deadline several times a request and almost never reach it. So moving it later is a store; the
//! timer behind it finds out when it fires, and is armed again.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Waker},
};

use super::Core;
use crate::timer::TimerId;

/// A deadline that is never reached.
pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) struct Alarm {
    core: Rc<Core>,
    seat: usize,
    deadline: Cell<u64>,
    timer: Cell<Option<(TimerId, u64)>>,
}

impl Alarm {
    pub(crate) fn new(core: Rc<Core>) -> Self {
        let seat = core.alarm_wakers.borrow_mut().insert();
        Self { core, seat, deadline: Cell::new(NEVER), timer: Cell::new(None) }
    }

    /// Moves the deadline. The task is woken once it has passed.
    pub(crate) fn set(&self, deadline: u64) {
        self.deadline.set(deadline);
        if self.timer.get().is_none_or(|(_, armed)| armed > deadline) {
            self.arm(deadline);
        }
    }

    /// Returns whether the deadline has passed; if not, has the task woken when it does.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> bool {
        self.core.alarm_wakers.borrow_mut().set(self.seat, cx);
        let deadline = self.deadline.get();
        if self.core.now() >= deadline {
            return true;
        }
        if self.timer.get().is_none_or(|(id, _)| !self.core.alarms.borrow().is_armed(id)) {
            self.arm(deadline);
        }
        false
    }

    fn arm(&self, deadline: u64) {
        let mut alarms = self.core.alarms.borrow_mut();
        let id = match self.timer.get() {
            _ if deadline == NEVER => return,
            // A sixteenth late at most, so that the deadlines of many connections share wake-ups.
            Some((id, _)) if alarms.restart(id, deadline, self.slack(deadline)) => id,
            _ => alarms.arm(deadline, self.slack(deadline), self.seat as u64),
        };
        self.timer.set(Some((id, deadline)));
    }

    fn slack(&self, deadline: u64) -> u64 {
        deadline.saturating_sub(self.core.now()) / 16
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((id, _)) = self.timer.get() {
            self.core.alarms.borrow_mut().cancel(id);
        }
        let waker = self.core.alarm_wakers.borrow_mut().remove(self.seat);
        drop(waker);
    }
}

/// Whom each alarm wakes.
#[derive(Default)]
pub(crate) struct Wakers {
    seats: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    fn insert(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        })
    }

    fn set(&mut self, seat: usize, cx: &Context<'_>) {
        let waker = &mut self.seats[seat];
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn remove(&mut self, seat: usize) -> Option<Waker> {
        self.free.push(seat);
        self.seats[seat].take()
    }

    pub(crate) fn wake(&self, seat: usize) {
        if let Some(waker) = &self.seats[seat] {
            waker.wake_by_ref();
        }
    }
}
