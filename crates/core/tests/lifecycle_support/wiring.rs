//! From the data of a case to a graph.

use std::collections::HashMap;

use hostloop::lifecycle::{
    Graph, Key, Lifetime, ModuleId, Need, Node, NodeId, NodeKind, OnExhausted, Plan, Policy, Restart, WiringError,
};
use serde_json::Value;

use super::data::{Case, seconds, texts};

/// Makes the graph of a case.
pub(crate) fn graph(case: &Case) -> Graph {
    Wiring::new(case).finish(case)
}

/// Makes the plan of a case, which must have one.
pub(crate) fn plan(case: &Case) -> Plan {
    graph(case).seal().unwrap_or_else(|error: WiringError| panic!("{}: {error}", case.name))
}

/// What the check says of a case, line by line.
pub(crate) fn told(case: &Case) -> Vec<String> {
    let text = match graph(case).seal() {
        Ok(plan) => plan.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => error.to_string(),
    };
    text.lines().map(str::to_owned).collect()
}

struct Wiring {
    graph: Graph,
    keys: HashMap<String, Key>,
    modules: HashMap<String, ModuleId>,
    nodes: HashMap<String, NodeId>,
}

impl Wiring {
    fn new(case: &Case) -> Self {
        let mut graph = Graph::new(case.scopes.clone());
        let mut modules = HashMap::from([(String::new(), ModuleId::ROOT)]);
        for (name, parent) in &case.modules {
            let module = graph.module(name, modules[parent]);
            modules.insert(name.clone(), module);
        }
        Self { graph, keys: HashMap::new(), modules, nodes: HashMap::new() }
    }

    fn finish(mut self, case: &Case) -> Graph {
        for node in &case.nodes {
            let id = self.add(node);
            self.nodes.insert(node["id"].as_str().unwrap().into(), id);
        }
        // Behind the nodes, so that these have the numbers of the data.
        for node in &case.nodes {
            for alias in texts(&node["as"]) {
                let (key, id) = (self.key(&alias), self.nodes[node["id"].as_str().unwrap()]);
                self.graph.alias(key, id);
            }
            for other in texts(&node["conforms"]) {
                let (key, other) = (self.key(provided(node)), self.key(&other));
                self.graph.conforms(key, other);
            }
        }
        self.graph
    }

    /// A key by its text. `Db@replica` is a `Db` that has a name.
    fn key(&mut self, text: &str) -> Key {
        if let Some(&key) = self.keys.get(text) {
            return key;
        }
        let key = match text.split_once('@') {
            Some((base, name)) => {
                let base = self.key(base);
                self.graph.named(base, name)
            }
            None => self.graph.key(text),
        };
        self.keys.insert(text.into(), key);
        key
    }

    /// A need by its text: `db`, `?db` is optional, `~db` is lazy, `*db` takes all of them, `*~db` those that are there.
    fn need(&mut self, text: &str) -> Need {
        if let Some(rest) = text.strip_prefix('?') {
            return self.need(rest).optional();
        }
        if let Some(rest) = text.strip_prefix('~') {
            return self.need(rest).lazy();
        }
        match text.strip_prefix('*') {
            Some(rest) => {
                let member = self.key(rest.trim_start_matches('~'));
                let list = self.key(&format!("list[{}]", rest.trim_start_matches('~')));
                Need::key("", list).collecting(member, rest.starts_with('~'))
            }
            None => Need::key("", self.key(text)),
        }
    }

    fn add(&mut self, node: &Value) -> NodeId {
        let kind = kind(node["kind"].as_str().unwrap_or("factory"));
        let flag = |name: &str| node[name].as_bool().unwrap_or_default();
        let text = |name: &str| node[name].as_str().unwrap_or_default();
        let mut declared = Node::new(kind, text("id"), text("source"))
            .module(self.modules[text("module")], flag("private"))
            .timeouts(seconds(&node["timeout"]), seconds(&node["stop_timeout"]))
            .policy(policy(node));
        if !kind.is_root() {
            declared = declared.provides(self.key(provided(node)));
        }
        match text("scope") {
            "" => {}
            "transient" => declared = declared.lifetime(Lifetime::Transient),
            scope => declared = declared.lifetime(Lifetime::Scope(scope.into())),
        }
        for (name, apply) in
            [("async", Node::asynchronous as fn(Node) -> Node), ("sync_only", Node::sync_only), ("override", Node::overriding)]
        {
            if flag(name) {
                declared = apply(declared);
            }
        }
        let needs: Vec<_> = texts(&node["needs"]).iter().map(|need| self.need(need)).collect();
        let after: Vec<_> = texts(&node["after"]).iter().map(|other| self.nodes[other]).collect();
        self.graph.add(declared.needs(needs).after(after))
    }
}

fn provided(node: &Value) -> &str {
    node["provides"].as_str().or(node["id"].as_str()).unwrap()
}

fn kind(text: &str) -> NodeKind {
    match text {
        "value" => NodeKind::Value,
        "context" => NodeKind::Context,
        "factory" => NodeKind::Factory,
        "resource" => NodeKind::Resource,
        "decorator" => NodeKind::Decorator,
        "invoke" => NodeKind::Invoke,
        "hook" => NodeKind::Hook,
        "worker" => NodeKind::Worker,
        "listener" => NodeKind::Listener,
        "handler" => NodeKind::Handler,
        other => panic!("no kind {other}"),
    }
}

fn policy(node: &Value) -> Policy {
    let mut policy = Policy { jitter: 0.0, ..Policy::default() };
    match node["restart"].as_str().unwrap_or("on_failure") {
        "never" => policy.restart = Restart::Never,
        "on_failure" => policy.restart = Restart::OnFailure,
        "always" => policy.restart = Restart::Always,
        other => panic!("no restart {other}"),
    }
    match node["on_exhausted"].as_str().unwrap_or("stop_app") {
        "stop_app" => policy.on_exhausted = OnExhausted::StopApp,
        "degrade" => policy.on_exhausted = OnExhausted::Degrade,
        "restart_dependents" => policy.on_exhausted = OnExhausted::RestartDependents,
        other => panic!("no on_exhausted {other}"),
    }
    policy.has_ready_gate = node["ready"].as_bool().unwrap_or_default();
    policy.watchdog = seconds(&node["watchdog"]);
    policy
}
