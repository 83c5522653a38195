//! The graph as it is declared.

use std::sync::Arc;

use hostloop::lifecycle::{Diagnostic, Graph as Inner, Key, Lifetime, ModuleId, Need, Node, NodeId, NodeKind, WiringError};
use pyo3::{IntoPyObjectExt, prelude::*};

use super::{plan::Plan, policy};
use crate::{
    errors::{class, invalid},
    options::duration,
};

/// Nodes and what each needs, before the check.
#[pyclass(module = "hostloop._core")]
pub(crate) struct Graph {
    inner: Inner,
    keys: Vec<Key>,
    modules: Vec<ModuleId>,
}

/// A need, as the Python layer writes it: the parameter, the key, whether it is optional, whether it is lazy, and of a collection
/// the key of its members and whether it is soft.
#[derive(FromPyObject)]
struct Wanted(String, usize, bool, bool, Option<(usize, bool)>);

/// A mistake or a warning: its code, what is wrong, the labels and places on the way to it, the fix, and all of it as a text.
pub(super) type Told = (&'static str, String, Vec<(String, String)>, String, String);

#[pymethods]
impl Graph {
    #[new]
    fn new(scopes: Vec<String>) -> Self {
        Self { inner: Inner::new(scopes), keys: Vec::new(), modules: vec![ModuleId::ROOT] }
    }

    /// Makes a key. The label is what texts call it.
    fn key(&mut self, label: String) -> usize {
        let key = self.inner.key(label);
        self.keep(key)
    }

    /// Makes a key for values of another that have this name.
    fn named(&mut self, py: Python<'_>, base: usize, name: String) -> PyResult<usize> {
        let base = self.known(py, base)?;
        let key = self.inner.named(base, name);
        Ok(self.keep(key))
    }

    /// Notes that a value of one key could be given for another, for the texts of mistakes.
    fn conforms(&mut self, py: Python<'_>, key: usize, to: usize) -> PyResult<()> {
        let (key, to) = (self.known(py, key)?, self.known(py, to)?);
        self.inner.conforms(key, to);
        Ok(())
    }

    /// Makes a module inside another; 0 is the root.
    fn module(&mut self, py: Python<'_>, name: String, parent: usize) -> PyResult<usize> {
        let parent = self.known_module(py, parent)?;
        self.modules.push(self.inner.module(name, parent));
        Ok(self.modules.len() - 1)
    }

    /// Adds a node, and returns its number. `scope` is a scope's name, `transient` or `inherited`. Times are seconds.
    #[pyo3(signature = (
        kind, label, source, *, provides = None, scope = "inherited", module = 0, private = false, is_async = false,
        sync_only = false, overriding = false, built_in = false, needs = Vec::new(), after = Vec::new(), start_timeout = None,
        stop_timeout = None, policy = None
    ))]
    #[allow(clippy::too_many_arguments, reason = "Python names them")]
    fn add(
        &mut self,
        py: Python<'_>,
        kind: &str,
        label: String,
        source: String,
        provides: Option<usize>,
        scope: &str,
        module: usize,
        private: bool,
        is_async: bool,
        sync_only: bool,
        overriding: bool,
        built_in: bool,
        needs: Vec<Wanted>,
        after: Vec<usize>,
        start_timeout: Option<f64>,
        stop_timeout: Option<f64>,
        policy: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let mut node = Node::new(kind_of(py, kind)?, label, source)
            .module(self.known_module(py, module)?, private)
            .timeouts(start_timeout.map(duration).transpose()?, stop_timeout.map(duration).transpose()?)
            .after(after.into_iter().map(NodeId::new))
            .lifetime(Lifetime::declared_as(scope));
        if let Some(key) = provides {
            node = node.provides(self.known(py, key)?);
        }
        if let Some(given) = policy {
            node = node.policy(policy::policy(given)?);
        }
        for (is_set, set) in [
            (is_async, Node::asynchronous as fn(Node) -> Node),
            (sync_only, Node::sync_only),
            (overriding, Node::overriding),
            (built_in, Node::built_in),
        ] {
            node = if is_set { set(node) } else { node };
        }
        let needs = needs.into_iter().map(|wanted| self.need(py, wanted)).collect::<PyResult<Vec<_>>>()?;
        Ok(self.inner.add(node.needs(needs)).index())
    }

    /// Adds another key for what a node provides.
    fn alias(&mut self, py: Python<'_>, key: usize, target: usize) -> PyResult<usize> {
        let key = self.known(py, key)?;
        Ok(self.inner.alias(key, NodeId::new(target)).index())
    }

    /// Checks the graph, and makes the plan that runs. Raises WiringError with every mistake.
    fn seal(&self, py: Python<'_>) -> PyResult<Plan> {
        match self.inner.clone().seal() {
            Ok(plan) => Ok(Plan::new(Arc::new(plan), self.keys.clone())),
            Err(error) => Err(wiring_error(py, &error)?),
        }
    }
}

impl Graph {
    fn keep(&mut self, key: Key) -> usize {
        self.keys.push(key);
        self.keys.len() - 1
    }

    fn known(&self, py: Python<'_>, key: usize) -> PyResult<Key> {
        self.keys.get(key).copied().ok_or_else(|| invalid(py, format!("the graph has no key {key}")))
    }

    fn known_module(&self, py: Python<'_>, module: usize) -> PyResult<ModuleId> {
        self.modules.get(module).copied().ok_or_else(|| invalid(py, format!("the graph has no module {module}")))
    }

    fn need(&self, py: Python<'_>, Wanted(parameter, key, is_optional, is_lazy, members): Wanted) -> PyResult<Need> {
        let mut need = Need::key(parameter, self.known(py, key)?);
        if is_optional {
            need = need.optional();
        }
        if is_lazy {
            need = need.lazy();
        }
        if let Some((member, is_soft)) = members {
            need = need.collecting(self.known(py, member)?, is_soft);
        }
        Ok(need)
    }
}

fn kind_of(py: Python<'_>, name: &str) -> PyResult<NodeKind> {
    NodeKind::declared_as(name).ok_or_else(|| invalid(py, format!("no node is a {name:?}")))
}

pub(super) fn told(diagnostic: &Diagnostic) -> Told {
    let Diagnostic { code, message, path, fix, .. } = diagnostic;
    let path = path.iter().map(|step| (step.label.clone(), step.source.clone())).collect();
    (code.name(), message.clone(), path, fix.clone(), diagnostic.to_string())
}

fn wiring_error(py: Python<'_>, error: &WiringError) -> PyResult<PyErr> {
    let all = |diagnostics: &[Diagnostic]| diagnostics.iter().map(told).collect::<Vec<_>>();
    let arguments = (error.to_string(), all(&error.mistakes), all(&error.warnings)).into_py_any(py)?;
    Ok(PyErr::from_type(class(py, "WiringError")?, arguments))
}
