//! A long response, written as fast as the engine takes it.

use bytes::Bytes;
use hostloop::{Event, Handle};

use super::Host;

pub(crate) const PIECE: usize = 64 * 1024;

pub(crate) struct Download {
    pub(crate) request: Handle,
    whole: usize,
    accepted: usize,
    /// Bytes that the engine has reported as sent.
    pub(crate) sent: usize,
}

impl Download {
    /// Starts to stream a response of this many bytes, in whole pieces.
    pub(crate) fn start(host: &mut Host, request: Handle, whole: usize) -> Self {
        host.engine.respond_streamed(request, hostloop::ResponseHead::default()).unwrap();
        Self { request, whole: whole.next_multiple_of(PIECE), accepted: 0, sent: 0 }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.sent == self.whole
    }

    /// Writes until the engine takes no more.
    pub(crate) fn pump(&mut self, host: &mut Host) {
        loop {
            let before = self.sent;
            while self.accepted < self.whole && host.engine.write(self.request, Bytes::from(vec![b'x'; PIECE]), 7).is_ok() {
                self.accepted += PIECE;
            }
            host.run();
            while host.find(|event| matches!(event, Event::Written { sent: true, .. }).then_some(())).is_some() {
                self.sent += PIECE;
            }
            if self.sent == before {
                return;
            }
        }
    }
}
