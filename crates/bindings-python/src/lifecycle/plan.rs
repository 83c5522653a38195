//! The plan as it was checked, handed over once in whole.

use std::sync::Arc;

use hostloop::lifecycle::{Dep, Explanation, Key, NodeId, Plan as Inner};
use pyo3::{IntoPyObjectExt, prelude::*};

use super::graph::{Told, told};
use crate::errors::{class, invalid};

/// A checked graph.
#[pyclass(frozen, module = "hostloop._core")]
pub(crate) struct Plan {
    pub(super) inner: Arc<Inner>,
    keys: Vec<Key>,
}

/// A node: kind, label, source, depth, whether it is transient, asynchronous, reached, replaced, its level, and what its needs are
/// met by: a node's number, `-1 - number` if lazily, or None.
type Row = (&'static str, String, String, usize, bool, bool, bool, bool, usize, Vec<Option<isize>>);

impl Plan {
    pub(super) fn new(inner: Arc<Inner>, keys: Vec<Key>) -> Self {
        Self { inner, keys }
    }

    fn row(&self, node: NodeId) -> Row {
        let plan = &self.inner;
        (
            plan.kind(node).name(),
            plan.label(node).to_owned(),
            plan.source(node).to_owned(),
            plan.depth(node),
            plan.is_transient(node),
            plan.is_async(node),
            plan.is_reached(node),
            plan.is_replaced(node),
            plan.level(node),
            plan.deps(node).iter().copied().map(dep).collect(),
        )
    }

    fn key(&self, py: Python<'_>, key: usize) -> PyResult<Key> {
        self.keys.get(key).copied().ok_or_else(|| invalid(py, format!("the plan has no key {key}")))
    }
}

#[pymethods]
impl Plan {
    /// Every node, by its number. Collections that were needed stand after those that were declared.
    fn nodes(&self) -> Vec<Row> {
        self.inner.nodes().map(|node| self.row(node)).collect()
    }

    /// The numbers of the nodes, each after what it needs.
    fn order(&self) -> Vec<usize> {
        self.inner.order().iter().map(|node| node.index()).collect()
    }

    /// What is odd about the graph.
    fn warnings(&self) -> Vec<Told> {
        self.inner.warnings().iter().map(told).collect()
    }

    /// The node that a key gives to the root module. Raises NotProvidedError, which says what to do.
    fn find(&self, py: Python<'_>, key: usize) -> PyResult<usize> {
        match self.inner.find(self.key(py, key)?) {
            Ok(node) => Ok(node.index()),
            Err(message) => Err(PyErr::from_type(class(py, "NotProvidedError")?, (message,))),
        }
    }

    /// All nodes of a key that the root module sees.
    fn find_all(&self, py: Python<'_>, key: usize) -> PyResult<Vec<usize>> {
        Ok(self.inner.find_all(self.key(py, key)?).into_iter().map(NodeId::index).collect())
    }

    /// The graph before it runs, as `json`, `dot`, `mermaid` or `html`.
    fn explain(&self, py: Python<'_>, format: &str) -> PyResult<Py<PyAny>> {
        written(py, &self.inner.explain(), format)
    }
}

fn dep(dep: Dep) -> Option<isize> {
    match dep {
        Dep::Node(node) => Some(node.index() as isize),
        Dep::Lazy(node) => Some(-1 - node.index() as isize),
        Dep::Absent => None,
    }
}

/// Writes a picture in one of its languages.
pub(super) fn written(py: Python<'_>, explanation: &Explanation, format: &str) -> PyResult<Py<PyAny>> {
    match format {
        "json" => explanation.to_json().to_string(),
        "dot" => explanation.to_dot(),
        "mermaid" => explanation.to_mermaid(),
        "html" => explanation.to_html(),
        other => {
            return Err(invalid(py, format!("explain has the format {other:?}; use \"json\", \"dot\", \"mermaid\" or \"html\"")));
        }
    }
    .into_py_any(py)
}
