//! What happened, told through `tracing` with the target `hostloop::lifecycle`.

use std::time::Duration;

use crate::{
    app::error::{Chain, SharedError},
    lifecycle::{EventKind, NodeId, Plan, Run},
};

/// An event with its texts.
pub(super) struct Told {
    kind: EventKind,
    node: String,
    source: String,
    took: Option<Duration>,
    detail: String,
    error: String,
}

/// Takes the machine's events. Those of a node that has just failed carry its error.
pub(super) fn take(run: &mut Run, error: Option<&(NodeId, SharedError)>) -> Vec<Told> {
    let events = run.take_events();
    let plan = run.plan();
    let told = events.into_iter().map(|event| {
        let text = |text: fn(&Plan, NodeId) -> &str| event.node.map(|node| text(plan, node).to_owned()).unwrap_or_default();
        let (node, source) = (text(Plan::label), text(Plan::source));
        let error = error.filter(|(failed, _)| event.node == Some(*failed)).map(|(_, error)| Chain(&**error).to_string());
        Told { kind: event.kind, node, source, took: event.duration, detail: event.detail, error: error.unwrap_or_default() }
    });
    told.collect()
}

impl Told {
    pub(super) fn tell(self) {
        let Self { kind, node, source, took, detail, error } = self;
        let took = took.map(tracing::field::debug);
        let (detail, error) = (some(&detail), some(&error));
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: "hostloop::lifecycle",
                    node = some(&node), source = some(&source), took, detail, error, "{}", kind.name()
                )
            };
        }
        match level(kind) {
            Level::Debug => tell!(debug),
            Level::Info => tell!(info),
            Level::Warn => tell!(warn),
            Level::Error => tell!(error),
        }
    }
}

fn some(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

#[derive(Clone, Copy)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

fn level(kind: EventKind) -> Level {
    match kind {
        EventKind::ConstructFailed
        | EventKind::FinalizeFailed
        | EventKind::HookFailed
        | EventKind::WorkerExhausted
        | EventKind::ReloadFailed => Level::Error,
        EventKind::TimedOut | EventKind::Abandoned | EventKind::Blocked | EventKind::RollingBack | EventKind::WorkerBackoff => {
            Level::Warn
        }
        EventKind::Phase
        | EventKind::Listening
        | EventKind::Drained
        | EventKind::Reloading
        | EventKind::Swapped
        | EventKind::Closed => Level::Info,
        _ => Level::Debug,
    }
}

/// A call failed when it had been given up already.
pub(super) fn late(plan: &Plan, node: NodeId, error: &SharedError) {
    tracing::error!(
        target: "hostloop::lifecycle",
        node = plan.label(node), source = plan.source(node), error = %Chain(&**error), "it failed when nobody waited for it any more"
    );
}

/// A call kept its thread, and with it all else that the thread might have done.
pub(super) fn blocked(plan: &Plan, node: NodeId, took: Duration) {
    tracing::warn!(
        target: "hostloop::lifecycle",
        node = plan.label(node), source = plan.source(node), ?took,
        "{}: it did not await for this long; move what blocks to tokio::task::spawn_blocking", EventKind::Blocked.name()
    );
}
