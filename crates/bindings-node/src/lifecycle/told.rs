//! Commands, failures and events as objects.

use hostloop::lifecycle::{Arg, Command, Event, Failure, HookId, NodeId, Op};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

/// An event: seconds of the clock, what, to which node, how long it took in seconds, more to be read.
#[napi(object)]
pub struct NativeEvent {
    pub at: f64,
    pub kind: String,
    pub node: Option<u32>,
    pub seconds: Option<f64>,
    pub detail: String,
}

/// A failure: the node, why, the number of the host's error if there is one, what happened.
#[napi(object)]
pub struct NativeFailure {
    pub node: u32,
    pub cause: String,
    pub error: Option<f64>,
    pub message: String,
}

/// A command: what is to be done, and the fields that it has.
#[napi(object)]
#[derive(Default)]
pub struct NativeCommand {
    pub name: String,
    /// What it is answered by. It may need all 64 bits.
    pub op: Option<BigInt>,
    pub node: Option<u32>,
    pub instance: Option<f64>,
    pub instances: Option<Vec<f64>>,
    pub args: Option<Vec<f64>>,
    pub hook: Option<u32>,
    pub attempt: Option<u32>,
    pub seconds: Option<f64>,
    pub why: Option<String>,
    pub error: Option<f64>,
    pub ticket: Option<f64>,
    pub value: Option<f64>,
    pub failure: Option<NativeFailure>,
    pub failures: Option<Vec<NativeFailure>>,
    pub generation: Option<f64>,
    pub code: Option<i32>,
}

/// A value's number, 0 for none, or `-1 - number` of the node that is asked for lazily.
pub(super) fn arg(arg: Arg) -> f64 {
    match arg {
        Arg::Value(instance) => instance.to_bits() as f64,
        Arg::Lazy(node) => -1.0 - node.index() as f64,
        Arg::Absent => 0.0,
    }
}

fn args(given: &[Arg]) -> Option<Vec<f64>> {
    Some(given.iter().copied().map(arg).collect())
}

pub(super) fn event(event: Event) -> NativeEvent {
    let Event { at, kind, node, duration, detail } = event;
    NativeEvent {
        at: at as f64 / 1e9,
        kind: kind.name().to_owned(),
        node: node.map(index),
        seconds: duration.map(|duration| duration.as_secs_f64()),
        detail,
    }
}

pub(super) fn failure(failure: &Failure) -> NativeFailure {
    let Failure { node, cause, message } = failure;
    let error = cause.error().map(|error| error as f64);
    NativeFailure { node: index(*node), cause: cause.name().to_owned(), error, message: message.clone() }
}

fn index(node: NodeId) -> u32 {
    node.index() as u32
}

fn named(name: &str) -> NativeCommand {
    NativeCommand { name: name.to_owned(), ..NativeCommand::default() }
}

fn answered(name: &str, op: Op) -> NativeCommand {
    NativeCommand { op: Some(BigInt::from(op.to_bits())), ..named(name) }
}

fn hook_command(name: &str, op: Op, hook: HookId, node: Option<NodeId>, given: &[Arg]) -> NativeCommand {
    NativeCommand { hook: Some(hook.to_bits() as u32), node: node.map(index), args: args(given), ..answered(name, op) }
}

/// A command as an object. None if it is not for this host.
pub(super) fn command(command: Command, hook_node: impl Fn(HookId) -> Option<NodeId>) -> Option<NativeCommand> {
    Some(match command {
        Command::Construct { op, node, instance, args: given, .. } => NativeCommand {
            node: Some(index(node)),
            instance: Some(instance.to_bits() as f64),
            args: args(&given),
            ..answered("construct", op)
        },
        Command::Finalize { op, node, instance, cause } => {
            let (why, error) = (cause.name(), cause.error().map(|error| error as f64));
            NativeCommand {
                node: Some(index(node)),
                instance: Some(instance.to_bits() as f64),
                why: Some(why.to_owned()),
                error,
                ..answered("finalize", op)
            }
        }
        Command::Forget { instances } => {
            let instances = instances.into_iter().map(|instance| instance.to_bits() as f64).collect();
            NativeCommand { instances: Some(instances), ..named("forget") }
        }
        Command::StartHook { op, hook, args } => hook_command("startHook", op, hook, hook_node(hook), &args),
        Command::StopHook { op, hook, args } => hook_command("stopHook", op, hook, hook_node(hook), &args),
        Command::RunWorker { op, node, attempt, args: given } => {
            NativeCommand { node: Some(index(node)), attempt: Some(attempt), args: args(&given), ..answered("runWorker", op) }
        }
        Command::StopWorker { op } => answered("stopWorker", op),
        Command::Listen { op, node, .. } => NativeCommand { node: Some(index(node)), ..answered("listen", op) },
        Command::Drain { op, node, timeout } => NativeCommand {
            node: Some(index(node)),
            seconds: timeout.map(|timeout| timeout.as_secs_f64()),
            ..answered("drain", op)
        },
        Command::AwaitUsers { op } => answered("awaitUsers", op),
        Command::Cancel { op, reason: why } => NativeCommand { why: Some(why.name().to_owned()), ..answered("cancel", op) },
        Command::Abandon { op } => answered("abandon", op),
        Command::Settle { ticket, outcome } => {
            let settled = NativeCommand { ticket: Some(ticket.to_bits() as f64), ..named("settle") };
            match outcome {
                Ok(value) => NativeCommand { value: Some(arg(value)), ..settled },
                Err(why) => NativeCommand { failure: Some(failure(&why)), ..settled },
            }
        }
        Command::Swap { values } => {
            let pairs = values.into_iter().flat_map(|(node, instance)| [f64::from(index(node)), instance.to_bits() as f64]);
            NativeCommand { instances: Some(pairs.collect()), ..named("swap") }
        }
        Command::Reloaded { generation, failure: why } => {
            NativeCommand { generation: Some(generation as f64), failure: why.as_ref().map(failure), ..named("reloaded") }
        }
        Command::Started => named("started"),
        Command::Stopped { code, failures: all } => {
            NativeCommand { code: Some(code), failures: Some(all.iter().map(failure).collect()), ..named("stopped") }
        }
        Command::Exit { code } => NativeCommand { code: Some(code), ..named("exit") },
        _ => return None,
    })
}
