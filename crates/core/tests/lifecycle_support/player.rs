//! The host: it does each command as the data says, on a clock that only the steps move.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hostloop::lifecycle::{
    AddedHook, Arg, CloseCause, Command, Event, EventKind, Failure, Frame, HookId, NodeId, Op, Options, Order, Outcome, Request,
    Run, Ticket,
};
use serde_json::Value;

use super::{
    data::{Act, Case, Times, seconds},
    wiring,
};

pub(crate) struct Player<'c> {
    case: &'c Case,
    run: Run,
    now: u64,
    log: Vec<String>,
    times: Times,
    /// Calls that end at an instant, in the order in which they began.
    calls: Vec<Call>,
    tickets: HashMap<Ticket, String>,
    /// Constructors that wait for what they asked for.
    asking: HashMap<Ticket, Op>,
    frames: HashMap<String, Frame>,
    workers: HashMap<String, Op>,
    added: HashMap<HookId, String>,
    users: usize,
    awaiting: Option<Op>,
}

struct Call {
    op: Op,
    node: usize,
    act: Act,
    /// When it ends by itself.
    due: Option<u64>,
    outcome: Outcome,
}

impl<'c> Player<'c> {
    /// Plays the steps of a case, and returns what happened.
    pub(crate) fn play(case: &'c Case) -> Vec<String> {
        let plan = Arc::new(wiring::plan(case));
        let mut player = Player {
            case,
            run: Run::new(plan, options(&case.options)),
            now: 0,
            log: Vec::new(),
            times: Times::default(),
            calls: Vec::new(),
            tickets: HashMap::new(),
            asking: HashMap::new(),
            frames: HashMap::from([("app".into(), Frame::APP)]),
            workers: HashMap::new(),
            added: HashMap::new(),
            users: 0,
            awaiting: None,
        };
        for step in &case.steps {
            player.step(step);
            player.settle();
        }
        player.log
    }

    fn node(&self, id: &str) -> NodeId {
        NodeId::new(self.case.nodes.iter().position(|node| node["id"] == id).unwrap_or_else(|| panic!("no node {id}")))
    }

    fn step(&mut self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        match words[..] {
            ["start"] => {
                if let Err(error) = self.run.start(self.now) {
                    self.say(error.message().to_owned());
                }
            }
            ["stop"] => self.run.stop(self.now, 0),
            ["stop", code] => self.run.stop(self.now, code.parse().unwrap()),
            ["signal"] => self.run.signal(self.now, 15),
            ["advance", by] => self.advance(Duration::from_secs_f64(by.parse().unwrap())),
            [name, "=", "request", node] => self.request(name, node, "app"),
            [name, "=", "request", node, "in", scope] => self.request(name, node, scope),
            ["abandon", name] => {
                let ticket = *self.tickets.iter().find(|(_, of)| *of == name).expect("a request").0;
                self.run.abandon(self.now, ticket);
            }
            ["open", name, scope] => self.open(name, scope, "app"),
            ["open", name, scope, "in", outer] => self.open(name, scope, outer),
            ["give", node, "in", scope] => {
                let (node, frame) = (self.node(node), self.frames[scope]);
                self.run.give_context(frame, node).unwrap();
            }
            ["close", name] => self.run.close_frame(self.now, self.frames[name], CloseCause::Normal),
            ["throw", "in", name] => self.run.close_frame(self.now, self.frames[name], CloseCause::Error(7)),
            ["ready", worker] => self.run.worker_ready(self.now, self.workers[worker]),
            ["tick", worker] => self.run.worker_tick(self.now, self.workers[worker]),
            ["restart", worker] => {
                let node = self.node(worker);
                if let Err(error) = self.run.restart(self.now, node) {
                    self.say(error.message().to_owned());
                }
            }
            ["hook", name, "of", node] => self.add_hook_late(name, node),
            ["reload", node] => {
                let node = self.node(node);
                if let Err(error) = self.run.reload(self.now, &[node]) {
                    self.say(error.message().to_owned());
                }
            }
            ["enter"] => self.users += 1,
            ["leave"] => self.leave(),
            _ => panic!("no step {step}"),
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        let seconds = self.now as f64 / 1e9;
        self.log.push(format!("{} {}", (seconds * 1000.0).round() / 1000.0, text.into()));
    }

    fn request(&mut self, name: &str, node: &str, scope: &str) {
        let node = self.node(node);
        match self.run.request(self.now, node, self.frames[scope], None) {
            Request::Ready(_) => self.say(format!("{name} = there")),
            Request::Pending(ticket) => {
                self.tickets.insert(ticket, name.into());
            }
            Request::Refused(failure) => self.say(format!("{name} = {}", failure.message)),
        }
    }

    fn open(&mut self, name: &str, scope: &str, outer: &str) {
        let depth = self.case.scopes.iter().position(|of| of == scope).expect("a scope");
        match self.run.open_frame(self.frames[outer], depth) {
            Ok(frame) => {
                self.frames.insert(name.into(), frame);
            }
            Err(error) => self.say(error.message().to_owned()),
        }
    }

    fn add_hook_late(&mut self, name: &str, node: &str) {
        let node = self.node(node).index();
        let op = self.calls.iter().find(|call| call.node == node).map_or(Op::from_bits(u64::MAX), |call| call.op);
        if let Err(error) = self.run.add_hook(op, AddedHook { label: name.into(), ..AddedHook::default() }) {
            self.say(error.message().to_owned());
        }
    }

    fn leave(&mut self) {
        self.users -= 1;
        if self.users == 0
            && let Some(op) = self.awaiting.take()
        {
            self.run.complete(self.now, op, Outcome::Done);
        }
    }

    // Time.

    fn advance(&mut self, by: Duration) {
        let end = self.now + by.as_nanos() as u64;
        loop {
            self.settle();
            let deadline = self.run.poll(self.now);
            let next = self.calls.iter().filter_map(|call| call.due).chain(deadline).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
    }

    /// Does what there is to do at this instant.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.run.poll(self.now);
            let events = self.run.take_events();
            let commands = self.run.take_commands();
            let is_quiet = events.is_empty() && commands.is_empty();
            for event in events {
                self.tell(&event);
            }
            for command in commands {
                self.act(command);
            }
            let over = self.calls.iter().position(|call| call.due.is_some_and(|due| due <= self.now));
            match over {
                Some(call) if is_quiet => self.end(call),
                None if is_quiet => return,
                _ => {}
            }
        }
        panic!("{}: never at rest", self.case.name);
    }

    fn end(&mut self, call: usize) {
        let call = self.calls.remove(call);
        if !self.run.complete(self.now, call.op, call.outcome) {
            let id = self.case.nodes[call.node]["id"].as_str().unwrap();
            self.say(format!("late {id}"));
        }
    }

    fn tell(&mut self, event: &Event) {
        let Event { kind, node, detail, .. } = event;
        let label = node.map(|node| self.run.plan().label(node).to_owned());
        let is_hook =
            matches!(kind, EventKind::HookStarting | EventKind::HookStarted | EventKind::HookStopping | EventKind::HookStopped);
        let text = match label {
            _ if is_hook => format!("{} {detail}", kind.name()),
            None => format!("{} {detail}", kind.name()).trim_end().to_owned(),
            Some(label) if detail.is_empty() => format!("{} {label}", kind.name()),
            Some(label) => format!("{} {label}: {detail}", kind.name()),
        };
        self.say(text);
    }

    // Commands.

    fn act(&mut self, command: Command) {
        match command {
            Command::Construct { op, node, frame, .. } => self.construct(op, node, frame),
            Command::Finalize { op, node, cause, .. } => {
                if cause != CloseCause::Normal {
                    self.say(format!("because {cause:?}"));
                }
                self.call(op, node.index(), "close", Outcome::Done);
            }
            Command::StartHook { op, hook, .. } => self.hook(op, hook, "start"),
            Command::StopHook { op, hook, .. } => self.hook(op, hook, "stop"),
            Command::RunWorker { op, node, .. } => {
                let id = self.case.nodes[node.index()]["id"].as_str().unwrap().to_owned();
                self.workers.insert(id, op);
                self.call(op, node.index(), "run", Outcome::Done);
            }
            Command::StopWorker { op } => self.stop_worker(op),
            Command::Listen { op, node, .. } => self.call(op, node.index(), "listen", Outcome::Done),
            Command::Drain { op, node, timeout } => {
                let within = timeout.map_or("without end".into(), |timeout| format!("within {} s", timeout.as_secs_f64()));
                self.say(format!("drain {} {within}", self.run.plan().label(node)));
                self.call(op, node.index(), "drain", Outcome::Done);
            }
            Command::AwaitUsers { op } if self.users == 0 => {
                self.run.complete(self.now, op, Outcome::Done);
            }
            Command::AwaitUsers { op } => self.awaiting = Some(op),
            Command::Cancel { op, .. } => self.cancel(op),
            Command::Abandon { op } => self.awaiting = self.awaiting.filter(|awaiting| *awaiting != op),
            Command::Settle { ticket, outcome } => self.settled(ticket, outcome),
            Command::Swap { values } => {
                let labels: Vec<_> = values.iter().map(|(node, _)| self.run.plan().label(*node).to_owned()).collect();
                self.say(format!("swap {}", labels.join(", ")));
            }
            Command::Reloaded { failure, .. } => self.say(failure.map_or("reloaded".into(), |failure| failure.message)),
            Command::FrameClosed { frame, failures } => {
                let name = self.frames.iter().find(|(_, of)| **of == frame).map(|(name, _)| name.clone()).unwrap();
                self.say(format!("left {name}{}", told(&failures)));
            }
            Command::Started => self.say("started"),
            Command::Stopped { code, failures } => self.say(format!("stopped with {code}{}", told(&failures))),
            Command::Exit { code } => self.say(format!("exit with {code}")),
            _ => {}
        }
    }

    fn construct(&mut self, op: Op, node: NodeId, frame: Frame) {
        let Some(data) = self.case.nodes.get(node.index()) else {
            // A collection.
            self.run.complete(self.now, op, Outcome::Done);
            return;
        };
        let outcome = if data["kind"] == "resource" { Outcome::Held } else { Outcome::Done };
        self.call(op, node.index(), "make", outcome);
        let act = self.calls.last().unwrap().act.clone();
        if let Some(hook) = act.hook {
            let added = AddedHook { label: hook.clone(), ..AddedHook::default() };
            let id = self.run.add_hook(op, added).unwrap();
            self.added.insert(id, hook);
        }
        if let Some(asked) = act.asks {
            self.ask(op, &asked, frame);
        }
    }

    fn ask(&mut self, op: Op, asked: &str, frame: Frame) {
        let asked = self.node(asked);
        let call = self.calls.iter().position(|call| call.op == op).unwrap();
        match self.run.request(self.now, asked, frame, Some(op)) {
            Request::Ready(_) => {}
            Request::Pending(ticket) => {
                self.calls[call].due = None;
                self.asking.insert(ticket, op);
            }
            Request::Refused(failure) => {
                self.say(failure.message);
                self.calls[call].outcome = Outcome::Failed(1);
            }
        }
    }

    fn settled(&mut self, ticket: Ticket, outcome: Result<Arg, Failure>) {
        if let Some(op) = self.asking.remove(&ticket) {
            if let Some(call) = self.calls.iter_mut().find(|call| call.op == op) {
                match outcome {
                    Ok(_) => call.due = Some(self.now + call.act.takes.as_nanos() as u64),
                    Err(_) => (call.due, call.outcome) = (Some(self.now), Outcome::Failed(1)),
                }
            }
        } else if let Some(name) = self.tickets.remove(&ticket) {
            self.say(format!("{name} = {}", outcome.map_or_else(|failure| failure.message, |_| "made".into())));
        }
    }

    fn hook(&mut self, op: Op, hook: HookId, call: &'static str) {
        let node = self.run.hook_node(hook).unwrap().index();
        if self.added.contains_key(&hook) {
            return self.begin(op, node, Act::default(), Outcome::Done);
        }
        self.call(op, node, call, Outcome::Done);
    }

    fn call(&mut self, op: Op, node: usize, call: &'static str, outcome: Outcome) {
        let time = self.times.next(node, call);
        let data = self.case.nodes.get(node).cloned().unwrap_or(Value::Null);
        self.begin(op, node, Act::of(&data, call, time), outcome);
    }

    fn begin(&mut self, op: Op, node: usize, act: Act, outcome: Outcome) {
        let outcome = match () {
            () if act.is_fatal => Outcome::Fatal(1),
            () if act.fails => Outcome::Failed(1),
            () if act.cancels => Outcome::Cancelled,
            () => outcome,
        };
        let due = (!act.hangs).then(|| self.now + act.takes.as_nanos() as u64);
        self.calls.push(Call { op, node, act, due, outcome });
    }

    fn stop_worker(&mut self, op: Op) {
        self.interrupt(op, |act| act.ignores_stop);
    }

    fn cancel(&mut self, op: Op) {
        self.asking.retain(|_, asking| *asking != op);
        self.interrupt(op, |act| act.ignores_cancel);
    }

    /// Has a call end soon, behind those that were interrupted before it.
    fn interrupt(&mut self, op: Op, ignores: impl Fn(&Act) -> bool) {
        let place = self.calls.iter().position(|call| call.op == op && !ignores(&call.act));
        let Some(mut call) = place.map(|place| self.calls.remove(place)) else { return };
        (call.due, call.outcome) = (Some(self.now + call.act.unwinds.as_nanos() as u64), Outcome::Cancelled);
        self.calls.push(call);
    }
}

fn told(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("; {}", failure.message)).collect()
}

fn options(data: &Value) -> Options {
    let mut options = Options::default();
    let set = |name: &str, option: &mut Option<Duration>| {
        if !data[name].is_null() {
            *option = seconds(&data[name]);
        }
    };
    set("start_timeout", &mut options.start_timeout);
    set("step_timeout", &mut options.step_timeout);
    set("stop_step_timeout", &mut options.stop_step_timeout);
    set("stop_timeout", &mut options.stop_timeout);
    set("drain_timeout", &mut options.drain_timeout);
    options.pre_stop_delay = seconds(&data["pre_stop_delay"]).unwrap_or_default();
    if data["order"] == "dependencies" {
        options.order = Order::Dependencies;
    }
    options
}
