//! The graph as it is declared.

use std::sync::Arc;

use hostloop::lifecycle::{Diagnostic, Graph as Inner, Key, Lifetime, ModuleId, Need, Node, NodeId, NodeKind, WiringError};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::{
    plan::Plan,
    policy::{NativePolicy, policy},
};
use crate::{
    errors::{Result, invalid},
    options::duration,
};

/// Nodes and what each needs, before the check.
#[napi]
pub struct Graph {
    inner: Inner,
    keys: Vec<Key>,
    modules: Vec<ModuleId>,
}

/// A node. `scope` is a scope's name, `transient` or `inherited`. Times are seconds.
#[napi(object)]
pub struct NativeNode {
    pub kind: String,
    pub label: String,
    pub source: String,
    pub scope: String,
    pub module: u32,
    pub needs: Vec<NativeNeed>,
    pub provides: Option<u32>,
    pub private: Option<bool>,
    pub is_async: Option<bool>,
    pub sync_only: Option<bool>,
    pub overriding: Option<bool>,
    pub built_in: Option<bool>,
    pub after: Option<Vec<u32>>,
    pub start_timeout: Option<f64>,
    pub stop_timeout: Option<f64>,
    pub policy: Option<NativePolicy>,
}

/// What a node needs. Of a collection, `member` is the key of its members.
#[napi(object)]
pub struct NativeNeed {
    pub key: u32,
    pub optional: bool,
    pub lazy: bool,
    pub member: Option<u32>,
    pub soft: Option<bool>,
}

/// A mistake or a warning. `path` has a label and a place for each step; `text` is all of it, to be read.
#[napi(object)]
pub struct NativeMistake {
    pub code: String,
    pub message: String,
    pub path: Vec<NativeStep>,
    pub fix: String,
    pub text: String,
}

/// A node on a path, as its user knows it.
#[napi(object)]
pub struct NativeStep {
    pub label: String,
    pub source: String,
}

/// Every mistake of a graph.
#[napi(object)]
pub struct NativeMistakes {
    pub text: String,
    pub mistakes: Vec<NativeMistake>,
    pub warnings: Vec<NativeMistake>,
}

#[napi]
impl Graph {
    #[napi(constructor)]
    pub fn new(scopes: Vec<String>) -> Self {
        Self { inner: Inner::new(scopes), keys: Vec::new(), modules: vec![ModuleId::ROOT] }
    }

    /// Makes a key. The label is what texts call it.
    #[napi]
    pub fn key(&mut self, label: String) -> u32 {
        let key = self.inner.key(label);
        self.keep(key)
    }

    /// Makes a key for values of another that have this name.
    #[napi]
    pub fn named(&mut self, base: u32, name: String) -> Result<u32> {
        let base = self.known(base)?;
        let key = self.inner.named(base, name);
        Ok(self.keep(key))
    }

    /// Notes that a value of one key could be given for another, for the texts of mistakes.
    #[napi]
    pub fn conforms(&mut self, key: u32, to: u32) -> Result<()> {
        let (key, to) = (self.known(key)?, self.known(to)?);
        self.inner.conforms(key, to);
        Ok(())
    }

    /// Makes a module inside another; 0 is the root.
    #[napi]
    pub fn module(&mut self, name: String, parent: u32) -> Result<u32> {
        let parent = self.known_module(parent)?;
        self.modules.push(self.inner.module(name, parent));
        Ok(self.modules.len() as u32 - 1)
    }

    /// Adds a node, and returns its number.
    #[napi]
    pub fn add(&mut self, given: NativeNode) -> Result<u32> {
        let node = self.node(given)?;
        Ok(self.inner.add(node).index() as u32)
    }

    /// Adds another key for what a node provides.
    #[napi]
    pub fn alias(&mut self, key: u32, target: u32) -> Result<u32> {
        let key = self.known(key)?;
        Ok(self.inner.alias(key, NodeId::new(target as usize)).index() as u32)
    }

    /// Checks the graph, and makes the plan that runs, or tells every mistake.
    #[napi]
    pub fn seal(&self) -> Either<Plan, NativeMistakes> {
        match self.inner.clone().seal() {
            Ok(plan) => Either::A(Plan::new(Arc::new(plan), self.keys.clone())),
            Err(error) => Either::B(mistakes(&error)),
        }
    }
}

impl Graph {
    fn keep(&mut self, key: Key) -> u32 {
        self.keys.push(key);
        self.keys.len() as u32 - 1
    }

    fn known(&self, key: u32) -> Result<Key> {
        self.keys.get(key as usize).copied().ok_or_else(|| invalid(format!("the graph has no key {key}")))
    }

    fn known_module(&self, module: u32) -> Result<ModuleId> {
        self.modules.get(module as usize).copied().ok_or_else(|| invalid(format!("the graph has no module {module}")))
    }

    fn node(&self, given: NativeNode) -> Result<Node> {
        let mut node = Node::new(kind_of(&given.kind)?, given.label, given.source)
            .module(self.known_module(given.module)?, given.private.unwrap_or(false))
            .timeouts(given.start_timeout.map(duration).transpose()?, given.stop_timeout.map(duration).transpose()?)
            .after(given.after.unwrap_or_default().into_iter().map(|node| NodeId::new(node as usize)))
            .lifetime(Lifetime::declared_as(&given.scope));
        if let Some(key) = given.provides {
            node = node.provides(self.known(key)?);
        }
        if let Some(given) = given.policy {
            node = node.policy(policy(&given)?);
        }
        for (is_set, set) in [
            (given.is_async, Node::asynchronous as fn(Node) -> Node),
            (given.sync_only, Node::sync_only),
            (given.overriding, Node::overriding),
            (given.built_in, Node::built_in),
        ] {
            node = if is_set.unwrap_or(false) { set(node) } else { node };
        }
        let needs = given.needs.into_iter().map(|need| self.need(&need)).collect::<Result<Vec<_>>>()?;
        Ok(node.needs(needs))
    }

    fn need(&self, given: &NativeNeed) -> Result<Need> {
        let mut need = Need::key("", self.known(given.key)?);
        if given.optional {
            need = need.optional();
        }
        if given.lazy {
            need = need.lazy();
        }
        if let Some(member) = given.member {
            need = need.collecting(self.known(member)?, given.soft.unwrap_or(false));
        }
        Ok(need)
    }
}

fn kind_of(name: &str) -> Result<NodeKind> {
    NodeKind::declared_as(name).ok_or_else(|| invalid(format!("no node is a {name:?}")))
}

pub(super) fn told(diagnostic: &Diagnostic) -> NativeMistake {
    let Diagnostic { code, message, path, fix, .. } = diagnostic;
    NativeMistake {
        code: code.name().to_owned(),
        message: message.clone(),
        path: path.iter().map(|step| NativeStep { label: step.label.clone(), source: step.source.clone() }).collect(),
        fix: fix.clone(),
        text: diagnostic.to_string(),
    }
}

fn mistakes(error: &WiringError) -> NativeMistakes {
    NativeMistakes {
        text: error.to_string(),
        mistakes: error.mistakes.iter().map(told).collect(),
        warnings: error.warnings.iter().map(told).collect(),
    }
}
