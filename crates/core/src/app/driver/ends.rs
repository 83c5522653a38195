//! How tasks end: their answers to the machine, and what comes when it has stopped waiting.

use std::sync::Arc;

use super::{Driver, events, task::Ended};
use crate::{
    app::{
        error::SharedError,
        listening::Listening,
        recipe::{Close, Made},
    },
    lifecycle::{Instance, NodeId, Op, Outcome},
};

impl Driver {
    /// Answers a command that makes nothing.
    pub(super) fn answer(self: &Arc<Self>, op: Op, node: NodeId, ended: Ended<()>) {
        let error = ended.error();
        let is_awaited = self.act_told(error.clone().map(|error| (node, error)), |state, now| {
            state.running.remove(&op);
            let outcome = state.outcome(ended, |()| Outcome::Done);
            state.run.complete(now, op, outcome)
        });
        self.tell_late(node, is_awaited, error);
    }

    /// Keeps a value that was made, or takes it back if nobody waits for it any more.
    pub(super) fn made(self: &Arc<Self>, op: Op, node: NodeId, instance: Instance, ended: Ended<Made>) {
        let error = ended.error();
        let late = self.act_told(error.clone().map(|error| (node, error)), |state, now| {
            state.running.remove(&op);
            let outcome = match ended {
                Ended::Done(Made { value, close }) => {
                    let outcome = if close.is_some() { Outcome::Held } else { Outcome::Done };
                    state.values.insert(instance, value);
                    state.closes.extend(close.map(|close| (instance, close)));
                    outcome
                }
                ended => state.outcome(ended, |_| Outcome::Done),
            };
            let is_awaited = state.run.complete(now, op, outcome);
            (!is_awaited).then(|| (state.values.remove(&instance), state.closes.remove(&instance)))
        });
        self.tell_late(node, late.is_none(), error);
        if let Some((value, Some(close))) = late {
            drop(value);
            self.close_late(node, close);
        }
    }

    /// Keeps what has begun to listen. What came too late is dropped, which ends it.
    pub(super) fn listening(self: &Arc<Self>, op: Op, node: NodeId, ended: Ended<Listening>) {
        let error = ended.error();
        let late = self.act_told(error.clone().map(|error| (node, error)), |state, now| {
            state.running.remove(&op);
            let mut listening = None;
            let outcome = state.outcome(ended, |begun| {
                listening = Some(begun);
                Outcome::Done
            });
            if !state.run.complete(now, op, outcome) {
                return Some(listening);
            }
            if let Some(begun) = listening {
                state.addresses.extend(begun.addresses());
                state.doors.extend(begun.door());
                state.listening.insert(node, begun);
            }
            None
        });
        self.tell_late(node, late.is_none(), error);
    }

    /// Tells an error that came when nobody waited for it any more.
    fn tell_late(&self, node: NodeId, is_awaited: bool, error: Option<SharedError>) {
        if let (false, Some(error)) = (is_awaited, error) {
            events::late(&self.blueprint.plan, node, &error);
        }
    }

    /// Takes back what came too late, on nobody's time.
    fn close_late(self: &Arc<Self>, node: NodeId, close: Close) {
        let driver = Arc::clone(self);
        self.runtime.spawn(async move {
            if let Err(error) = close().await {
                events::late(&driver.blueprint.plan, node, &error.into());
            }
        });
    }
}
