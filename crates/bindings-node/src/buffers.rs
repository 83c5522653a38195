//! Memory for the copies of large bodies, used again and again: fetching it anew from the system, page by page, costs more than the copy.

use std::cell::RefCell;

use bytes::Bytes;

/// Bodies from this many bytes on are kept here. Smaller ones the allocator keeps by itself.
pub(crate) const LARGE: usize = 32 * 1024;

/// Larger ones are rare, and would be much to keep.
const LARGEST: usize = 1024 * 1024;

/// Bytes that are kept at most, of each thread.
const KEPT: usize = 8 * 1024 * 1024;

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: Vec::new(), bytes: 0 }) };
}

struct Spare {
    buffers: Vec<Vec<u8>>,
    /// The sum of their capacities.
    bytes: usize,
}

/// Returns an empty buffer with room for this many bytes.
pub(crate) fn take(length: usize) -> Vec<u8> {
    let spare = if (LARGE..=LARGEST).contains(&length) { SPARE.with_borrow_mut(|spare| spare.take(length)) } else { None };
    spare.unwrap_or_else(|| Vec::with_capacity(length))
}

/// Makes bytes of a buffer, which comes back when they have been sent.
pub(crate) fn lend(buffer: Vec<u8>) -> Bytes {
    if (LARGE..=LARGEST).contains(&buffer.capacity()) { Bytes::from_owner(Lent(buffer)) } else { buffer.into() }
}

impl Spare {
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (length..=length.saturating_mul(4)).contains(&buffer.capacity());
        let place = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.swap_remove(place);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if self.bytes + buffer.capacity() > KEPT {
            return;
        }
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push(buffer);
    }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(buffer));
    }
}
