//! Handles: how a host names what lives in the engine.
//!
//! A handle is 64 bits: what kind of thing it names (8), which life of its slot (24), and the slot (32). A slot that is
//! freed starts a new life, so a handle kept too long is recognised as stale instead of reaching its successor. A slot
//! whose lives are used up is retired, never wrapped.

use crate::error::{Error, ErrorKind};

/// What a [`Handle`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// A one-shot timer.
    Timer = 1,
    /// A descriptor of the host's that the engine watches.
    Watch = 2,
    /// An HTTP server: routes, limits, timeouts and its listeners.
    Server = 3,
    /// A listening socket of a server.
    Listener = 4,
    /// The client's end of an in-memory connection.
    Client = 5,
    /// A request that a handler answers.
    Request = 6,
}

/// Names one thing in one engine, for as long as that thing lives.
///
/// Handles are plain numbers: copy them, keep them, send them to another thread. A handle whose thing has ended gives
/// [`ErrorKind::Stale`] in every verb. Zero is never a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u64);

pub(crate) const MAX_GENERATION: u32 = (1 << 24) - 1;

impl Handle {
    pub(crate) fn new(kind: Kind, generation: u32, slot: u32) -> Self {
        debug_assert!((1..=MAX_GENERATION).contains(&generation));
        Self((kind as u64) << 56 | u64::from(generation) << 32 | u64::from(slot))
    }

    /// Returns the handle as a number, for tables and logs of the host's.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Takes back a number that [`Handle::to_bits`] gave. Any other number is a handle that every verb refuses.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns what the handle names, or `None` for a number that never was a handle.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        [Kind::Timer, Kind::Watch, Kind::Server, Kind::Listener, Kind::Client, Kind::Request]
            .into_iter()
            .find(|&kind| self.is(kind))
    }

    /// Returns the handle's place in a table of its kind, for tables of the host's that go with it. Places are used again.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot() as usize
    }

    pub(crate) fn slot(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & MAX_GENERATION
    }

    pub(crate) fn is(self, kind: Kind) -> bool {
        self.0 >> 56 == kind as u64
    }

    pub(crate) fn stale(self, operation: &'static str) -> Error {
        Error::new(
            ErrorKind::Stale,
            operation,
            format!("handle {:#x} names nothing that lives; its last event has been given", self.0),
        )
    }
}

/// The things of one kind, by handle.
#[derive(Debug)]
pub(crate) struct Table<T> {
    kind: Kind,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn insert(&mut self, value: T) -> Handle {
        self.insert_with(|_| value)
    }

    /// Inserts a value that knows its own handle.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Handle) -> T) -> Handle {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 1, value: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        let handle = Handle::new(self.kind, slot.generation, index);
        slot.value = Some(make(handle));
        handle
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        self.slot(handle).and_then(|slot| slot.value.as_ref())
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let kind = self.kind;
        let slot = self.slots.get_mut(handle.slot() as usize)?;
        if handle.is(kind) && slot.generation == handle.generation() { slot.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let slot = &mut self.slots[handle.slot() as usize];
        let value = slot.value.take();
        if slot.generation < MAX_GENERATION {
            slot.generation += 1;
            self.free.push(handle.slot());
        }
        value
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        let kind = self.kind;
        self.slots.iter().zip(0..).filter_map(move |(slot, index)| {
            let value = slot.value.as_ref()?;
            Some((Handle::new(kind, slot.generation, index), value))
        })
    }

    /// Removes everything.
    pub(crate) fn drain(&mut self) -> Vec<(Handle, T)> {
        let handles: Vec<Handle> = self.iter().map(|(handle, _)| handle).collect();
        handles.into_iter().filter_map(|handle| self.remove(handle).map(|value| (handle, value))).collect()
    }

    fn slot(&self, handle: Handle) -> Option<&Slot<T>> {
        let slot = self.slots.get(handle.slot() as usize)?;
        (handle.is(self.kind) && slot.generation == handle.generation()).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_stale_once_its_thing_is_gone() {
        let mut table = Table::new(Kind::Timer);
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(second.slot(), first.slot());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
    }

    #[test]
    fn a_handle_of_another_kind_reaches_nothing() {
        let mut table = Table::new(Kind::Timer);
        let handle = table.insert(());
        let forged = Handle::new(Kind::Request, handle.generation(), handle.slot());
        assert!(table.get(forged).is_none() && table.get_mut(forged).is_none());
    }

    #[test]
    fn a_slot_whose_lives_are_used_up_is_retired() {
        let mut table = Table::new(Kind::Timer);
        let first = table.insert(0);
        table.slots[first.slot() as usize].generation = MAX_GENERATION;
        let last = Handle::new(Kind::Timer, MAX_GENERATION, first.slot());
        assert_eq!(table.remove(last), Some(0));
        assert_ne!(table.insert(1).slot(), first.slot());
    }
}
