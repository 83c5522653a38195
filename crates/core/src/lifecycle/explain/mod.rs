//! The picture: every node, what it needs, what state it is in and how long it took.
//!
//! One explanation is written in four ways: JSON for programs, DOT and Mermaid for documents, and an HTML page that needs no network.

mod html;
mod layout;
mod svg;
mod text;

use serde_json::{Value, json};

use super::{
    graph::{Lifetime, NodeId, NodeKind},
    plan::{Dep, Plan},
    run::Run,
};

/// What a graph is made of, at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// What the application was doing, or `planned`.
    pub stage: String,
    /// The scopes, from the longest to the shortest.
    pub scopes: Vec<String>,
    /// The nodes, in the order of declaration.
    pub nodes: Vec<ExplainedNode>,
    /// What needs what.
    pub edges: Vec<ExplainedEdge>,
}

/// One node of the picture.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ExplainedNode {
    /// Its number.
    pub id: usize,
    /// What it is called.
    pub label: String,
    /// What it is.
    pub kind: NodeKind,
    /// What it provides, or empty.
    pub provides: String,
    /// Where it was written, or empty.
    pub source: String,
    /// The scope that it lives in, or `transient`.
    pub scope: String,
    /// The module that it is of.
    pub module: String,
    /// The longest way down to a node that needs nothing.
    pub level: usize,
    /// What it is doing.
    pub state: String,
    /// How long making or starting it took, in nanoseconds.
    pub took: Option<u64>,
    /// More to be read, or empty.
    pub detail: String,
}

/// One need of the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedEdge {
    /// Who needs.
    pub from: usize,
    /// What is needed.
    pub to: usize,
    /// How: `needs`, `lazy` or `after`.
    pub kind: &'static str,
}

impl Plan {
    /// Describes the graph before it runs.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let nodes = self.nodes().map(|node| self.explained(node, self.planned_state(node), None, String::new())).collect();
        Explanation { stage: "planned".into(), scopes: self.scopes().to_vec(), nodes, edges: self.edges() }
    }

    fn planned_state(&self, node: NodeId) -> &'static str {
        match () {
            () if self.is_replaced(node) => "replaced",
            () if self.is_reached(node) => "planned",
            () => "unused",
        }
    }

    fn explained(&self, id: NodeId, state: &str, took: Option<u64>, detail: String) -> ExplainedNode {
        let node = self.node(id);
        let scope = match &node.lifetime {
            Lifetime::Transient => "transient".into(),
            _ => self.scopes()[self.depth(id)].clone(),
        };
        ExplainedNode {
            id: id.index(),
            label: node.label.clone(),
            kind: node.kind,
            provides: node.provides.map(|key| self.graph.key_label(key).to_owned()).unwrap_or_default(),
            source: node.source.clone(),
            scope,
            module: self.graph.modules[node.module.0 as usize].name.clone(),
            level: self.level(id),
            state: state.into(),
            took,
            detail,
        }
    }

    fn edges(&self) -> Vec<ExplainedEdge> {
        let needs = self.nodes().flat_map(|from| {
            self.deps(from).iter().filter_map(move |dep| {
                let kind = if matches!(dep, Dep::Lazy(_)) { "lazy" } else { "needs" };
                Some(ExplainedEdge { from: from.index(), to: dep.node()?.index(), kind })
            })
        });
        let after = self.nodes().flat_map(|from| {
            let edge = move |to: &NodeId| ExplainedEdge { from: from.index(), to: to.index(), kind: "after" };
            self.node(from).after.iter().map(edge)
        });
        needs.chain(after).collect()
    }
}

impl Run {
    /// Describes the graph as it is now.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let nodes = self.plan.nodes().map(|node| {
            let (state, took, detail) = self.condition(node);
            let state = state.unwrap_or_else(|| self.plan.planned_state(node));
            self.plan.explained(node, state, took, detail)
        });
        Explanation {
            stage: self.stage().name().into(),
            scopes: self.plan.scopes().to_vec(),
            nodes: nodes.collect(),
            edges: self.plan.edges(),
        }
    }
}

impl Explanation {
    /// Returns it as JSON: `{"stage", "scopes", "nodes": [...], "edges": [...]}`. Durations are seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let node = |node: &ExplainedNode| {
            json!({
                "id": node.id, "label": node.label, "kind": node.kind.name(), "provides": node.provides, "source": node.source,
                "scope": node.scope, "module": node.module, "level": node.level, "state": node.state,
                "seconds": node.took.map(|took| took as f64 / 1e9), "detail": node.detail,
            })
        };
        let edge = |edge: &ExplainedEdge| json!({ "from": edge.from, "to": edge.to, "kind": edge.kind });
        json!({
            "stage": self.stage, "scopes": self.scopes,
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "edges": self.edges.iter().map(edge).collect::<Vec<_>>(),
        })
    }

    /// Returns it in Graphviz's language.
    #[must_use]
    pub fn to_dot(&self) -> String {
        text::dot(self)
    }

    /// Returns it as a Mermaid flowchart.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        text::mermaid(self)
    }

    /// Returns it as one HTML page with a drawing, which loads nothing.
    #[must_use]
    pub fn to_html(&self) -> String {
        html::page(self)
    }
}

/// What a node's state means for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Idle,
    Good,
    Busy,
    Bad,
}

impl ExplainedNode {
    fn tone(&self) -> Tone {
        match &self.state[..] {
            "ready" | "up" | "running" | "serving" | "completed" | "listening" => Tone::Good,
            "building" | "starting" | "stopping" | "backing off" => Tone::Busy,
            "failed" | "exhausted" => Tone::Bad,
            _ => Tone::Idle,
        }
    }

    /// How long it took, to be read.
    fn duration(&self) -> String {
        match self.took {
            None => String::new(),
            Some(took) if took < 1_000_000 => format!("{:.0} us", took as f64 / 1e3),
            Some(took) if took < 1_000_000_000 => format!("{:.1} ms", took as f64 / 1e6),
            Some(took) => format!("{:.2} s", took as f64 / 1e9),
        }
    }
}
