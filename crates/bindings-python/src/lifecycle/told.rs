//! Commands, failures and events as tuples.

use hostloop::lifecycle::{Arg, Command, Event, Failure, HookId, NodeId, Op};
use pyo3::{IntoPyObjectExt, prelude::*};

/// An event: seconds of the clock, what, to which node, how long it took in seconds, more to be read.
pub(super) type EventRow = (f64, &'static str, Option<usize>, Option<f64>, String);

/// A failure: the node, why, the number of the host's exception if there is one, what happened.
pub(super) type FailureRow = (usize, &'static str, Option<u64>, String);

/// A value's number, 0 for none, or `-1 - number` of the node that is asked for lazily.
pub(super) fn arg(arg: Arg) -> i64 {
    match arg {
        Arg::Value(instance) => instance.to_bits() as i64,
        Arg::Lazy(node) => -1 - node.index() as i64,
        Arg::Absent => 0,
    }
}

fn args(given: &[Arg]) -> Vec<i64> {
    given.iter().copied().map(arg).collect()
}

pub(super) fn event(event: Event) -> EventRow {
    let Event { at, kind, node, duration, detail } = event;
    (at as f64 / 1e9, kind.name(), node.map(NodeId::index), duration.map(|duration| duration.as_secs_f64()), detail)
}

pub(super) fn failure(failure: &Failure) -> FailureRow {
    let Failure { node, cause, message } = failure;
    (node.index(), cause.name(), cause.error(), message.clone())
}

fn failures(all: &[Failure]) -> Vec<FailureRow> {
    all.iter().map(failure).collect()
}

/// A command: the name of the container's method, and its arguments. None if it is not for this host.
pub(super) fn command(
    py: Python<'_>,
    command: Command,
    hook_node: impl Fn(HookId) -> Option<NodeId>,
) -> PyResult<Option<Py<PyAny>>> {
    let number = Op::to_bits;
    let hook_of = |hook: HookId| hook_node(hook).map(NodeId::index);
    match command {
        Command::Construct { op, node, instance, args: given, .. } => {
            ("construct", number(op), node.index(), instance.to_bits(), args(&given)).into_py_any(py)
        }
        Command::Finalize { op, node, instance, cause } => {
            ("finalize", number(op), node.index(), instance.to_bits(), cause.name(), cause.error()).into_py_any(py)
        }
        Command::Forget { instances } => {
            ("forget", instances.into_iter().map(|instance| instance.to_bits()).collect::<Vec<_>>()).into_py_any(py)
        }
        Command::StartHook { op, hook, args: given } => {
            ("start_hook", number(op), hook.to_bits(), hook_of(hook), args(&given)).into_py_any(py)
        }
        Command::StopHook { op, hook, args: given } => {
            ("stop_hook", number(op), hook.to_bits(), hook_of(hook), args(&given)).into_py_any(py)
        }
        Command::RunWorker { op, node, attempt, args: given } => {
            ("run_worker", number(op), node.index(), attempt, args(&given)).into_py_any(py)
        }
        Command::StopWorker { op } => ("stop_worker", number(op)).into_py_any(py),
        Command::Listen { op, node, .. } => ("listen", number(op), node.index()).into_py_any(py),
        Command::Drain { op, node, timeout } => {
            ("drain", number(op), node.index(), timeout.map(|timeout| timeout.as_secs_f64())).into_py_any(py)
        }
        Command::AwaitUsers { op } => ("await_users", number(op)).into_py_any(py),
        Command::Cancel { op, reason: why } => ("cancel", number(op), why.name()).into_py_any(py),
        Command::Abandon { op } => ("abandon", number(op)).into_py_any(py),
        Command::Settle { ticket, outcome } => match outcome {
            Ok(value) => ("settle", ticket.to_bits(), arg(value), None::<FailureRow>).into_py_any(py),
            Err(why) => ("settle", ticket.to_bits(), 0, Some(failure(&why))).into_py_any(py),
        },
        Command::Swap { values } => {
            let values: Vec<_> = values.into_iter().map(|(node, instance)| (node.index(), instance.to_bits())).collect();
            ("swap", values).into_py_any(py)
        }
        Command::Reloaded { generation, failure: why } => ("reloaded", generation, why.as_ref().map(failure)).into_py_any(py),
        Command::Started => ("started",).into_py_any(py),
        Command::Stopped { code, failures: all } => ("stopped", code, failures(&all)).into_py_any(py),
        Command::Exit { code } => ("exit", code).into_py_any(py),
        _ => return Ok(None),
    }
    .map(Some)
}
