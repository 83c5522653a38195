//! A hierarchical timing wheel with one owner.
//!
//! Time is cut into ticks of 2^16 ns (65.5 us). Level 0 has a slot for each of the next 64 ticks, level 1 a slot for each
//! of the next 64 spans of 64 ticks, and so on: eight levels reach the end of `u64`. A timer sits in the slot of the
//! highest six-bit digit in which its deadline differs from the cursor, and moves down a level each time the cursor
//! enters its slot. Arm, cancel and restart are O(1); an idle look costs one comparison.
//!
//! - A timer never fires early: inside its tick it waits for its exact deadline.
//! - What is due fires in order of deadline; equal deadlines fire in the order they were armed.
//! - Entries are 32 bytes in one slab. Each slot is a ring through a sentinel of the same slab, so that unlinking needs
//!   neither the level nor the slot.

use crate::handle::MAX_GENERATION;

const TICK_BITS: u32 = 16;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 8;
const SENTINELS: usize = LEVELS * SLOTS;
const NEVER: u64 = u64::MAX;

/// Names one armed timer. It is stale once the timer has fired or was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: u64,
    payload: u64,
    prev: u32,
    next: u32,
    /// Odd while armed, even while free: one life is two steps.
    generation: u32,
    /// Order of arming among equal deadlines.
    sequence: u32,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// Timers by deadline, in nanoseconds of any one clock.
///
/// ```
/// let mut wheel = hostloop::Wheel::new(0);
/// let tea = wheel.arm(180_000_000_000, 0, 1);
/// wheel.arm(60_000_000_000, 0, 2);
/// wheel.cancel(tea);
/// let mut fired = Vec::new();
/// wheel.advance(200_000_000_000, |_, payload| fired.push(payload));
/// assert_eq!(fired, [2]);
/// ```
#[derive(Debug)]
pub struct Wheel {
    entries: Vec<Entry>,
    free: Option<u32>,
    occupied: [u64; LEVELS],
    /// The tick up to which slots have been emptied. No entry lies in a slot before it.
    cursor: u64,
    /// Nothing is due before this. Never later than the earliest deadline.
    next: u64,
    sequence: u32,
    len: usize,
    due: Vec<(u64, u32, u32)>,
}

impl Wheel {
    /// Makes an empty wheel that stands at `now`.
    #[must_use]
    pub fn new(now: u64) -> Self {
        let ring = |index| Entry { deadline: NEVER, payload: 0, prev: index, next: index, generation: 0, sequence: 0 };
        Self {
            entries: (0..SENTINELS as u32).map(ring).collect(),
            free: None,
            occupied: [0; LEVELS],
            cursor: now >> TICK_BITS,
            next: NEVER,
            sequence: 0,
            len: 0,
            due: Vec::new(),
        }
    }

    /// Arms a timer that fires at `deadline` or up to `slack` later, whichever instant it can share with others.
    ///
    /// A deadline that has passed fires at the next [`Wheel::advance`].
    pub fn arm(&mut self, deadline: u64, slack: u64, payload: u64) -> TimerId {
        let index = self.allocate();
        let entry = &mut self.entries[index as usize];
        entry.payload = payload;
        entry.generation += 1;
        let id = TimerId { index, generation: entry.generation };
        self.len += 1;
        self.schedule(index, coalesce(deadline, slack));
        id
    }

    /// Moves an armed timer to another deadline. Returns false if it has fired or was cancelled.
    pub fn restart(&mut self, id: TimerId, deadline: u64, slack: u64) -> bool {
        if !self.is_armed(id) {
            return false;
        }
        self.unlink(id.index);
        self.schedule(id.index, coalesce(deadline, slack));
        true
    }

    /// Cancels an armed timer and returns its payload, or `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<u64> {
        if !self.is_armed(id) {
            return None;
        }
        self.unlink(id.index);
        Some(self.release(id.index))
    }

    /// Fires all that is due at `now`, in order, and returns how many that were.
    ///
    /// `fire` gets the timer's identity, already stale, and its payload.
    #[inline]
    pub fn advance(&mut self, now: u64, fire: impl FnMut(TimerId, u64)) -> usize {
        if now < self.next { 0 } else { self.advance_to(now, fire) }
    }

    /// Cancels every timer, in no order.
    pub fn drain(&mut self, mut cancelled: impl FnMut(TimerId, u64)) {
        for index in SENTINELS as u32..self.entries.len() as u32 {
            let id = TimerId { index, generation: self.entries[index as usize].generation };
            if let Some(payload) = self.cancel(id) {
                cancelled(id, payload);
            }
        }
    }

    /// Returns the instant before which nothing is due, or `None` if nothing is armed.
    ///
    /// It may lie before the earliest deadline, never after it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        (self.next != NEVER).then_some(self.next)
    }

    /// Returns how many timers are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether the timer has neither fired nor been cancelled.
    #[must_use]
    pub fn is_armed(&self, id: TimerId) -> bool {
        self.entries.get(id.index as usize).is_some_and(|entry| entry.generation == id.generation && entry.generation & 1 == 1)
    }

    #[cold]
    fn advance_to(&mut self, now: u64, mut fire: impl FnMut(TimerId, u64)) -> usize {
        let target = now >> TICK_BITS;
        let mut due = std::mem::take(&mut self.due);
        while let Some((level, slot)) = self.first_occupied() {
            let start = self.start_of(level, slot);
            if start > target {
                break;
            }
            self.cursor = start;
            if level > 0 {
                self.cascade(level, slot);
            } else {
                self.collect_due(slot, now, &mut due);
                if start == target {
                    break;
                }
            }
        }
        self.cursor = self.cursor.max(target);
        // A slot is one tick, and ticks were visited in order: sorting the whole is sorting each slot.
        due.sort_unstable();
        let fired = due.len();
        for (_, _, index) in due.drain(..) {
            let id = TimerId { index, generation: self.entries[index as usize].generation };
            let payload = self.release(index);
            fire(id, payload);
        }
        self.due = due;
        self.next = self.earliest();
        fired
    }

    /// Takes what is due out of a level-0 slot. The rest of that tick stays.
    fn collect_due(&mut self, slot: usize, now: u64, due: &mut Vec<(u64, u32, u32)>) {
        let sentinel = slot as u32;
        let base = self.sequence;
        let mut index = self.entries[slot].next;
        while index != sentinel {
            let Entry { deadline, next, sequence, .. } = self.entries[index as usize];
            if deadline <= now {
                self.unlink(index);
                // Age, oldest first, stays ordered when the sequence wraps.
                due.push((deadline, u32::MAX - base.wrapping_sub(sequence), index));
            }
            index = next;
        }
    }

    fn cascade(&mut self, level: usize, slot: usize) {
        let sentinel = (level * SLOTS + slot) as u32;
        let mut index = self.entries[sentinel as usize].next;
        self.entries[sentinel as usize].next = sentinel;
        self.entries[sentinel as usize].prev = sentinel;
        self.occupied[level] &= !(1 << slot);
        while index != sentinel {
            let Entry { next, deadline, .. } = self.entries[index as usize];
            self.link(index, deadline);
            index = next;
        }
    }

    fn first_occupied(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// The first tick of a slot: the cursor's digits above the level, the slot as this digit, zeros below.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * level as u32;
        let above = match shift + SLOT_BITS {
            bits if bits < 64 => self.cursor >> bits << bits,
            _ => 0,
        };
        above | (slot as u64) << shift
    }

    /// The exact earliest deadline where it lies within level 0, else the start of the first slot.
    fn earliest(&self) -> u64 {
        let Some((level, slot)) = self.first_occupied() else { return NEVER };
        if level > 0 {
            return self.start_of(level, slot) << TICK_BITS;
        }
        let mut earliest = NEVER;
        let mut index = self.entries[slot].next;
        while index != slot as u32 {
            let entry = &self.entries[index as usize];
            earliest = earliest.min(entry.deadline);
            index = entry.next;
        }
        earliest
    }

    #[inline]
    fn schedule(&mut self, index: u32, deadline: u64) {
        self.sequence = self.sequence.wrapping_add(1);
        let entry = &mut self.entries[index as usize];
        entry.deadline = deadline;
        entry.sequence = self.sequence;
        self.link(index, deadline);
        self.next = self.next.min(deadline);
    }

    #[inline]
    fn link(&mut self, index: u32, deadline: u64) {
        let tick = (deadline >> TICK_BITS).max(self.cursor);
        let differs = tick ^ self.cursor;
        let level = ((63 - (differs | 1).leading_zeros()) / SLOT_BITS) as usize;
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize & (SLOTS - 1);
        let sentinel = level * SLOTS + slot;
        self.occupied[level] |= 1 << slot;
        let last = std::mem::replace(&mut self.entries[sentinel].prev, index);
        self.entries[last as usize].next = index;
        let entry = &mut self.entries[index as usize];
        entry.prev = last;
        entry.next = sentinel as u32;
    }

    #[inline]
    fn unlink(&mut self, index: u32) {
        let Entry { prev, next, .. } = self.entries[index as usize];
        self.entries[prev as usize].next = next;
        self.entries[next as usize].prev = prev;
        if prev == next && (prev as usize) < SENTINELS {
            self.occupied[prev as usize / SLOTS] &= !(1 << (prev as usize % SLOTS));
        }
    }

    #[inline]
    fn allocate(&mut self) -> u32 {
        match self.free {
            Some(index) => {
                let next = self.entries[index as usize].next;
                self.free = (next != index).then_some(next);
                index
            }
            None => {
                let index = u32::try_from(self.entries.len()).unwrap_or_else(|_| unreachable!("4 billion timers need 128 GiB"));
                self.entries.push(Entry { deadline: 0, payload: 0, prev: index, next: index, generation: 0, sequence: 0 });
                index
            }
        }
    }

    /// Ends the life of an unlinked entry and returns its payload. A slot whose lives are used up is not used again.
    #[inline]
    fn release(&mut self, index: u32) -> u64 {
        let free = self.free.unwrap_or(index);
        let entry = &mut self.entries[index as usize];
        entry.generation += 1;
        if entry.generation < MAX_GENERATION - 1 {
            entry.next = free;
            self.free = Some(index);
        }
        self.len -= 1;
        entry.payload
    }
}

/// The latest instant within the slack that the most timers can share: the one with the most zeros at its end.
#[inline]
fn coalesce(deadline: u64, slack: u64) -> u64 {
    if slack == 0 {
        return deadline;
    }
    let step = 1 << slack.ilog2();
    deadline.checked_add(step - 1).map_or(deadline, |end| end & !(step - 1))
}

#[cfg(test)]
mod tests;
