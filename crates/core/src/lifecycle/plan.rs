//! The plan: what the check found, in the form that runs.

use super::{
    diagnostic::{Diagnostic, Step},
    graph::{Graph, Key, ModuleId, Node, NodeId, NodeKind},
    resolve::{Lookup, Providers},
};

/// What one need of a node is met by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dep {
    /// The value of a node.
    Node(NodeId),
    /// The value of a node, when it is asked for.
    Lazy(NodeId),
    /// Nothing: the need is optional.
    Absent,
}

impl Dep {
    /// Returns the node, lazy or not.
    #[must_use]
    pub fn node(self) -> Option<NodeId> {
        match self {
            Self::Node(node) | Self::Lazy(node) => Some(node),
            Self::Absent => None,
        }
    }

    /// Returns the node that must be there first.
    #[must_use]
    pub fn eager(self) -> Option<NodeId> {
        match self {
            Self::Node(node) => Some(node),
            Self::Lazy(_) | Self::Absent => None,
        }
    }
}

/// A checked graph.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) graph: Graph,
    pub(crate) providers: Providers,
    pub(crate) facts: Vec<Facts>,
    pub(crate) order: Vec<NodeId>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// What is known of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) deps: Vec<Dep>,
    /// The place of its scope in the list of scopes. Of a transient node, of the shortest that it is made of.
    pub(crate) depth: u8,
    pub(crate) is_transient: bool,
    /// The longest way down to a node that needs nothing.
    pub(crate) level: u32,
    pub(crate) is_reached: bool,
    /// Soft collections take this one if it is there, and have nothing built.
    pub(crate) is_soft: bool,
}

impl Plan {
    /// Returns how many nodes there are. Collections that were needed stand after those that were declared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Returns whether nothing was declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Returns every node, each after what it needs.
    #[must_use]
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// Returns what is odd about the graph.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Returns the names of the scopes, from the longest to the shortest.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.graph.scopes
    }

    /// Returns what a node is.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> NodeKind {
        self.node(node).kind
    }

    /// Returns what a node is called.
    #[must_use]
    pub fn label(&self, node: NodeId) -> &str {
        &self.node(node).label
    }

    /// Returns where a node was written.
    #[must_use]
    pub fn source(&self, node: NodeId) -> &str {
        &self.node(node).source
    }

    /// Returns what a node's needs are met by, in the order of its parameters.
    #[must_use]
    pub fn deps(&self, node: NodeId) -> &[Dep] {
        &self.facts[node.index()].deps
    }

    /// Returns the place of a node's scope in the list of scopes: 0 is the application's.
    #[must_use]
    pub fn depth(&self, node: NodeId) -> usize {
        usize::from(self.facts[node.index()].depth)
    }

    /// Returns whether a node is made anew for each who needs it.
    #[must_use]
    pub fn is_transient(&self, node: NodeId) -> bool {
        self.facts[node.index()].is_transient
    }

    /// Returns the longest way from a node down to one that needs nothing.
    #[must_use]
    pub fn level(&self, node: NodeId) -> usize {
        self.facts[node.index()].level as usize
    }

    /// Returns whether a root needs the node, directly or not.
    #[must_use]
    pub fn is_reached(&self, node: NodeId) -> bool {
        self.facts[node.index()].is_reached
    }

    /// Returns whether an override took the place of a node.
    #[must_use]
    pub fn is_replaced(&self, node: NodeId) -> bool {
        self.providers.is_replaced(node)
    }

    /// Returns whether making a node takes waiting.
    #[must_use]
    pub fn is_async(&self, node: NodeId) -> bool {
        self.node(node).is_async
    }

    /// Finds what a key gives to the root module.
    ///
    /// # Errors
    ///
    /// The mistake, as the check of a node that needs it would say it.
    pub fn find(&self, key: Key) -> Result<NodeId, String> {
        let label = self.graph.key_label(key);
        match self.providers.lookup(&self.graph, key, ModuleId::ROOT) {
            Lookup::One(node) => Ok(node),
            Lookup::None => {
                let nobody = NodeId(u32::MAX);
                let fix = super::suggest::fix(&self.graph, &self.providers, key, nobody);
                Err(format!("nothing provides `{label}`; {fix}"))
            }
            Lookup::Many(nodes) => {
                let all: Vec<_> = nodes.iter().map(|&node| self.step(node).to_string()).collect();
                Err(format!("several provide `{label}`: {}; give them names, or ask for all of them", all.join(", ")))
            }
        }
    }

    /// Returns all values of a key that the root module sees.
    #[must_use]
    pub fn find_all(&self, key: Key) -> Vec<NodeId> {
        self.providers.members(&self.graph, key, ModuleId::ROOT)
    }

    /// Follows aliases to the node whose value they are.
    #[must_use]
    pub fn behind(&self, node: NodeId) -> NodeId {
        match (self.kind(node), self.deps(node)) {
            (NodeKind::Alias, [Dep::Node(target)]) => self.behind(*target),
            _ => node,
        }
    }

    /// Returns all nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.facts.len()).map(NodeId::new)
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        self.graph.node(node)
    }

    pub(crate) fn step(&self, node: NodeId) -> Step {
        step(&self.graph, node)
    }
}

pub(crate) fn step(graph: &Graph, node: NodeId) -> Step {
    let node = graph.node(node);
    Step { label: node.label.clone(), source: node.source.clone() }
}
