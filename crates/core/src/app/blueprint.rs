//! From declarations to a plan with its recipes.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use super::{
    builder::{Entries, Entry},
    declare::Declaration,
    key::{Keys, TypeKey},
    recipe::Recipe,
    value::Held,
};
use crate::lifecycle::{
    Code, Dep, Diagnostic, Graph, ModuleId, Node, NodeId, NodeKind, Options, Plan, Step, WiringError, replace::Pinned,
};

/// A graph and what it needs to run, before the check. Kept, so that overrides can be added to a copy.
#[derive(Clone)]
pub(crate) struct Wiring {
    graph: Graph,
    keys: Keys,
    recipes: Vec<Recipe>,
    watched: Vec<Watch>,
    /// Hooks and workers by name, for those that start after others.
    names: HashMap<String, Vec<NodeId>>,
}

/// A path, and the node that is made anew when it changes.
pub(crate) type Watch = (PathBuf, NodeId);

/// All that is known of an application before it runs.
pub(crate) struct Blueprint {
    pub(crate) plan: Arc<Plan>,
    pub(crate) options: Options,
    #[cfg(feature = "watch")]
    pub(crate) watched: Vec<Watch>,
    keys: Keys,
    recipes: Vec<Recipe>,
}

impl Wiring {
    pub(crate) fn new() -> Self {
        Self { graph: Graph::default(), keys: Keys::default(), recipes: Vec::new(), watched: Vec::new(), names: HashMap::new() }
    }

    pub(crate) fn set_scopes(&mut self, scopes: Vec<String>) {
        self.graph.scopes = scopes;
    }

    /// Adds declarations and returns what is wrong with them besides their wiring.
    pub(crate) fn add(&mut self, entries: &Entries, is_override: bool) -> Vec<Diagnostic> {
        let declared = entries.flattened(&mut self.graph);
        for (place, (_, declaration)) in declared.iter().enumerate() {
            if matches!(declaration.kind, NodeKind::Hook | NodeKind::Worker) {
                self.names.entry(declaration.label.clone()).or_default().push(NodeId::new(self.recipes.len() + place));
            }
        }
        declared.into_iter().flat_map(|(module, declaration)| self.add_one(module, declaration, is_override)).collect()
    }

    fn add_one(&mut self, module: ModuleId, declared: &Declaration, is_override: bool) -> Vec<Diagnostic> {
        let id = NodeId::new(self.recipes.len());
        let mut mistakes = Vec::new();
        let mut after = Vec::new();
        for name in &declared.after {
            match self.names.get(name) {
                Some(nodes) => after.extend(nodes),
                None => mistakes.push(self.unknown_name(id, declared, name)),
            }
        }
        let needs: Vec<_> = declared.wishes.iter().map(|&wish| self.keys.need(&mut self.graph, wish)).collect();
        let mut node = Node::new(declared.kind, &declared.label, &declared.source)
            .module(module, declared.is_private)
            .needs(needs)
            .after(after)
            .timeouts(declared.start_timeout, declared.stop_timeout)
            .policy(declared.policy.clone());
        if let Recipe::Make(_) = declared.recipe {
            node = node.asynchronous();
        }
        if let Some(lifetime) = &declared.lifetime {
            node = node.lifetime(lifetime.clone());
        }
        if let Some(key) = declared.provides {
            node = node.provides(self.keys.intern(&mut self.graph, key));
            if is_override && declared.kind != NodeKind::Decorator {
                node = node.overriding();
            }
        }
        self.graph.add(node);
        self.watched.extend(declared.watched.iter().map(|path| (path.clone(), id)));
        self.recipes.push(declared.recipe.clone());
        mistakes
    }

    fn unknown_name(&self, node: NodeId, declared: &Declaration, name: &str) -> Diagnostic {
        let mut known: Vec<_> = self.names.keys().map(|name| format!("`{name}`")).collect();
        known.sort_unstable();
        Diagnostic {
            code: Code::Missing,
            node,
            message: format!("`{}` starts after `{name}`, and no hook or worker has that name", declared.label),
            path: vec![Step { label: declared.label.clone(), source: declared.source.clone() }],
            fix: format!("use one of {}", known.join(", ")),
        }
    }

    pub(crate) fn seal(self, options: Options, mut found: Vec<Diagnostic>) -> Result<Blueprint, WiringError> {
        let Self { graph, keys, recipes, mut watched, .. } = self;
        let (plan, mistakes) = graph.check();
        watched.retain(|&(_, node)| !plan.is_replaced(node));
        found.extend(mistakes);
        found.extend(watched.iter().filter_map(|&(_, node)| pinned(&plan, node)));
        if !found.is_empty() {
            found.sort_by_key(|mistake| (mistake.node, mistake.code));
            found.dedup();
            return Err(WiringError { mistakes: found, warnings: plan.warnings().to_vec() });
        }
        Ok(Blueprint {
            plan: Arc::new(plan),
            options,
            #[cfg(feature = "watch")]
            watched,
            keys,
            recipes,
        })
    }
}

/// Why a node that is watched cannot be made anew, if it cannot.
fn pinned(plan: &Plan, node: NodeId) -> Option<Diagnostic> {
    let label = plan.label(node);
    let (what, path, fix) = match plan.pinned(&[node], &plan.with_holders(&[node]))? {
        Pinned::NotMade(_) => {
            let lives = "it does not live as long as the application".to_owned();
            (lives, vec![node], "watch what the application has one of; a value of a shorter scope is made anew in each".to_owned())
        }
        Pinned::Held(way) => {
            let (listener, holder) = (plan.label(way[0]), plan.label(way[way.len().saturating_sub(2)]));
            let fix = format!("have `{holder}` take Lazy<{label}>");
            (format!("listener `{listener}` holds it"), way, fix)
        }
    };
    let message = format!("`{label}` is watched and cannot be made anew: {what}");
    let path = path.into_iter().map(|node| plan.step(node)).collect();
    Some(Diagnostic { code: Code::Pinned, node, message, path, fix })
}

impl Entries {
    /// Every declaration with its module, in the order they were written.
    fn flattened<'d>(&'d self, graph: &mut Graph) -> Vec<(ModuleId, &'d Declaration)> {
        fn walk<'d>(entries: &'d Entries, module: ModuleId, graph: &mut Graph, all: &mut Vec<(ModuleId, &'d Declaration)>) {
            for entry in &entries.0 {
                match entry {
                    Entry::One(declaration) => all.push((module, declaration)),
                    Entry::Module(name, inner) => {
                        let inside = graph.module(name, module);
                        walk(inner, inside, graph, all);
                    }
                }
            }
        }
        let mut all = Vec::new();
        walk(self, ModuleId::ROOT, graph, &mut all);
        all
    }
}

impl Blueprint {
    /// How a node is carried out. Collections are made by the check and have no recipe.
    pub(crate) fn recipe(&self, node: NodeId) -> Option<&Recipe> {
        self.recipes.get(node.index())
    }

    /// Turns the value behind a node into its own: aliases convert, collections do so for each member.
    pub(crate) fn adapt(&self, node: NodeId, held: Held) -> Held {
        let deps = self.plan.deps(node);
        match (self.plan.kind(node), held) {
            (NodeKind::Alias, held) => {
                let [Dep::Node(behind)] = deps else { return held };
                let behind = self.adapt(*behind, held);
                match self.recipe(node) {
                    Some(Recipe::Alias(convert)) => convert(&behind),
                    _ => behind,
                }
            }
            (NodeKind::Collection, Held::Many(members)) => {
                let nodes = deps.iter().filter_map(|dep| dep.eager());
                Held::Many(nodes.zip(members).map(|(node, member)| self.adapt(node, member)).collect())
            }
            (_, held) => held,
        }
    }

    /// Finds the node that a type leads to, or says why there is none.
    pub(crate) fn find(&self, key: TypeKey) -> Result<NodeId, String> {
        match self.keys.find(key) {
            Some(key) => self.plan.find(key),
            None => Err(format!("nothing provides `{}`; add provide(...) with a call that makes it", key.label())),
        }
    }

    /// Finds every node that a type leads to.
    pub(crate) fn find_all(&self, key: TypeKey) -> Vec<NodeId> {
        self.keys.find(key).map(|key| self.plan.find_all(key)).unwrap_or_default()
    }

    /// Finds what a scope of this depth is given for a type.
    pub(crate) fn find_context(&self, key: TypeKey, depth: usize) -> Result<NodeId, String> {
        let node = self.find(key)?;
        if self.plan.kind(node) == NodeKind::Context && self.plan.depth(node) == depth {
            return Ok(node);
        }
        let (label, scope) = (key.label(), &self.plan.scopes()[depth]);
        Err(format!("`{label}` does not come with the scope \"{scope}\"; add context::<{label}>(...) for it"))
    }

    /// Finds a scope's place in the list of scopes.
    pub(crate) fn depth(&self, scope: &str) -> Result<usize, String> {
        let scopes = self.plan.scopes();
        scopes.iter().position(|name| name == scope).ok_or_else(|| {
            let known: Vec<_> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
            format!("there is no scope \"{scope}\"; use {}", known.join(" or "))
        })
    }

    /// Finds a worker by its name.
    pub(crate) fn worker(&self, name: &str) -> Result<NodeId, String> {
        let mut workers = self.plan.nodes().filter(|&node| self.plan.kind(node) == NodeKind::Worker);
        workers.find(|&node| self.plan.label(node) == name).ok_or_else(|| format!("there is no worker `{name}`"))
    }
}
