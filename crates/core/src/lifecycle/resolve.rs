//! From a key to the node that provides it, as seen from a module.
//!
//! The closest private provider wins; otherwise there must be one public provider. Decorators of the modules around the one who
//! asks wrap it, the outermost first. An override takes the place of both.

use super::graph::{Graph, Key, ModuleId, NodeId, NodeKind};

/// What a key leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    None,
    One(NodeId),
    Many(Vec<NodeId>),
}

/// Who provides what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Providers {
    by_key: Vec<Vec<NodeId>>,
    decorators: Vec<Vec<Decorator>>,
    is_replaced: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Decorator {
    node: NodeId,
    base: NodeId,
    module: ModuleId,
    depth: usize,
}

impl Providers {
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut providers = Self {
            by_key: vec![Vec::new(); graph.keys.len()],
            decorators: vec![Vec::new(); graph.keys.len()],
            is_replaced: vec![false; graph.nodes.len()],
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            if let (Some(key), false) = (node.provides, node.kind == NodeKind::Decorator) {
                providers.by_key[key.0 as usize].push(NodeId::new(index));
            }
        }
        providers.apply_overrides(graph);
        providers.find_decorators(graph);
        providers
    }

    fn apply_overrides(&mut self, graph: &Graph) {
        for nodes in &mut self.by_key {
            // Of several overrides of one key, the last holds.
            if let Some(&last) = nodes.iter().rev().find(|node| graph.node(**node).is_override) {
                nodes.iter().filter(|node| **node != last).for_each(|node| self.is_replaced[node.index()] = true);
                *nodes = vec![last];
            }
        }
    }

    fn find_decorators(&mut self, graph: &Graph) {
        for (index, node) in graph.nodes.iter().enumerate() {
            let (Some(key), NodeKind::Decorator) = (node.provides, node.kind) else { continue };
            let Lookup::One(base) = self.provider(graph, key, node.module) else { continue };
            if graph.node(base).is_override {
                self.is_replaced[index] = true;
                continue;
            }
            let depth = graph.ancestry(node.module).count();
            self.decorators[key.0 as usize].push(Decorator { node: NodeId::new(index), base, module: node.module, depth });
        }
        self.decorators.iter_mut().for_each(|chain| chain.sort_by_key(|decorator| (decorator.depth, decorator.node)));
    }

    /// Makes room for nodes that were not declared.
    pub(crate) fn reserve(&mut self, nodes: usize) {
        self.is_replaced.resize(nodes, false);
    }

    /// Returns whether an override took the place of a node.
    pub(crate) fn is_replaced(&self, node: NodeId) -> bool {
        self.is_replaced[node.index()]
    }

    /// All who provide a key, wherever they are.
    pub(crate) fn all(&self, key: Key) -> &[NodeId] {
        &self.by_key[key.0 as usize]
    }

    /// Who provides a key for a module, before decorators.
    pub(crate) fn provider(&self, graph: &Graph, key: Key, module: ModuleId) -> Lookup {
        let all = self.all(key);
        for around in graph.ancestry(module) {
            let private = |node: &&NodeId| graph.node(**node).is_private && graph.node(**node).module == around;
            let found: Vec<_> = all.iter().filter(private).copied().collect();
            if !found.is_empty() {
                return found.into();
            }
        }
        all.iter().filter(|node| !graph.node(**node).is_private).copied().collect::<Vec<_>>().into()
    }

    /// What a key gives to a module.
    pub(crate) fn lookup(&self, graph: &Graph, key: Key, module: ModuleId) -> Lookup {
        match self.provider(graph, key, module) {
            Lookup::One(node) => Lookup::One(self.decorated(graph, node, module)),
            other => other,
        }
    }

    /// All values of a key that a module sees.
    pub(crate) fn members(&self, graph: &Graph, key: Key, module: ModuleId) -> Vec<NodeId> {
        let is_seen = |node: &&NodeId| !graph.node(**node).is_private || graph.is_within(module, graph.node(**node).module);
        self.all(key).iter().filter(is_seen).map(|&node| self.decorated(graph, node, module)).collect()
    }

    /// A provider with the decorators around it that a module sees.
    pub(crate) fn decorated(&self, graph: &Graph, base: NodeId, module: ModuleId) -> NodeId {
        self.chain(graph, base, module).last().unwrap_or(base)
    }

    /// What a decorator wraps: the one before it, or the provider.
    pub(crate) fn inner(&self, graph: &Graph, decorator: NodeId) -> Option<NodeId> {
        let node = graph.node(decorator);
        let key = node.provides?;
        let base = self.decorators[key.0 as usize].iter().find(|found| found.node == decorator)?.base;
        Some(self.chain(graph, base, node.module).take_while(|&found| found != decorator).last().unwrap_or(base))
    }

    fn chain(&self, graph: &Graph, base: NodeId, module: ModuleId) -> impl Iterator<Item = NodeId> {
        let decorators = graph.node(base).provides.map_or(&[][..], |key| &self.decorators[key.0 as usize]);
        decorators
            .iter()
            .filter(move |decorator| decorator.base == base && graph.is_within(module, decorator.module))
            .map(|decorator| decorator.node)
    }
}

impl From<Vec<NodeId>> for Lookup {
    fn from(nodes: Vec<NodeId>) -> Self {
        match nodes[..] {
            [] => Self::None,
            [one] => Self::One(one),
            _ => Self::Many(nodes),
        }
    }
}
