//! The inbox: what other threads post to an engine.
//!
//! - Posting is lock-free, and bounded: beyond the capacity a post is refused.
//! - Exactly the post that finds the inbox empty is told so, and wakes the engine: one system call for each empty-to-full
//!   change.
//! - The engine takes everything at once, in the order it was posted.

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::ptr;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What became of a post.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted<T> {
    /// The inbox was empty: the poster wakes the engine.
    First,
    /// Somebody else has woken the engine.
    Behind,
    /// The inbox is full and the message comes back.
    Full(T),
}

/// A list of messages, newest first.
///
/// Invariant: every node reachable from `head` was made by `Box::into_raw` and is owned by the list; only `take` unlinks.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    head: AtomicPtr<Node<T>>,
    len: AtomicUsize,
    capacity: usize,
}

#[derive(Debug)]
struct Node<T> {
    message: T,
    next: *mut Node<T>,
}

// SAFETY: messages only move through the list, from one thread to another; nodes are never shared.
unsafe impl<T: Send> Send for Inbox<T> {}
// SAFETY: as above; `head` and `len` are atomics.
unsafe impl<T: Send> Sync for Inbox<T> {}

impl<T> Inbox<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), len: AtomicUsize::new(0), capacity }
    }

    /// Posts a message, unless that many are waiting already.
    pub(crate) fn post(&self, message: T) -> Posted<T> {
        if self.len.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Posted::Full(message);
        }
        self.push(message)
    }

    /// Posts a message beyond any capacity, for what is bounded elsewhere.
    pub(crate) fn post_reserved(&self, message: T) -> Posted<T> {
        self.len.fetch_add(1, Ordering::Relaxed);
        self.push(message)
    }

    fn push(&self, message: T) -> Posted<T> {
        let node = Box::into_raw(Box::new(Node { message, next: ptr::null_mut() }));
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is not published yet, so this thread alone has it.
            unsafe { (*node).next = head };
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) if head.is_null() => return Posted::First,
                Ok(_) => return Posted::Behind,
                Err(current) => head = current,
            }
        }
    }

    /// Takes all that was posted, oldest first.
    pub(crate) fn take(&self) -> Vec<T> {
        if self.head.load(Ordering::Relaxed).is_null() {
            return Vec::new();
        }
        let mut messages = Vec::new();
        let mut node = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: the swap made this list ours alone, and each node came from `Box::into_raw`.
            let owned = unsafe { Box::from_raw(node) };
            node = owned.next;
            messages.push(owned.message);
        }
        self.len.fetch_sub(messages.len(), Ordering::Relaxed);
        messages.reverse();
        messages
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn messages_come_in_the_order_they_were_posted_and_only_the_first_wakes() {
        let inbox = Inbox::new(8);
        assert_eq!(inbox.post(1), Posted::First);
        assert_eq!(inbox.post(2), Posted::Behind);
        assert_eq!(inbox.take(), [1, 2]);
        assert_eq!(inbox.post(3), Posted::First);
    }

    #[test]
    fn a_full_inbox_gives_the_message_back() {
        let inbox = Inbox::new(1);
        assert_eq!(inbox.post(1), Posted::First);
        assert_eq!(inbox.post(2), Posted::Full(2));
        assert_eq!(inbox.take(), [1]);
        assert_eq!(inbox.post(2), Posted::First);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    #[test]
    fn whatever_is_posted_is_taken_once_and_every_emptiness_ends_with_one_wake() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(8));
            let posters: Vec<_> = (0..2)
                .map(|message| {
                    let inbox = Arc::clone(&inbox);
                    thread::spawn(move || usize::from(inbox.post(message) == Posted::First))
                })
                .collect();
            let mut taken = inbox.take();
            let mut emptied = usize::from(!taken.is_empty());
            let wakes: usize = posters.into_iter().map(|poster| poster.join().unwrap()).sum();
            let rest = inbox.take();
            emptied += usize::from(!rest.is_empty());
            taken.extend(rest);
            taken.sort_unstable();
            assert_eq!(taken, [0, 1]);
            assert_eq!(wakes, emptied);
        });
    }

    #[test]
    fn the_capacity_is_never_exceeded_and_nothing_refused_is_lost() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new(1));
            let poster = {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || matches!(inbox.post(1), Posted::Full(1)))
            };
            let refused_here = matches!(inbox.post(2), Posted::Full(2));
            let refused_there = poster.join().unwrap();
            assert_eq!(inbox.take().len(), 2 - usize::from(refused_here) - usize::from(refused_there));
        });
    }
}
