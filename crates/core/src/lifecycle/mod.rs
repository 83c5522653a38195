//! The lifecycle: what needs what, in which order it starts and stops, and who watches it meanwhile.
//!
//! Three things, each made of the one before:
//!
//! - a [`Graph`] is what a host declares: nodes, and what each needs by key;
//! - a [`Plan`] is what [`Graph::seal`] makes of it, or it tells every mistake at once, without calling anything;
//! - a [`Run`] is one life of it: a machine that calls nothing and reads no clock. It gives [`Command`]s, the host does them with its own
//!   functions and objects and answers each by [`Run::complete`], and [`Run::poll`] acts on deadlines.
//!
//! Objects, functions and errors stay on the host's side, under the numbers that the commands give them. What a request needs again and
//! again is compiled on the host's side from the same plan; the machine is for what starts, stops, fails and waits.
//!
//! # What holds
//!
//! - A value is made once for each node and scope, however many ask at once. Who gives up harms nobody else; with the last, the
//!   construction is cancelled. Who would wait for itself is told so, with the way.
//! - What started is stopped once and what was made is taken back once, in the reverse of the order in which it was done, whatever else
//!   fails, hangs or ignores its cancellation; never before what holds it.
//! - Every wait has an end, and every failure a name. The budget of a stop holds even if every phase stalls.
//! - A reload changes everything or nothing.
//!
//! # An example
//!
//! ```
//! use std::sync::Arc;
//! use hostloop::lifecycle::{Command, Graph, Need, Node, NodeKind, Options, Outcome, Run};
//!
//! let mut graph = Graph::default();
//! let database = graph.key("Database");
//! graph.add(Node::new(NodeKind::Resource, "database", "main.rs:3").provides(database));
//! graph.add(Node::new(NodeKind::Hook, "migrate", "main.rs:9").needs([Need::key("database", database)]));
//! let plan = graph.seal().expect("the wiring has no mistake");
//!
//! let mut run = Run::new(Arc::new(plan), Options::default());
//! run.start(0).expect("it is new");
//! let (mut now, mut log) = (0, Vec::new());
//! loop {
//!     now += 1; // the host's clock, in nanoseconds
//!     run.poll(now);
//!     for command in run.take_commands() {
//!         match command {
//!             Command::Construct { op, .. } => { log.push("open"); run.complete(now, op, Outcome::Held); }
//!             Command::StartHook { op, .. } => { log.push("migrate"); run.complete(now, op, Outcome::Done); }
//!             Command::Started => run.stop(now, 0),
//!             Command::StopHook { op, .. } => { run.complete(now, op, Outcome::Done); }
//!             Command::Finalize { op, .. } => { log.push("close"); run.complete(now, op, Outcome::Done); }
//!             Command::Stopped { code: 0, .. } => {
//!                 assert_eq!(log, ["open", "migrate", "close"]);
//!                 return;
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! ```

pub(crate) mod check;
pub(crate) mod diagnostic;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod replace;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod suggest;
pub(crate) mod worker;

pub use self::{
    diagnostic::{Code, Diagnostic, Step, WiringError},
    explain::{ExplainedEdge, ExplainedNode, Explanation},
    graph::{Graph, Key, Lifetime, ModuleId, Need, Node, NodeId, NodeKind},
    plan::{Dep, Plan},
    run::{
        AddedHook, Arg, CancelReason, CloseCause, Command, Event, EventKind, Failure, FailureCause, Frame, HookId, Instance, Op,
        Options, Order, Outcome, Request, Run, Stage, Ticket,
    },
    worker::{OnExhausted, Policy, Restart},
};
