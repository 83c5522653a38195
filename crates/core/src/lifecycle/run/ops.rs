//! What is under way: each piece of work with its deadline, its cancellation and its end.
//!
//! ```text
//! running --deadline or cancel--> cancelling --grace--> gone (abandoned)
//!    \--answer--> gone              \--answer--> gone
//! ```

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    super::graph::NodeId,
    command::{CancelReason, HookId, Op},
};

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Construct(usize),
    Finalize(usize),
    StartHook(HookId),
    StopHook(HookId),
    Worker(usize),
    Listen(usize),
    Drain(usize),
    AwaitUsers(usize),
    Retire(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    Cancelling(CancelReason),
}

#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) node: NodeId,
    pub(crate) started: u64,
    pub(crate) stage: Stage,
    pub(crate) due: Option<u64>,
    pub(crate) cancelled_at: Option<u64>,
    /// How often the host had looked for commands when it began.
    pub(crate) turn: u64,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    work: Option<Work>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Op(Op),
    /// A worker's wait before its next run, by the worker and a number that a newer wait makes stale.
    Backoff(usize, u32),
    Watchdog(usize, u32),
    /// The end of the time in which a worker must have become ready.
    Gate(usize, u32),
    /// The end of a phase, by a number that a newer phase makes stale.
    Phase(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Ops {
    slots: Vec<Slot>,
    free: Vec<u32>,
    alarms: BinaryHeap<Reverse<(u64, Alarm)>>,
}

impl Ops {
    pub(crate) fn begin(&mut self, work: Work) -> Op {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        let op = Op(u64::from(slot.generation) << 32 | u64::from(index));
        if let Some(due) = work.due {
            self.alarms.push(Reverse((due, Alarm::Op(op))));
        }
        slot.work = Some(work);
        op
    }

    pub(crate) fn get(&self, op: Op) -> Option<&Work> {
        let slot = self.slots.get(op.0 as u32 as usize)?;
        if u64::from(slot.generation) == op.0 >> 32 { slot.work.as_ref() } else { None }
    }

    /// Has it looked at again at this instant, whatever was set before.
    pub(crate) fn set_due(&mut self, op: Op, due: u64) {
        if self.get(op).is_some()
            && let Some(work) = &mut self.slots[op.0 as u32 as usize].work
        {
            work.due = Some(due);
            self.alarms.push(Reverse((due, Alarm::Op(op))));
        }
    }

    /// Notes when it really began.
    pub(crate) fn began(&mut self, op: Op, now: u64) {
        if self.get(op).is_some()
            && let Some(work) = &mut self.slots[op.0 as u32 as usize].work
        {
            work.started = now;
        }
    }

    /// Notes that it is being cancelled, and returns whether that is new.
    pub(crate) fn cancel(&mut self, op: Op, reason: CancelReason, now: u64, abandon_at: u64) -> bool {
        if self.get(op).is_none_or(|work| work.stage != Stage::Running) {
            return false;
        }
        if let Some(work) = &mut self.slots[op.0 as u32 as usize].work {
            work.stage = Stage::Cancelling(reason);
            work.cancelled_at = Some(now);
        }
        self.set_due(op, abandon_at);
        true
    }

    pub(crate) fn end(&mut self, op: Op) -> Option<Work> {
        self.get(op)?;
        let slot = &mut self.slots[op.0 as u32 as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(op.0 as u32);
        slot.work.take()
    }

    pub(crate) fn alarm_at(&mut self, at: u64, alarm: Alarm) {
        self.alarms.push(Reverse((at, alarm)));
    }

    /// The next alarm that is due.
    pub(crate) fn due(&mut self, now: u64) -> Option<Alarm> {
        while let Some(&Reverse((at, alarm))) = self.alarms.peek() {
            if at > now {
                return None;
            }
            self.alarms.pop();
            match alarm {
                Alarm::Op(op) if self.get(op).is_none_or(|work| work.due != Some(at)) => {}
                alarm => return Some(alarm),
            }
        }
        None
    }

    /// When the next alarm may be due.
    pub(crate) fn next(&mut self) -> Option<u64> {
        while let Some(&Reverse((at, alarm))) = self.alarms.peek() {
            match alarm {
                Alarm::Op(op) if self.get(op).is_none_or(|work| work.due != Some(at)) => {
                    self.alarms.pop();
                }
                _ => return Some(at),
            }
        }
        None
    }

    /// Everything under way.
    pub(crate) fn all(&self) -> Vec<Op> {
        let op = |(index, slot): (usize, &Slot)| slot.work.as_ref().map(|_| Op(u64::from(slot.generation) << 32 | index as u64));
        self.slots.iter().enumerate().filter_map(op).collect()
    }
}
