//! One life of an application, on the clock of the machine or of a test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hostloop::{
    Clock,
    lifecycle::{AddedHook, Frame, NodeId, Op, Options, Order, Outcome, Request, Run as Inner, Ticket},
};
use pyo3::{IntoPyObjectExt, prelude::*};

use super::{
    plan::{Plan, written},
    told::{self, EventRow},
};
use crate::{
    errors::{invalid, to_python},
    options::duration,
};

/// A clock for tests: it stands still until it is moved.
#[pyclass(frozen, module = "hostloop._core")]
#[derive(Default)]
pub(crate) struct ManualClock {
    nanos: Arc<AtomicU64>,
}

#[pymethods]
impl ManualClock {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The seconds that it shows.
    #[getter]
    fn seconds(&self) -> f64 {
        self.nanos.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// Moves it to this second, if that is later.
    fn move_to(&self, seconds: f64) -> PyResult<()> {
        self.nanos.fetch_max(nanos(duration(seconds)?), Ordering::Relaxed);
        Ok(())
    }
}

/// The machine that starts, watches and stops what a plan describes. It calls nothing: the container takes commands, does them, and
/// answers each.
#[pyclass(module = "hostloop._core")]
pub(crate) struct Run {
    inner: Inner,
    clock: Option<Arc<AtomicU64>>,
}

impl Run {
    fn now(&self) -> u64 {
        match &self.clock {
            Some(manual) => manual.load(Ordering::Relaxed),
            None => Clock::Monotonic.now(),
        }
    }
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (plan, lifetimes, drain_timeout, clock = None))]
    fn new(plan: &Plan, lifetimes: &Bound<'_, PyAny>, drain_timeout: Option<f64>, clock: Option<&ManualClock>) -> PyResult<Self> {
        let options = options(lifetimes, drain_timeout)?;
        Ok(Self { inner: Inner::new(Arc::clone(&plan.inner), options), clock: clock.map(|clock| Arc::clone(&clock.nanos)) })
    }

    /// What the run does now: `new`, `building`, ... `closed`.
    #[getter]
    fn stage(&self) -> &'static str {
        self.inner.stage().name()
    }

    /// Whether the application takes requests.
    #[getter]
    fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    /// Whether a worker has been given up.
    #[getter]
    fn is_degraded(&self) -> bool {
        self.inner.is_degraded()
    }

    /// Starts the application. Raises ConflictError if it was started before.
    fn start(&mut self) -> PyResult<()> {
        let now = self.now();
        self.inner.start(now).map_err(to_python)
    }

    /// Stops the application.
    fn stop(&mut self, code: i32) {
        let now = self.now();
        self.inner.stop(now, code);
    }

    /// Takes a signal: the first stops, the second cuts the stop short, the third ends the process.
    fn signal(&mut self, number: i32) {
        let now = self.now();
        self.inner.signal(now, number);
    }

    /// Acts on every deadline that has come, and returns the seconds until the next.
    fn poll(&mut self) -> Option<f64> {
        let now = self.now();
        let next = self.inner.poll(now)?;
        Some(Duration::from_nanos(next.saturating_sub(now)).as_secs_f64())
    }

    /// What is to be done, in order: tuples of a name and its arguments.
    fn take_commands(&mut self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let commands = self.inner.take_commands();
        let named = |command| told::command(py, command, |hook| self.inner.hook_node(hook)).transpose();
        commands.into_iter().filter_map(named).collect()
    }

    /// What happened, in order.
    fn take_events(&mut self) -> Vec<EventRow> {
        self.inner.take_events().into_iter().map(told::event).collect()
    }

    /// Notes that a command is begun only now, after others of its batch.
    fn began(&mut self, op: u64) {
        let now = self.now();
        self.inner.began(now, Op::from_bits(op));
    }

    /// Answers a command with `done`, `held`, `failed`, `fatal` or `cancelled`, and returns whether it was still waited for.
    #[pyo3(signature = (op, outcome, error = 0))]
    fn complete(&mut self, py: Python<'_>, op: u64, outcome: &str, error: u64) -> PyResult<bool> {
        let outcome = match outcome {
            "done" => Outcome::Done,
            "held" => Outcome::Held,
            "failed" => Outcome::Failed(error),
            "fatal" => Outcome::Fatal(error),
            "cancelled" => Outcome::Cancelled,
            other => return Err(invalid(py, format!("no outcome is {other:?}"))),
        };
        let now = self.now();
        Ok(self.inner.complete(now, Op::from_bits(op), outcome))
    }

    /// Asks for the value of a node of the application's scope, for a constructor or for somebody else. Returns what it is, or the
    /// ticket that will be settled, or the failure; of the three, two are None.
    #[pyo3(signature = (node, requester = None))]
    fn request(&mut self, py: Python<'_>, node: usize, requester: Option<u64>) -> PyResult<Py<PyAny>> {
        let now = self.now();
        match self.inner.request(now, NodeId::new(node), Frame::APP, requester.map(Op::from_bits)) {
            Request::Ready(arg) => (Some(told::arg(arg)), None::<u64>, None::<told::FailureRow>),
            Request::Pending(ticket) => (None, Some(ticket.to_bits()), None),
            Request::Refused(failure) => (None, None, Some(told::failure(&failure))),
        }
        .into_py_any(py)
    }

    /// Gives up what was asked for.
    fn abandon(&mut self, ticket: u64) {
        let now = self.now();
        self.inner.abandon(now, Ticket::from_bits(ticket));
    }

    /// Adds a hook for the node that a command has constructed, and returns its number. Raises ConflictError after the start.
    #[pyo3(signature = (op, label, source, start_timeout = None, stop_timeout = None))]
    fn add_hook(
        &mut self,
        op: u64,
        label: String,
        source: String,
        start_timeout: Option<f64>,
        stop_timeout: Option<f64>,
    ) -> PyResult<u64> {
        let (start_timeout, stop_timeout) = (start_timeout.map(duration).transpose()?, stop_timeout.map(duration).transpose()?);
        let hook = AddedHook { label, source, start_timeout, stop_timeout };
        self.inner.add_hook(Op::from_bits(op), hook).map(|hook| hook.to_bits()).map_err(to_python)
    }

    /// Notes that a worker is ready.
    fn worker_ready(&mut self, op: u64) {
        let now = self.now();
        self.inner.worker_ready(now, Op::from_bits(op));
    }

    /// Notes that a worker is alive.
    fn worker_tick(&mut self, op: u64) {
        let now = self.now();
        self.inner.worker_tick(now, Op::from_bits(op));
    }

    /// Runs a worker that has ended. Raises ConflictError if it runs.
    fn restart(&mut self, node: usize) -> PyResult<()> {
        let now = self.now();
        self.inner.restart(now, NodeId::new(node)).map_err(to_python)
    }

    /// Makes new values of these nodes and of all that holds them, and returns the number of the reload. Raises ConflictError.
    fn reload(&mut self, nodes: Vec<usize>) -> PyResult<u64> {
        let now = self.now();
        let nodes: Vec<_> = nodes.into_iter().map(NodeId::new).collect();
        self.inner.reload(now, &nodes).map_err(to_python)
    }

    /// The graph as it is now, as `json`, `dot`, `mermaid` or `html`.
    fn explain(&self, py: Python<'_>, format: &str) -> PyResult<Py<PyAny>> {
        written(py, &self.inner.explain(), format)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads `hostloop.Lifetimes`, which has checked its values.
fn options(given: &Bound<'_, PyAny>, drain_timeout: Option<f64>) -> PyResult<Options> {
    let optional = |name: &str| given.getattr(name)?.extract::<Option<f64>>()?.map(duration).transpose();
    let seconds = |name: &str| duration(given.getattr(name)?.extract()?);
    let order: String = given.getattr("order")?.extract()?;
    let mut options = Options::default();
    options.order = if order == "dependencies" { Order::Dependencies } else { Order::Levels };
    options.start_timeout = optional("start_timeout")?;
    options.step_timeout = optional("step_timeout")?;
    options.stop_step_timeout = optional("stop_step_timeout")?;
    options.stop_timeout = optional("stop_timeout")?;
    options.pre_stop_delay = seconds("pre_stop_delay")?;
    options.drain_timeout = drain_timeout.map(duration).transpose()?;
    options.grace = seconds("grace")?;
    options.cut_short = seconds("cut_short")?;
    options.retire_timeout = optional("retire_timeout")?;
    options.blocked_after = seconds("blocked_after")?;
    options.seed = Clock::Monotonic.now();
    Ok(options)
}
