//! What can be made anew while all else goes on, and what has to be made anew with it.

use super::{
    graph::{NodeId, NodeKind},
    plan::{Dep, Plan},
};

/// Why a value cannot be made anew.
pub(crate) enum Pinned {
    /// It does not live as long as the application, or nobody makes it.
    NotMade(NodeId),
    /// A listener holds it: the way from the listener down.
    Held(Vec<NodeId>),
}

impl Plan {
    /// The nodes, and those who hold them, by their places.
    pub(crate) fn with_holders(&self, nodes: &[NodeId]) -> Vec<bool> {
        let mut is_affected = vec![false; self.len()];
        nodes.iter().for_each(|node| is_affected[node.index()] = true);
        for &node in self.order() {
            let holds = |dep: &Dep| dep.eager().is_some_and(|dep| is_affected[dep.index()]);
            if self.depth(node) == 0 && self.deps(node).iter().any(holds) {
                is_affected[node.index()] = true;
            }
        }
        is_affected
    }

    /// What stands in the way of making these nodes anew, with all that are affected.
    pub(crate) fn pinned(&self, nodes: &[NodeId], is_affected: &[bool]) -> Option<Pinned> {
        if let Some(&node) = nodes.iter().find(|&&node| !self.is_made_by_the_application(node)) {
            return Some(Pinned::NotMade(node));
        }
        let is_pinned = |node: &NodeId| is_affected[node.index()] && self.kind(*node) == NodeKind::Listener;
        self.nodes().find(is_pinned).map(|listener| Pinned::Held(self.way_down(listener, is_affected)))
    }

    fn is_made_by_the_application(&self, node: NodeId) -> bool {
        matches!(self.kind(node), NodeKind::Factory | NodeKind::Resource | NodeKind::Decorator) && self.depth(node) == 0
    }

    fn way_down(&self, from: NodeId, is_affected: &[bool]) -> Vec<NodeId> {
        let next = |node: NodeId| self.deps(node).iter().filter_map(|dep| dep.eager()).find(|dep| is_affected[dep.index()]);
        let (mut way, mut last) = (vec![from], from);
        // A graph with mistakes may go round in a circle.
        while let Some(node) = next(last).filter(|node| !way.contains(node)) {
            way.push(node);
            last = node;
        }
        way
    }
}
