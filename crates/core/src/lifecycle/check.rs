//! The check: from a graph to a plan, or to every mistake at once. It runs no code of the user's.

use std::collections::HashMap;

use super::{
    diagnostic::{Code, Diagnostic, Step, WiringError},
    graph::{Graph, Key, Lifetime, Members, ModuleId, Need, Node, NodeId, NodeKind, Target},
    order::sort,
    plan::{Dep, Facts, Plan, step},
    resolve::{Lookup, Providers},
    suggest,
};

impl Graph {
    /// Checks the graph, and makes the plan that runs.
    ///
    /// # Errors
    ///
    /// Every mistake that it has.
    pub fn seal(self) -> Result<Plan, WiringError> {
        let (plan, mistakes) = self.check();
        if mistakes.is_empty() { Ok(plan) } else { Err(WiringError { mistakes, warnings: plan.warnings }) }
    }

    /// Checks the graph. A plan with mistakes is there to be looked at, and cannot run.
    pub(crate) fn check(self) -> (Plan, Vec<Diagnostic>) {
        let mut check = Check::new(self);
        check.resolve();
        let (order, cycles) = sort(&check.facts, &check.graph);
        cycles.iter().for_each(|cycle| check.report_cycle(cycle));
        check.measure(&order);
        check.reach();
        check.find_leaks();
        check.find_waits();
        check.find_odd_ones();
        check.finish(order)
    }
}

struct Check {
    graph: Graph,
    providers: Providers,
    facts: Vec<Facts>,
    collections: HashMap<(Members, ModuleId), NodeId>,
    found: Vec<Diagnostic>,
    /// From whom a root's way first led to a node.
    reached_from: Vec<Option<NodeId>>,
    /// Keys that nothing provides, by who needs them: told when the way to them is known.
    missing: Vec<(NodeId, Need)>,
}

impl Check {
    fn new(graph: Graph) -> Self {
        let providers = Providers::of(&graph);
        Self {
            facts: vec![Facts::default(); graph.nodes.len()],
            providers,
            graph,
            collections: HashMap::new(),
            found: Vec::new(),
            reached_from: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn report(&mut self, code: Code, node: NodeId, message: String, path: Vec<Step>, fix: impl Into<String>) {
        self.found.push(Diagnostic { code, node, message, path, fix: fix.into() });
    }

    fn is_replaced(&self, node: NodeId) -> bool {
        self.providers.is_replaced(node)
    }

    fn label(&self, node: NodeId) -> &str {
        &self.graph.node(node).label
    }

    fn step(&self, node: NodeId) -> Step {
        step(&self.graph, node)
    }

    fn steps(&self, nodes: &[NodeId]) -> Vec<Step> {
        nodes.iter().map(|&node| self.step(node)).collect()
    }

    // What each need is met by.

    fn resolve(&mut self) {
        let mut next = 0;
        // Collections that are needed are added on the way.
        while next < self.graph.nodes.len() {
            let node = NodeId::new(next);
            if !self.is_replaced(node) {
                let needs = self.graph.node(node).needs.clone();
                let deps = needs.iter().map(|need| self.dep(node, need)).collect();
                self.facts[next].deps = deps;
                self.check_scope(node);
            }
            next += 1;
        }
    }

    fn dep(&mut self, node: NodeId, need: &Need) -> Dep {
        let found = match need.target {
            Target::Node(target) => Lookup::One(self.providers.decorated(&self.graph, target, self.graph.node(node).module)),
            Target::Key(key) => self.lookup(node, need, key),
        };
        match found {
            Lookup::One(target) if need.is_lazy => Dep::Lazy(target),
            Lookup::One(target) => Dep::Node(target),
            Lookup::None => {
                if !need.is_optional {
                    self.missing.push((node, need.clone()));
                }
                Dep::Absent
            }
            Lookup::Many(all) => {
                self.report_ambiguous(node, need, &all);
                Dep::Absent
            }
        }
    }

    fn lookup(&mut self, node: NodeId, need: &Need, key: Key) -> Lookup {
        let Node { module, kind, provides, .. } = *self.graph.node(node);
        if kind == NodeKind::Decorator && provides == Some(key) {
            return match self.providers.provider(&self.graph, key, module) {
                Lookup::One(base) => Lookup::One(self.providers.inner(&self.graph, node).unwrap_or(base)),
                other => other,
            };
        }
        match (self.providers.lookup(&self.graph, key, module), need.members) {
            (Lookup::None, Some(members)) => Lookup::One(self.collection(node, key, members)),
            (found, _) => found,
        }
    }

    fn collection(&mut self, asker: NodeId, key: Key, members: Members) -> NodeId {
        let module = self.graph.node(asker).module;
        if let Some(&known) = self.collections.get(&(members, module)) {
            return known;
        }
        let nodes = self.providers.members(&self.graph, members.key, module);
        let label = self.graph.key_label(key).to_owned();
        if nodes.is_empty() {
            let message = format!("nothing provides `{}`, so `{label}` is empty", self.graph.key_label(members.key));
            let path = self.steps(&[asker]);
            self.report(Code::EmptyCollection, asker, message, path, "");
        }
        let needs = nodes.into_iter().map(|node| Need::node("", node));
        let collection = Node::new(NodeKind::Collection, label, "").module(module, true).built_in().needs(needs);
        let id = self.graph.add(collection);
        self.facts.push(Facts { is_soft: members.is_soft, ..Facts::default() });
        self.providers.reserve(id.index() + 1);
        self.collections.insert((members, module), id);
        id
    }

    fn check_scope(&mut self, node: NodeId) {
        let Lifetime::Scope(name) = self.graph.node(node).lifetime.clone() else { return };
        if !self.graph.scopes.contains(&name) {
            let message = format!("`{}` has the scope \"{name}\", which does not exist", self.label(node));
            let scopes: Vec<_> = self.graph.scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
            let fix = format!("use {}, or declare it: scopes are listed from the longest to the shortest", scopes.join(" or "));
            self.report(Code::UnknownScope, node, message, self.steps(&[node]), fix);
        }
    }

    fn report_ambiguous(&mut self, node: NodeId, need: &Need, all: &[NodeId]) {
        let Target::Key(key) = need.target else { return };
        let label = self.graph.key_label(key);
        let givers: Vec<_> = all.iter().map(|&giver| self.step(giver).to_string()).collect();
        let message = format!("{} `{label}`, which several provide: {}", self.needs(node, need), givers.join(", "));
        let path = self.steps(&[node]);
        self.report(
            Code::Ambiguous,
            node,
            message,
            path,
            "give them names and ask for one, take all of them as a list, or remove one",
        );
    }

    /// The beginning of a sentence.
    fn needs(&self, node: NodeId, need: &Need) -> String {
        let verb = if self.graph.node(node).kind == NodeKind::Decorator { "wraps" } else { "needs" };
        match &need.parameter[..] {
            "" => format!("`{}` {verb}", self.label(node)),
            parameter => format!("`{}` {verb} for `{parameter}` a", self.label(node)),
        }
    }

    // Cycles.

    fn report_cycle(&mut self, cycle: &[NodeId]) {
        let node = cycle[0];
        let mut path = self.steps(cycle);
        path.push(path[0].clone());
        let (message, fix) = if cycle.len() == 1 {
            let message = format!("`{}` needs itself", self.label(node));
            (message, "to wrap what is provided elsewhere, use decorate(...)")
        } else {
            let message =
                format!("`{}` needs itself, through {} other{}", self.label(node), cycle.len() - 1, plural(cycle.len() - 1));
            (message, "take one of them lazily, or move what both need into a third")
        };
        self.report(Code::Cycle, node, message, path, fix);
    }

    // Scopes and levels.

    fn measure(&mut self, order: &[NodeId]) {
        for &node in order {
            let deepest = |deps: &[Dep], facts: &[Facts]| {
                deps.iter().filter_map(|dep| dep.node()).map(|dep| facts[dep.index()].depth).max().unwrap_or(0)
            };
            let depth = match &self.graph.node(node).lifetime {
                Lifetime::Scope(name) => self.graph.scopes.iter().position(|scope| scope == name).unwrap_or(0) as u8,
                Lifetime::Transient | Lifetime::Inherited => deepest(&self.facts[node.index()].deps, &self.facts),
            };
            let before = self.facts[node.index()].deps.iter().filter_map(|dep| dep.eager());
            let before = before.chain(self.graph.node(node).after.iter().copied());
            let below = before.map(|dep| self.facts[dep.index()].level + self.weight(dep)).max();
            let facts = &mut self.facts[node.index()];
            (facts.depth, facts.level) = (depth, below.unwrap_or(0));
        }
        // What inherits may be transient through what it is made of.
        for &node in order {
            let deps = &self.facts[node.index()].deps;
            let is_transient = match self.graph.node(node).lifetime {
                Lifetime::Scope(_) => false,
                Lifetime::Transient => true,
                Lifetime::Inherited => {
                    let is_made_anew = |dep: &Dep| dep.node().is_some_and(|dep| self.facts[dep.index()].is_transient);
                    self.graph.node(node).kind == NodeKind::Collection || deps.iter().any(is_made_anew)
                }
            };
            self.facts[node.index()].is_transient = is_transient;
        }
    }

    /// What passes a value on is no level of its own.
    fn weight(&self, node: NodeId) -> u32 {
        u32::from(!matches!(self.graph.node(node).kind, NodeKind::Alias | NodeKind::Collection))
    }

    fn find_leaks(&mut self) {
        for index in 0..self.facts.len() {
            let node = NodeId::new(index);
            let Lifetime::Scope(name) = self.graph.node(node).lifetime.clone() else { continue };
            let depth = self.facts[index].depth;
            let shorter = |dep: &Dep| dep.node().filter(|dep| self.facts[dep.index()].depth > depth);
            for dep in self.facts[index].deps.iter().filter_map(shorter).collect::<Vec<_>>() {
                self.report_leak(node, &name, dep, depth);
            }
        }
    }

    fn report_leak(&mut self, node: NodeId, scope: &str, dep: NodeId, depth: u8) {
        let mut path = vec![node, dep];
        let mut last = dep;
        while !matches!(self.graph.node(last).lifetime, Lifetime::Scope(_)) {
            let shorter = |dep: &Dep| dep.node().filter(|dep| self.facts[dep.index()].depth > depth);
            let Some(next) = self.facts[last.index()].deps.iter().find_map(shorter) else { break };
            path.push(next);
            last = next;
        }
        let short = self.graph.scopes[usize::from(self.facts[last.index()].depth)].clone();
        let (holder, held) = (self.label(node).to_owned(), self.label(last).to_owned());
        let message = format!("`{holder}` lives as long as the {scope} and holds `{held}`, which lives as long as the {short}");
        let kind = self.graph.node(node).kind;
        let fix = match kind {
            NodeKind::Worker | NodeKind::Hook | NodeKind::Invoke => {
                let article = if kind == NodeKind::Invoke { "an" } else { "a" };
                let kind = kind.name();
                format!("{article} {kind} has no scope of its own; open the scope \"{short}\" in it, and ask for `{held}` there")
            }
            _ => format!("give `{holder}` the scope \"{short}\", or pass `{held}` to its calls"),
        };
        let path = self.steps(&path);
        self.report(Code::Leak, node, message, path, fix);
    }

    /// What cannot wait, and what it would have to wait for.
    fn find_waits(&mut self) {
        for index in 0..self.facts.len() {
            if self.graph.nodes[index].is_sync_only {
                let mut path = vec![NodeId::new(index)];
                self.find_wait(&mut path, &mut vec![false; self.facts.len()]);
            }
        }
    }

    fn find_wait(&mut self, path: &mut Vec<NodeId>, seen: &mut [bool]) {
        let Some(&last) = path.last() else { return };
        for dep in self.facts[last.index()].deps.clone().into_iter().filter_map(Dep::eager) {
            let facts = &self.facts[dep.index()];
            // What lives as long as the application is there before anything runs.
            if std::mem::replace(&mut seen[dep.index()], true) || (facts.depth == 0 && !facts.is_transient) {
                continue;
            }
            path.push(dep);
            if self.graph.node(dep).is_async {
                let (root, waits) = (self.label(path[0]).to_owned(), self.label(dep).to_owned());
                let message = format!("`{root}` cannot wait, and `{waits}` is made asynchronously");
                let steps = self.steps(path);
                self.report(
                    Code::AsyncInSync,
                    path[0],
                    message,
                    steps,
                    format!("make `{root}` asynchronous, or `{waits}` synchronous"),
                );
            }
            self.find_wait(path, seen);
            path.pop();
        }
    }

    // What is needed at all.

    fn reach(&mut self) {
        self.reached_from = vec![None; self.facts.len()];
        let mut next: Vec<NodeId> = (0..self.facts.len())
            .map(NodeId::new)
            .filter(|&node| self.graph.node(node).kind.is_root() && !self.is_replaced(node))
            .collect();
        next.iter().for_each(|root| self.facts[root.index()].is_reached = true);
        let mut done = 0;
        while done < next.len() {
            let node = next[done];
            done += 1;
            if self.facts[node.index()].is_soft {
                continue;
            }
            for dep in self.facts[node.index()].deps.clone().into_iter().filter_map(Dep::node) {
                if !std::mem::replace(&mut self.facts[dep.index()].is_reached, true) {
                    self.reached_from[dep.index()] = Some(node);
                    next.push(dep);
                }
            }
        }
        for (node, need) in std::mem::take(&mut self.missing) {
            self.report_missing(node, &need);
        }
    }

    fn report_missing(&mut self, node: NodeId, need: &Need) {
        let Target::Key(key) = need.target else { return };
        let label = self.graph.key_label(key).to_owned();
        if self.graph.node(node).kind == NodeKind::Decorator && self.graph.node(node).provides == Some(key) {
            let message = format!("`{}` decorates `{label}`, which nothing provides", self.label(node));
            let fix = suggest::fix(&self.graph, &self.providers, key, node);
            return self.report(Code::DecorateNothing, node, message, self.steps(&[node]), fix);
        }
        let message = format!("{} `{label}`, which nothing provides", self.needs(node, need));
        let mut path = self.way_to(node);
        path.push(Step { label, source: String::new() });
        let fix = suggest::fix(&self.graph, &self.providers, key, node);
        self.report(Code::Missing, node, message, path, fix);
    }

    fn way_to(&self, node: NodeId) -> Vec<Step> {
        let mut way: Vec<_> = std::iter::successors(Some(node), |node| self.reached_from[node.index()]).collect();
        way.reverse();
        self.steps(&way)
    }

    fn find_odd_ones(&mut self) {
        let has_roots = self.graph.nodes.iter().any(|node| node.kind.is_root());
        for index in 0..self.facts.len() {
            let (id, node) = (NodeId::new(index), self.graph.node(NodeId::new(index)).clone());
            if self.is_replaced(id) {
                continue;
            }
            if node.is_override && node.kind != NodeKind::Alias && !self.replaces_something(&node) {
                let message = format!("`{}` overrides what nothing provides", node.label);
                let fix = node.provides.map(|key| suggest::fix(&self.graph, &self.providers, key, id)).unwrap_or_default();
                self.report(Code::OverrideNothing, id, message, self.steps(&[id]), fix);
            }
            let is_made = matches!(node.kind, NodeKind::Value | NodeKind::Factory | NodeKind::Resource | NodeKind::Decorator);
            if has_roots && is_made && !node.is_optional && !node.is_override && !self.facts[index].is_reached {
                let message = format!("`{}` is never made: nothing needs it", node.label);
                self.report(Code::Unused, id, message, self.steps(&[id]), "");
            }
        }
        self.find_duplicates();
    }

    fn replaces_something(&self, node: &Node) -> bool {
        let replaced = |(index, other): (usize, &Node)| {
            other.provides == node.provides && other.kind != NodeKind::Decorator && self.providers.is_replaced(NodeId::new(index))
        };
        self.graph.nodes.iter().enumerate().any(replaced)
    }

    fn find_duplicates(&mut self) {
        let collected: Vec<Key> = self.collections.keys().map(|(members, _)| members.key).collect();
        for key in (0..self.graph.keys.len() as u32).map(Key).filter(|key| !collected.contains(key)) {
            let all = self.providers.all(key).to_vec();
            for (place, &node) in all.iter().enumerate() {
                let twin = |first: &&NodeId| {
                    let (first, second) = (self.graph.node(**first), self.graph.node(node));
                    second.kind != NodeKind::Alias && first.kind != NodeKind::Alias && first.module == second.module
                };
                let Some(&first) = all[..place].iter().find(twin) else { continue };
                let label = self.graph.key_label(key).to_owned();
                let message = format!("`{label}` is provided twice in one module, and nothing takes it as a list");
                let path = self.steps(&[first, node]);
                self.report(Code::Duplicate, node, message, path, "remove one, or give them names");
            }
        }
    }

    fn finish(mut self, order: Vec<NodeId>) -> (Plan, Vec<Diagnostic>) {
        self.found.sort_by_key(|diagnostic| (diagnostic.node, diagnostic.code));
        let (warnings, mistakes): (Vec<_>, Vec<_>) = self.found.into_iter().partition(|found| found.code.is_warning());
        (Plan { graph: self.graph, providers: self.providers, facts: self.facts, order, warnings }, mistakes)
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
