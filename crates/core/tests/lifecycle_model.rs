//! Random graphs, with calls that take time, fail, hang and are cancelled, stopped at any moment: whatever happens, what started is
//! stopped once, what was made is taken back once, and never before what holds it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use hostloop::lifecycle::{
    AddedHook, Arg, CloseCause, Command, Frame, Graph, HookId, Instance, Lifetime, Need, Node, NodeId, NodeKind, Op, Options,
    Order, Outcome, Policy, Request, Restart, Run, Ticket,
};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// What one call of a node does.
#[derive(Clone, Copy, Debug)]
struct Act {
    /// Tenths of a second; none of them is for ever.
    takes: Option<u8>,
    fails: bool,
    ignores_cancel: bool,
}

#[derive(Clone, Debug)]
struct Item {
    kind: NodeKind,
    /// Places of earlier nodes, taken modulo how many provide something.
    needs: Vec<usize>,
    is_request_scoped: bool,
    is_transient: bool,
    adds_hook: bool,
    make: Act,
    close: Act,
    start: Act,
    stop: Act,
}

/// Something asked of the application at a tenth of a second.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Request(usize),
    RequestInScope(usize),
    CloseScope,
    Abandon,
    Reload(usize),
    Stop,
    Signal,
}

fn act() -> impl Strategy<Value = Act> {
    let takes = prop_oneof![8 => (0u8..20).prop_map(Some), 1 => Just(None)];
    (takes, prop::bool::weighted(0.06), prop::bool::weighted(0.2)).prop_map(|(takes, fails, ignores_cancel)| Act {
        takes,
        fails,
        ignores_cancel,
    })
}

fn item() -> impl Strategy<Value = Item> {
    let kind = prop_oneof![
        4 => Just(NodeKind::Factory),
        6 => Just(NodeKind::Resource),
        2 => Just(NodeKind::Hook),
        2 => Just(NodeKind::Worker),
        1 => Just(NodeKind::Invoke),
        1 => Just(NodeKind::Listener),
    ];
    let flags = (prop::bool::weighted(0.15), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    (kind, prop::collection::vec(0usize..1000, 0..4), flags, act(), act(), act(), act()).prop_map(
        |(kind, needs, (is_request_scoped, is_transient, adds_hook), make, close, start, stop)| Item {
            kind,
            needs,
            is_request_scoped,
            is_transient,
            adds_hook,
            make,
            close,
            start,
            stop,
        },
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0usize..60).prop_map(Deed::Request),
        4 => (0usize..60).prop_map(Deed::RequestInScope),
        2 => Just(Deed::CloseScope),
        2 => Just(Deed::Abandon),
        3 => (0usize..60).prop_map(Deed::Reload),
        1 => Just(Deed::Stop),
        1 => Just(Deed::Signal),
    ]
}

/// What a host of random calls sees, and what must hold of it.
struct World {
    items: Vec<Item>,
    run: Run,
    now: u64,
    calls: BTreeMap<(u64, u64), (Op, Call)>,
    begun: u64,
    /// Values that are there, with those that they were made of.
    alive: HashMap<Instance, (NodeId, Vec<Instance>)>,
    held: HashSet<Instance>,
    finalized: HashSet<Instance>,
    hooks_up: HashMap<HookId, i32>,
    stop_calls: HashMap<HookId, i32>,
    workers: HashSet<Op>,
    tickets: Vec<Ticket>,
    settled: HashSet<Ticket>,
    scopes: Vec<Frame>,
    closed_scopes: usize,
    stopped: Option<usize>,
    is_hurried: bool,
}

#[derive(Clone, Debug)]
enum Call {
    Make { node: NodeId, instance: Instance, args: Vec<Instance> },
    Close(Instance),
    Start(HookId),
    StopHook(HookId),
    Other,
}

impl World {
    fn new(items: Vec<Item>, order: Order) -> Self {
        let plan = Arc::new(graph(&items).seal().unwrap_or_else(|error| panic!("{error}")));
        let mut options = Options::default();
        options.order = order;
        Self {
            items,
            run: Run::new(plan, options),
            now: 0,
            calls: BTreeMap::new(),
            begun: 0,
            alive: HashMap::new(),
            held: HashSet::new(),
            finalized: HashSet::new(),
            hooks_up: HashMap::new(),
            stop_calls: HashMap::new(),
            workers: HashSet::new(),
            tickets: Vec::new(),
            settled: HashSet::new(),
            scopes: Vec::new(),
            closed_scopes: 0,
            stopped: None,
            is_hurried: false,
        }
    }

    fn begin(&mut self, op: Op, act: Act, call: Call) {
        self.begun += 1;
        // What never ends by itself is kept behind everything else, so that a cancellation finds it.
        let due = act.takes.map_or(u64::MAX, |takes| self.now + u64::from(takes) * SECOND / 10);
        self.calls.insert((due, self.begun), (op, call));
    }

    fn act_of(&self, node: NodeId, pick: impl Fn(&Item) -> Act) -> Act {
        self.items.get(node.index()).map_or(Act { takes: Some(0), fails: false, ignores_cancel: false }, pick)
    }

    fn settle(&mut self) {
        loop {
            self.run.poll(self.now);
            let commands = self.run.take_commands();
            for command in &commands {
                self.obey(command.clone());
            }
            let over = self.calls.keys().next().copied().filter(|(due, _)| *due <= self.now);
            match over {
                Some(key) => {
                    let (op, call) = self.calls.remove(&key).unwrap();
                    self.end(op, call);
                }
                None if commands.is_empty() => break,
                None => {}
            }
        }
    }

    fn end(&mut self, op: Op, call: Call) {
        let node = self.node_of(&call);
        let act = match &call {
            Call::Make { .. } => self.act_of(node, |item| item.make),
            Call::Close(_) => self.act_of(node, |item| item.close),
            Call::Start(_) => self.act_of(node, |item| item.start),
            Call::StopHook(_) => self.act_of(node, |item| item.stop),
            Call::Other => self.act_of(node, |item| item.start),
        };
        let is_held = matches!(&call, Call::Make { node, .. } if self.items.get(node.index()).is_some_and(|item| item.kind == NodeKind::Resource));
        let outcome = match () {
            () if act.fails => Outcome::Failed(1),
            () if is_held => Outcome::Held,
            () => Outcome::Done,
        };
        self.workers.remove(&op);
        let is_awaited = self.run.complete(self.now, op, outcome);
        match call {
            Call::Make { node, instance, args } if is_awaited && !act.fails => {
                self.alive.insert(instance, (node, args));
                if is_held {
                    self.held.insert(instance);
                }
            }
            Call::Close(instance) => {
                self.alive.remove(&instance);
            }
            Call::Start(hook) if is_awaited && !act.fails => *self.hooks_up.entry(hook).or_default() += 1,
            _ => {}
        }
    }

    fn node_of(&self, call: &Call) -> NodeId {
        match call {
            Call::Make { node, .. } => *node,
            Call::Close(instance) => self.alive.get(instance).map_or(NodeId::new(0), |(node, _)| *node),
            Call::Start(hook) | Call::StopHook(hook) => self.run.hook_node(*hook).unwrap(),
            Call::Other => NodeId::new(usize::from(u16::MAX)),
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Construct { op, node, instance, args, .. } => {
                let args = args.iter().filter_map(|arg| if let Arg::Value(value) = arg { Some(*value) } else { None }).collect();
                self.check_alive(&args);
                if self.items.get(node.index()).is_some_and(|item| item.adds_hook) {
                    // Refused unless hooks may still be added.
                    let _ = self.run.add_hook(op, AddedHook::default());
                }
                let act = self.act_of(node, |item| item.make);
                self.begin(op, act, Call::Make { node, instance, args });
            }
            Command::Finalize { op, instance, .. } => {
                assert!(self.finalized.insert(instance), "a value is taken back twice");
                let holders: Vec<_> = self
                    .alive
                    .iter()
                    .filter(|(other, (_, made_of))| {
                        self.held.contains(other) && made_of.contains(&instance) && !self.finalized.contains(other)
                    })
                    .map(|(_, (node, _))| self.run.plan().label(*node))
                    .collect();
                assert!(holders.is_empty(), "a value is taken back before {holders:?}, which hold it");
                let act = self
                    .alive
                    .get(&instance)
                    .map(|(node, _)| *node)
                    .map_or(Act { takes: Some(0), fails: false, ignores_cancel: false }, |node| {
                        self.act_of(node, |item| item.close)
                    });
                self.begin(op, act, Call::Close(instance));
            }
            Command::Forget { instances } => instances.iter().for_each(|instance| {
                self.alive.remove(instance);
            }),
            Command::StartHook { op, hook, args } => {
                self.check_args(&args);
                let act = self.act_of(self.run.hook_node(hook).unwrap(), |item| item.start);
                self.begin(op, act, Call::Start(hook));
            }
            Command::StopHook { op, hook, .. } => {
                assert_eq!(self.hooks_up.get(&hook), Some(&1), "a hook is stopped that did not start");
                *self.stop_calls.entry(hook).or_default() += 1;
                assert_eq!(self.stop_calls[&hook], 1, "a hook is stopped twice");
                let act = self.act_of(self.run.hook_node(hook).unwrap(), |item| item.stop);
                self.begin(op, act, Call::StopHook(hook));
            }
            Command::RunWorker { op, node, args, .. } => {
                self.check_args(&args);
                self.workers.insert(op);
                let act = self.act_of(node, |item| item.start);
                self.begin(op, act, Call::Other);
            }
            Command::Listen { op, node, args } => {
                self.check_args(&args);
                let act = self.act_of(node, |item| item.start);
                self.begin(op, act, Call::Other);
            }
            Command::Drain { op, node, .. } => {
                let act = self.act_of(node, |item| item.stop);
                self.begin(op, act, Call::Other);
            }
            Command::AwaitUsers { op } => self.begin(op, Act { takes: Some(1), fails: false, ignores_cancel: false }, Call::Other),
            Command::StopWorker { op } | Command::Cancel { op, .. } => self.cancel(op),
            Command::Abandon { op } => {
                self.workers.remove(&op);
            }
            Command::Settle { ticket, .. } => assert!(self.settled.insert(ticket), "a request is settled twice"),
            Command::FrameClosed { .. } => self.closed_scopes += 1,
            Command::Stopped { failures, .. } => {
                assert!(self.stopped.is_none(), "stopped twice");
                self.stopped = Some(failures.len());
            }
            Command::Exit { .. } => self.is_hurried = true,
            _ => {}
        }
    }

    fn check_args(&self, args: &[Arg]) {
        self.check_alive(&args.iter().filter_map(|arg| if let Arg::Value(value) = arg { Some(*value) } else { None }).collect());
    }

    fn check_alive(&self, args: &Vec<Instance>) {
        for instance in args {
            assert!(self.alive.contains_key(instance) && !self.finalized.contains(instance), "given a value that is gone");
        }
    }

    fn cancel(&mut self, op: Op) {
        let Some((&key, (_, call))) = self.calls.iter().find(|(_, (of, _))| *of == op) else { return };
        let call = call.clone();
        let act = match &call {
            Call::Make { node, .. } => self.act_of(*node, |item| item.make),
            Call::Close(instance) => {
                let node = self.alive.get(instance).map_or(NodeId::new(0), |(node, _)| *node);
                self.act_of(node, |item| item.close)
            }
            Call::Start(hook) => self.act_of(self.run.hook_node(*hook).unwrap(), |item| item.start),
            Call::StopHook(hook) => self.act_of(self.run.hook_node(*hook).unwrap(), |item| item.stop),
            Call::Other => Act { takes: Some(0), fails: false, ignores_cancel: false },
        };
        if act.ignores_cancel {
            return;
        }
        self.calls.remove(&key);
        self.workers.remove(&op);
        self.run.complete(self.now, op, Outcome::Cancelled);
        if let Call::Close(instance) = call {
            self.alive.remove(&instance);
        }
    }

    fn advance(&mut self, by: u64) {
        let end = self.now + by;
        loop {
            self.settle();
            let deadline = self.run.poll(self.now);
            let next = self.calls.keys().next().map(|(due, _)| *due).into_iter().chain(deadline).min();
            match next {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = end;
    }

    fn does(&mut self, deed: Deed) {
        let count = self.items.len();
        let node = |at: usize| NodeId::new(at % count);
        match deed {
            Deed::Request(at) => self.request(node(at), Frame::APP),
            Deed::RequestInScope(at) => {
                if let Ok(frame) = self.run.open_frame(Frame::APP, 1) {
                    self.scopes.push(frame);
                    self.request(node(at), frame);
                }
            }
            Deed::CloseScope => {
                if let Some(&frame) = self.scopes.first() {
                    self.run.close_frame(self.now, frame, CloseCause::Normal);
                }
            }
            Deed::Abandon => {
                if let Some(ticket) = self.tickets.pop() {
                    self.run.abandon(self.now, ticket);
                    self.settled.insert(ticket);
                }
            }
            Deed::Reload(at) => {
                let _ = self.run.reload(self.now, &[node(at)]);
            }
            Deed::Stop => self.run.stop(self.now, 0),
            Deed::Signal => self.run.signal(self.now, 15),
        }
    }

    fn request(&mut self, node: NodeId, frame: Frame) {
        let is_value = matches!(self.items[node.index()].kind, NodeKind::Factory | NodeKind::Resource);
        if is_value && let Request::Pending(ticket) = self.run.request(self.now, node, frame, None) {
            self.tickets.push(ticket);
        }
    }

    /// Everything has ended: nothing is left over.
    fn check_end(&self) {
        assert!(self.stopped.is_some(), "never stopped");
        let left: Vec<_> = self.held.difference(&self.finalized).collect();
        assert!(left.is_empty(), "values that were never taken back: {left:?}");
        for (hook, ups) in &self.hooks_up {
            assert_eq!((ups, self.stop_calls.get(hook)), (&1, Some(&1)), "a hook that started was not stopped");
        }
        assert!(self.workers.is_empty(), "a worker runs on");
        assert!(self.tickets.iter().all(|ticket| self.settled.contains(ticket)), "a request was never answered");
        assert_eq!(self.closed_scopes, self.scopes.len(), "a scope was never closed");
    }
}

fn graph(items: &[Item]) -> Graph {
    let mut graph = Graph::default();
    let keys: Vec<_> = (0..items.len()).map(|index| graph.key(format!("k{index}"))).collect();
    let mut is_short = vec![false; items.len()];
    let mut providers: Vec<usize> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut needs: Vec<usize> = if providers.is_empty() {
            Vec::new()
        } else {
            item.needs.iter().map(|need| providers[need % providers.len()]).collect()
        };
        needs.sort_unstable();
        needs.dedup();
        let may_be_short = !item.kind.is_root();
        is_short[index] = may_be_short && item.is_request_scoped;
        if !is_short[index] {
            if may_be_short && item.is_transient {
                is_short[index] = needs.iter().any(|&need| is_short[need]);
            } else {
                needs.retain(|&need| !is_short[need]);
            }
        }
        let needs = needs.iter().map(|&need| Need::key("", keys[need]));
        let policy = Policy { restart: Restart::OnFailure, ..Policy::default() };
        let mut node = Node::new(item.kind, format!("n{index}"), "").needs(needs).policy(policy);
        if may_be_short {
            node = node.provides(keys[index]);
            providers.push(index);
            if item.is_request_scoped {
                node = node.lifetime(Lifetime::Scope("request".into()));
            } else if item.is_transient {
                node = node.lifetime(Lifetime::Transient);
            }
        }
        graph.add(node);
    }
    graph
}

/// How many graphs to try: more by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_all_of_it_is_undone_once_and_in_order(
        items in prop::collection::vec(item(), 1..60),
        deeds in prop::collection::vec((deed(), 0u8..15), 0..20),
        is_by_dependencies in any::<bool>(),
    ) {
        let mut world = World::new(items, if is_by_dependencies { Order::Dependencies } else { Order::Levels });
        world.run.start(0).unwrap();
        world.settle();
        for (deed, after) in deeds {
            world.advance(u64::from(after) * SECOND / 10);
            world.does(deed);
            world.settle();
        }
        world.advance(10 * SECOND);
        world.run.stop(world.now, 0);
        world.advance(120 * SECOND);
        world.check_end();
    }
}
