//! One life of an application, on the clock of the machine or of a test.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use hostloop::{
    Clock,
    lifecycle::{AddedHook, Frame, NodeId, Op, Options, Order, Outcome, Request, Run as Inner, Ticket},
};
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;

use super::{
    plan::{Plan, written},
    told::{self, NativeCommand, NativeEvent, NativeFailure},
};
use crate::{
    errors::{Result, invalid, to_node},
    options::duration,
};

/// A clock for tests: it stands still until it is moved.
#[napi]
#[derive(Default)]
pub struct ManualClock {
    nanos: Rc<Cell<u64>>,
}

#[napi]
impl ManualClock {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// The seconds that it shows.
    #[napi(getter)]
    pub fn seconds(&self) -> f64 {
        self.nanos.get() as f64 / 1e9
    }

    /// Moves it to this second, if that is later.
    #[napi]
    pub fn move_to(&self, seconds: f64) -> Result<()> {
        self.nanos.set(self.nanos.get().max(nanos(duration(seconds)?)));
        Ok(())
    }
}

/// How an application starts and stops. The public layer has checked the values. Times are seconds.
#[napi(object)]
pub struct NativeLifetimes {
    pub order: String,
    pub start_timeout: Option<f64>,
    pub step_timeout: Option<f64>,
    pub stop_step_timeout: Option<f64>,
    pub stop_timeout: Option<f64>,
    pub pre_stop_delay: f64,
    pub drain_timeout: Option<f64>,
    pub grace: f64,
    pub cut_short: f64,
    pub retire_timeout: Option<f64>,
    pub blocked_after: f64,
}

/// What became of a request: the value's number, or a ticket that will be settled, or the failure.
#[napi(object)]
#[derive(Default)]
pub struct NativeRequest {
    pub value: Option<f64>,
    pub ticket: Option<f64>,
    pub failure: Option<NativeFailure>,
}

/// The machine that starts, watches and stops what a plan describes. It calls nothing: the container takes commands, does them, and
/// answers each.
#[napi]
pub struct Run {
    inner: Inner,
    clock: Option<Rc<Cell<u64>>>,
}

impl Run {
    fn now(&self) -> u64 {
        match &self.clock {
            Some(manual) => manual.get(),
            None => Clock::Monotonic.now(),
        }
    }
}

#[napi]
impl Run {
    #[napi(constructor)]
    pub fn new(plan: &Plan, lifetimes: NativeLifetimes, clock: Option<&ManualClock>) -> Result<Self> {
        let options = options(&lifetimes)?;
        Ok(Self { inner: Inner::new(Arc::clone(&plan.inner), options), clock: clock.map(|clock| Rc::clone(&clock.nanos)) })
    }

    /// What the run does now: `new`, `building`, ... `closed`.
    #[napi(getter)]
    pub fn stage(&self) -> String {
        self.inner.stage().name().to_owned()
    }

    /// Whether the application takes requests.
    #[napi(getter)]
    pub fn is_ready(&self) -> bool {
        self.inner.is_ready()
    }

    /// Whether a worker has been given up.
    #[napi(getter)]
    pub fn is_degraded(&self) -> bool {
        self.inner.is_degraded()
    }

    /// Starts the application. Refused if it was started before.
    #[napi]
    pub fn start(&mut self) -> Result<()> {
        let now = self.now();
        self.inner.start(now).map_err(to_node)
    }

    /// Stops the application, or undoes its start. The first code holds.
    #[napi]
    pub fn stop(&mut self, code: i32) {
        let now = self.now();
        self.inner.stop(now, code);
    }

    /// Takes a signal: the first stops, the second cuts that short, the third ends the process.
    #[napi]
    pub fn signal(&mut self, number: i32) {
        let now = self.now();
        self.inner.signal(now, number);
    }

    /// Acts on every deadline that has come, and returns the seconds until the next.
    #[napi]
    pub fn poll(&mut self) -> Option<f64> {
        let now = self.now();
        let next = self.inner.poll(now)?;
        Some(Duration::from_nanos(next.saturating_sub(now)).as_secs_f64())
    }

    /// What is to be done, in order.
    #[napi]
    pub fn take_commands(&mut self) -> Vec<NativeCommand> {
        let commands = self.inner.take_commands();
        commands.into_iter().filter_map(|command| told::command(command, |hook| self.inner.hook_node(hook))).collect()
    }

    /// What happened, in order.
    #[napi]
    pub fn take_events(&mut self) -> Vec<NativeEvent> {
        self.inner.take_events().into_iter().map(told::event).collect()
    }

    /// Notes that a command is begun only now, after others of its batch.
    #[napi]
    pub fn began(&mut self, op: BigInt) {
        let now = self.now();
        self.inner.began(now, bits(&op));
    }

    /// Answers a command with `done`, `held`, `failed`, `fatal` or `cancelled`, and returns whether it was still waited for.
    #[napi]
    pub fn complete(&mut self, op: BigInt, outcome: String, error: f64) -> Result<bool> {
        let outcome = match &outcome[..] {
            "done" => Outcome::Done,
            "held" => Outcome::Held,
            "failed" => Outcome::Failed(error as u64),
            "fatal" => Outcome::Fatal(error as u64),
            "cancelled" => Outcome::Cancelled,
            other => return Err(invalid(format!("no outcome is {other:?}"))),
        };
        let now = self.now();
        Ok(self.inner.complete(now, bits(&op), outcome))
    }

    /// Asks for the value of a node of the application's scope, for a constructor or for somebody else.
    #[napi]
    pub fn request(&mut self, node: u32, requester: Option<BigInt>) -> NativeRequest {
        let now = self.now();
        match self.inner.request(now, id(node), Frame::APP, requester.as_ref().map(bits)) {
            Request::Ready(value) => NativeRequest { value: Some(told::arg(value)), ..NativeRequest::default() },
            Request::Pending(ticket) => NativeRequest { ticket: Some(ticket.to_bits() as f64), ..NativeRequest::default() },
            Request::Refused(why) => NativeRequest { failure: Some(told::failure(&why)), ..NativeRequest::default() },
        }
    }

    /// Gives up what was asked for.
    #[napi]
    pub fn abandon(&mut self, ticket: f64) {
        let now = self.now();
        self.inner.abandon(now, Ticket::from_bits(ticket as u64));
    }

    /// Adds a hook for the node that a command constructs, and returns its number. Refused after the start.
    #[napi]
    pub fn add_hook(
        &mut self,
        op: BigInt,
        label: String,
        source: String,
        start_timeout: Option<f64>,
        stop_timeout: Option<f64>,
    ) -> Result<u32> {
        let (start_timeout, stop_timeout) = (start_timeout.map(duration).transpose()?, stop_timeout.map(duration).transpose()?);
        let hook = AddedHook { label, source, start_timeout, stop_timeout };
        self.inner.add_hook(bits(&op), hook).map(|hook| hook.to_bits() as u32).map_err(to_node)
    }

    /// Notes that a worker is ready.
    #[napi]
    pub fn worker_ready(&mut self, op: BigInt) {
        let now = self.now();
        self.inner.worker_ready(now, bits(&op));
    }

    /// Notes that a worker is alive.
    #[napi]
    pub fn worker_tick(&mut self, op: BigInt) {
        let now = self.now();
        self.inner.worker_tick(now, bits(&op));
    }

    /// Runs a worker that has ended. Refused if it runs.
    #[napi]
    pub fn restart(&mut self, node: u32) -> Result<()> {
        let now = self.now();
        self.inner.restart(now, id(node)).map_err(to_node)
    }

    /// Makes new values of these nodes and of all that holds them, and returns the number of the reload.
    #[napi]
    pub fn reload(&mut self, nodes: Vec<u32>) -> Result<f64> {
        let now = self.now();
        let nodes: Vec<_> = nodes.into_iter().map(id).collect();
        self.inner.reload(now, &nodes).map(|generation| generation as f64).map_err(to_node)
    }

    /// The graph as it is now, as `json`, `dot`, `mermaid` or `html`.
    #[napi]
    pub fn explain(&self, format: String) -> Result<String> {
        written(&self.inner.explain(), &format)
    }
}

fn id(node: u32) -> NodeId {
    NodeId::new(node as usize)
}

/// Zero comes without a word.
fn bits(op: &BigInt) -> Op {
    Op::from_bits(op.words.first().copied().unwrap_or(0))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn options(given: &NativeLifetimes) -> Result<Options> {
    let optional = |value: Option<f64>| value.map(duration).transpose();
    let mut options = Options::default();
    options.order = if given.order == "dependencies" { Order::Dependencies } else { Order::Levels };
    options.start_timeout = optional(given.start_timeout)?;
    options.step_timeout = optional(given.step_timeout)?;
    options.stop_step_timeout = optional(given.stop_step_timeout)?;
    options.stop_timeout = optional(given.stop_timeout)?;
    options.pre_stop_delay = duration(given.pre_stop_delay)?;
    options.drain_timeout = optional(given.drain_timeout)?;
    options.grace = duration(given.grace)?;
    options.cut_short = duration(given.cut_short)?;
    options.retire_timeout = optional(given.retire_timeout)?;
    options.blocked_after = duration(given.blocked_after)?;
    options.seed = Clock::Monotonic.now();
    Ok(options)
}
