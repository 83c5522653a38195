//! The gate in front of the parser: nothing reaches hyper that RFC 9112 does not allow.
//!
//! hyper reads what many clients send; a server behind a proxy must refuse what two parsers could read in two ways. So the
//! bytes of a connection pass through here first: whole heads only, each line checked, and the framing of bodies followed to
//! where the next head starts. hyper remains the parser; this decides what it gets to see.

mod chunked;
mod head;

use http::StatusCode;

use self::{
    chunked::Chunked,
    head::{Body, HeadCheck},
};
use super::options::Limits;

/// Why a connection is refused. The text is for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
}

impl Refusal {
    pub(crate) const fn bad(detail: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, detail }
    }
}

/// Follows a connection's bytes from message to message.
pub(crate) struct Gate {
    state: State,
    limits: Limits,
    /// Bytes that were read and not passed on: first whole messages, then the start of a head.
    held: Vec<u8>,
    /// How many of them may pass.
    passable: usize,
    /// Bytes of bodies that passed, for the body's timeout.
    pub(crate) body_bytes: u64,
    /// Messages whose head has passed.
    heads: u64,
}

enum State {
    Head(HeadCheck),
    Sized(u64),
    Chunked(Chunked),
    /// Refused, and which message that was, counted from one.
    Refused(Refusal, u64),
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            state: State::Head(HeadCheck::default()),
            limits: limits.clone(),
            held: Vec::new(),
            passable: 0,
            body_bytes: 0,
            heads: 0,
        }
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.state {
            State::Refused(refusal, _) => Some(refusal),
            _ => None,
        }
    }

    /// Returns a refusal together with the number of the message it is about, counted from one.
    pub(crate) fn refused_message(&self) -> Option<(Refusal, u64)> {
        match self.state {
            State::Refused(refusal, message) => Some((refusal, message)),
            _ => None,
        }
    }

    /// Returns whether the start of a head has come, and not its end.
    pub(crate) fn is_within_head(&self) -> bool {
        matches!(self.state, State::Head(_)) && self.held.len() > self.passable
    }

    /// Returns whether the last message is complete and nothing of the next has come.
    pub(crate) fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Head(_)) && self.held.is_empty()
    }

    /// Returns whether bytes wait here for the parser to take them.
    pub(crate) fn is_holding(&self) -> bool {
        self.passable > 0
    }

    /// Returns whether new bytes may go straight to the parser's buffer.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Checks bytes that were read while nothing was held, and returns how many of them pass. The rest is held or refused.
    pub(crate) fn admit(&mut self, bytes: &[u8]) -> usize {
        let passed = self.follow(bytes);
        if self.refusal().is_none() {
            self.held.extend_from_slice(&bytes[passed..]);
        }
        passed
    }

    /// Adds bytes behind those that are held, and checks on from there.
    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        self.passable += self.follow(&held[self.passable..]);
        self.held = held;
        if self.refusal().is_some() {
            self.held.truncate(self.passable);
        }
    }

    /// Takes up to `room` of the bytes that may pass.
    pub(crate) fn take(&mut self, room: usize) -> impl Iterator<Item = u8> + '_ {
        let count = room.min(self.passable);
        self.passable -= count;
        self.held.drain(..count)
    }

    /// Gives back the room of bytes that have been taken.
    pub(crate) fn shrink(&mut self) {
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }

    /// Follows whole messages through `bytes` and returns where they end; what remains is the start of a head.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let step = match &mut self.state {
                State::Head(check) => match check.advance(&bytes[at..], &self.limits) {
                    Ok(None) => return at,
                    Ok(Some((length, body))) => {
                        self.heads += 1;
                        self.state = match body {
                            Body::None => State::Head(HeadCheck::default()),
                            Body::Sized(length) => State::Sized(length),
                            Body::Chunked => State::Chunked(Chunked::new(&self.limits)),
                        };
                        Ok(length)
                    }
                    Err(refusal) => Err(refusal),
                },
                State::Sized(left) => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    *left -= step as u64;
                    self.body_bytes += step as u64;
                    if *left == 0 {
                        self.state = State::Head(HeadCheck::default());
                    }
                    Ok(step)
                }
                State::Chunked(chunked) => {
                    let step = chunked.advance(&bytes[at..]);
                    if chunked.is_complete() {
                        self.state = State::Head(HeadCheck::default());
                    }
                    self.body_bytes += *step.as_ref().unwrap_or(&0) as u64;
                    step
                }
                State::Refused(..) => return at,
            };
            match step {
                Ok(step) => at += step,
                Err(refusal) => {
                    let is_head = matches!(self.state, State::Head(_));
                    self.state = State::Refused(refusal, self.heads + u64::from(is_head));
                    return at;
                }
            }
        }
        at
    }
}

#[cfg(test)]
mod tests;
