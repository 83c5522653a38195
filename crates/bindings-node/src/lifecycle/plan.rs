//! The plan as it was checked, handed over once in whole.

use std::sync::Arc;

use hostloop::lifecycle::{Dep, Explanation, Key, NodeId, Plan as Inner};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::graph::{NativeMistake, told};
use crate::errors::{Result, invalid};

/// A checked graph.
#[napi]
pub struct Plan {
    pub(super) inner: Arc<Inner>,
    keys: Vec<Key>,
}

/// A node of the plan. Each of `deps` is a node's number, `-1 - number` if it is asked for lazily, or null.
#[napi(object)]
pub struct PlannedNode {
    pub kind: String,
    pub label: String,
    pub source: String,
    pub depth: u32,
    pub is_transient: bool,
    pub is_async: bool,
    pub is_reached: bool,
    pub is_replaced: bool,
    pub level: u32,
    pub deps: Vec<Option<i32>>,
}

impl Plan {
    pub(super) fn new(inner: Arc<Inner>, keys: Vec<Key>) -> Self {
        Self { inner, keys }
    }

    fn row(&self, node: NodeId) -> PlannedNode {
        let plan = &self.inner;
        PlannedNode {
            kind: plan.kind(node).name().to_owned(),
            label: plan.label(node).to_owned(),
            source: plan.source(node).to_owned(),
            depth: plan.depth(node) as u32,
            is_transient: plan.is_transient(node),
            is_async: plan.is_async(node),
            is_reached: plan.is_reached(node),
            is_replaced: plan.is_replaced(node),
            level: plan.level(node) as u32,
            deps: plan.deps(node).iter().copied().map(dep).collect(),
        }
    }

    fn key(&self, key: u32) -> Result<Key> {
        self.keys.get(key as usize).copied().ok_or_else(|| invalid(format!("the plan has no key {key}")))
    }
}

#[napi]
impl Plan {
    /// Every node, by its number. Collections that were needed stand after those that were declared.
    #[napi]
    pub fn nodes(&self) -> Vec<PlannedNode> {
        self.inner.nodes().map(|node| self.row(node)).collect()
    }

    /// The numbers of the nodes, each after what it needs.
    #[napi]
    pub fn order(&self) -> Vec<u32> {
        self.inner.order().iter().map(|node| node.index() as u32).collect()
    }

    /// What is odd about the graph.
    #[napi]
    pub fn warnings(&self) -> Vec<NativeMistake> {
        self.inner.warnings().iter().map(told).collect()
    }

    /// The node that a key gives to the root module, or a text that says why there is none and what to do.
    #[napi]
    pub fn find(&self, key: u32) -> Result<Either<u32, String>> {
        Ok(match self.inner.find(self.key(key)?) {
            Ok(node) => Either::A(node.index() as u32),
            Err(message) => Either::B(message),
        })
    }

    /// All nodes of a key that the root module sees.
    #[napi]
    pub fn find_all(&self, key: u32) -> Result<Vec<u32>> {
        Ok(self.inner.find_all(self.key(key)?).into_iter().map(|node| node.index() as u32).collect())
    }

    /// The graph before it runs, as `json`, `dot`, `mermaid` or `html`.
    #[napi]
    pub fn explain(&self, format: String) -> Result<String> {
        written(&self.inner.explain(), &format)
    }
}

fn dep(dep: Dep) -> Option<i32> {
    match dep {
        Dep::Node(node) => Some(node.index() as i32),
        Dep::Lazy(node) => Some(-1 - node.index() as i32),
        Dep::Absent => None,
    }
}

/// Writes a picture in one of its languages.
pub(super) fn written(explanation: &Explanation, format: &str) -> Result<String> {
    match format {
        "json" => Ok(explanation.to_json().to_string()),
        "dot" => Ok(explanation.to_dot()),
        "mermaid" => Ok(explanation.to_mermaid()),
        "html" => Ok(explanation.to_html()),
        other => Err(invalid(format!("explain has the format {other:?}; use \"json\", \"dot\", \"mermaid\" or \"html\""))),
    }
}
