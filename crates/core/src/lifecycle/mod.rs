//! The lifecycle: what needs what, in which order it starts and stops, and who watches it meanwhile.
pub(crate) mod check;
pub(crate) mod diagnostic;
pub(crate) mod graph;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod suggest;
pub(crate) mod worker;

pub use self::{
    diagnostic::{Code, Diagnostic, Step, WiringError},
    graph::{Graph, Key, Lifetime, ModuleId, Need, Node, NodeId, NodeKind},
    plan::{Dep, Plan},
    run::{
        AddedHook, Arg, CancelReason, CloseCause, Command, Event, EventKind, Failure, FailureCause, Frame, HookId, Instance, Op,
        Options, Order, Outcome, Request, Run, Stage, Ticket,
    },
    worker::{OnExhausted, Policy, Restart},
};
