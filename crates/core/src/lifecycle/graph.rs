//! The graph as the host declares it: nodes, and what each needs by key.
//!
//! Nothing is checked here but that ids are of this graph; [`Graph::seal`] reports every mistake at once.

use std::time::Duration;

use super::worker::Policy;

/// What a node provides and another needs: a type, or a type with a name. The host decides when two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(crate) u32);

/// A node of one graph, in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

/// A group of nodes. What is private in it is seen by itself and by the modules inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub(crate) u32);

impl ModuleId {
    /// The module that every other is in.
    pub const ROOT: Self = Self(0);
}

impl NodeId {
    /// Returns the place in the order of declaration, for tables of the host's.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Makes an id from a place in the order of declaration.
    #[must_use]
    pub fn new(index: usize) -> Self {
        Self(index as u32)
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeKind {
    /// A value that is ready.
    Value,
    /// A value that comes with its scope, such as the request that a handler answers.
    Context,
    /// A call that makes a value.
    Factory,
    /// A call that makes a value and takes it back.
    Resource,
    /// Another key for a value.
    Alias,
    /// All values of a key, in the order of declaration.
    Collection,
    /// A call that wraps the value of a key.
    Decorator,
    /// A call that is made once, when all is built.
    Invoke,
    /// A pair of calls that are made at the start and at the stop.
    Hook,
    /// A call that runs until the stop, supervised.
    Worker,
    /// What takes requests, from the end of the start to the beginning of the stop.
    Listener,
    /// What answers a request: a root of its scope.
    Handler,
}

impl NodeKind {
    /// Returns whether nodes are built for its sake.
    #[must_use]
    pub fn is_root(self) -> bool {
        matches!(self, Self::Invoke | Self::Hook | Self::Worker | Self::Listener | Self::Handler)
    }

    /// Returns the kind that a host declares by this word: the others than aliases and collections, which have calls of their own.
    #[must_use]
    pub fn declared_as(name: &str) -> Option<Self> {
        const DECLARED: [NodeKind; 10] = [
            NodeKind::Value,
            NodeKind::Context,
            NodeKind::Factory,
            NodeKind::Resource,
            NodeKind::Decorator,
            NodeKind::Invoke,
            NodeKind::Hook,
            NodeKind::Worker,
            NodeKind::Listener,
            NodeKind::Handler,
        ];
        DECLARED.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the word for it in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Context => "context",
            Self::Factory => "factory",
            Self::Resource => "resource",
            Self::Alias => "alias",
            Self::Collection => "collection",
            Self::Decorator => "decorator",
            Self::Invoke => "invoke",
            Self::Hook => "hook",
            Self::Worker => "worker",
            Self::Listener => "listener",
            Self::Handler => "handler",
        }
    }
}

/// How long a value lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the scope of this name; made once in it.
    Scope(String),
    /// As long as who asked for it, and made anew for each who asks.
    Transient,
    /// As long as what it is made of: aliases, collections, decorators.
    Inherited,
}

impl Lifetime {
    /// The lifetime of the application.
    #[must_use]
    pub fn app() -> Self {
        Self::Scope("app".into())
    }

    /// Returns the lifetime that a host declares by this word: `transient`, `inherited`, or a scope's name.
    #[must_use]
    pub fn declared_as(word: &str) -> Self {
        match word {
            "transient" => Self::Transient,
            "inherited" => Self::Inherited,
            scope => Self::Scope(scope.into()),
        }
    }
}

/// One thing that a node needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub(crate) parameter: String,
    pub(crate) target: Target,
    pub(crate) is_optional: bool,
    pub(crate) is_lazy: bool,
    pub(crate) members: Option<Members>,
}

/// What a need is met by if nothing provides its key: all values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Members {
    pub(crate) key: Key,
    pub(crate) is_soft: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Key(Key),
    Node(NodeId),
}

impl Need {
    /// Needs the value of a key, for a parameter of this name.
    #[must_use]
    pub fn key(parameter: impl Into<String>, key: Key) -> Self {
        Self { parameter: parameter.into(), target: Target::Key(key), is_optional: false, is_lazy: false, members: None }
    }

    /// Needs the value of one node.
    #[must_use]
    pub fn node(parameter: impl Into<String>, node: NodeId) -> Self {
        Self { target: Target::Node(node), ..Self::key(parameter, Key(0)) }
    }

    /// Does without, if nothing provides it.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// Asks for it later: it takes no part in the order, and breaks cycles.
    #[must_use]
    pub fn lazy(self) -> Self {
        Self { is_lazy: true, ..self }
    }

    /// Takes all values of `member` if nothing provides the key itself. A soft collection has nothing built for its sake.
    #[must_use]
    pub fn collecting(self, member: Key, is_soft: bool) -> Self {
        Self { members: Some(Members { key: member, is_soft }), ..self }
    }
}

/// A node as it is declared.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) provides: Option<Key>,
    pub(crate) lifetime: Lifetime,
    pub(crate) module: ModuleId,
    pub(crate) is_private: bool,
    pub(crate) is_async: bool,
    pub(crate) is_sync_only: bool,
    pub(crate) is_override: bool,
    pub(crate) is_optional: bool,
    pub(crate) needs: Vec<Need>,
    pub(crate) after: Vec<NodeId>,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Option<Duration>,
    pub(crate) policy: Policy,
}

impl Node {
    /// Makes a node of the root module that lives as long as the application. `source` is where the user wrote it.
    #[must_use]
    pub fn new(kind: NodeKind, label: impl Into<String>, source: impl Into<String>) -> Self {
        let lifetime = match kind {
            NodeKind::Alias | NodeKind::Collection | NodeKind::Decorator => Lifetime::Inherited,
            _ => Lifetime::app(),
        };
        Self {
            kind,
            label: label.into(),
            source: source.into(),
            provides: None,
            lifetime,
            module: ModuleId::ROOT,
            is_private: false,
            is_async: false,
            is_sync_only: false,
            is_override: false,
            is_optional: false,
            needs: Vec::new(),
            after: Vec::new(),
            start_timeout: None,
            stop_timeout: None,
            policy: Policy::default(),
        }
    }

    /// Provides this key.
    #[must_use]
    pub fn provides(self, key: Key) -> Self {
        Self { provides: Some(key), ..self }
    }

    /// Lives this long.
    #[must_use]
    pub fn lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Is of this module, and seen from outside unless it is private.
    #[must_use]
    pub fn module(self, module: ModuleId, is_private: bool) -> Self {
        Self { module, is_private, ..self }
    }

    /// Can only be called by who may wait.
    #[must_use]
    pub fn asynchronous(self) -> Self {
        Self { is_async: true, ..self }
    }

    /// Cannot wait: what it needs must be made without waiting.
    #[must_use]
    pub fn sync_only(self) -> Self {
        Self { is_sync_only: true, ..self }
    }

    /// Takes the place of every provider of its key, and of their decorators.
    #[must_use]
    pub fn overriding(self) -> Self {
        Self { is_override: true, ..self }
    }

    /// May stay unused without a warning: the library declares it, not the user.
    #[must_use]
    pub fn built_in(self) -> Self {
        Self { is_optional: true, ..self }
    }

    /// Needs these, in the order of its parameters.
    #[must_use]
    pub fn needs(self, needs: impl IntoIterator<Item = Need>) -> Self {
        Self { needs: needs.into_iter().collect(), ..self }
    }

    /// Starts after these hooks or workers, and stops before them.
    #[must_use]
    pub fn after(self, others: impl IntoIterator<Item = NodeId>) -> Self {
        Self { after: others.into_iter().collect(), ..self }
    }

    /// May take this long to be made or started, and to be taken back or stopped. `None` is as long as the whole may.
    #[must_use]
    pub fn timeouts(self, start: Option<Duration>, stop: Option<Duration>) -> Self {
        Self { start_timeout: start, stop_timeout: stop, ..self }
    }

    /// Supervises the worker in this way.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct KeyInfo {
    pub(crate) label: String,
    /// The key that this is a named variant of.
    pub(crate) base: Option<Key>,
    pub(crate) name: Option<String>,
    /// Keys that a value of this one could be given for.
    pub(crate) conforms_to: Vec<Key>,
}

#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<ModuleId>,
}

/// A graph under construction.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) scopes: Vec<String>,
    pub(crate) keys: Vec<KeyInfo>,
    pub(crate) modules: Vec<Module>,
    pub(crate) nodes: Vec<Node>,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new(["app", "request"])
    }
}

impl Graph {
    /// Makes a graph with these scopes, from the longest to the shortest: `app`, user-defined ones, `request`.
    #[must_use]
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            scopes: scopes.into_iter().map(Into::into).collect(),
            keys: Vec::new(),
            modules: vec![Module { name: "app".into(), parent: None }],
            nodes: Vec::new(),
        }
    }

    /// Makes a key. The label is what texts call it.
    pub fn key(&mut self, label: impl Into<String>) -> Key {
        self.keys.push(KeyInfo { label: label.into(), base: None, name: None, conforms_to: Vec::new() });
        Key(self.keys.len() as u32 - 1)
    }

    /// Makes a key for values of `base` that have this name.
    pub fn named(&mut self, base: Key, name: impl Into<String>) -> Key {
        let name = name.into();
        let key = self.key(format!("{} named \"{name}\"", self.keys[base.0 as usize].label));
        let info = &mut self.keys[key.0 as usize];
        (info.base, info.name) = (Some(base), Some(name));
        key
    }

    /// Notes that a value of `key` could be given where `to` is needed, for the texts of errors.
    pub fn conforms(&mut self, key: Key, to: Key) {
        self.keys[key.0 as usize].conforms_to.push(to);
    }

    /// Makes a module inside another.
    pub fn module(&mut self, name: impl Into<String>, parent: ModuleId) -> ModuleId {
        self.modules.push(Module { name: name.into(), parent: Some(parent) });
        ModuleId(self.modules.len() as u32 - 1)
    }

    /// Adds a node.
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Adds another key for what a node provides.
    pub fn alias(&mut self, key: Key, target: NodeId) -> NodeId {
        let Node { module, is_private, is_override, .. } = self.nodes[target.index()];
        let (label, source) = (self.keys[key.0 as usize].label.clone(), self.nodes[target.index()].source.clone());
        let mut alias = Node::new(NodeKind::Alias, label, source).provides(key).module(module, is_private);
        alias.is_override = is_override;
        alias.is_optional = true;
        self.add(alias.needs([Need::node("", target)]))
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node.index()]
    }

    pub(crate) fn key_label(&self, key: Key) -> &str {
        &self.keys[key.0 as usize].label
    }

    /// Returns whether `inner` is `outer` or is inside it.
    pub(crate) fn is_within(&self, inner: ModuleId, outer: ModuleId) -> bool {
        self.ancestry(inner).any(|module| module == outer)
    }

    /// A module and those around it, from the inside to the outside.
    pub(crate) fn ancestry(&self, module: ModuleId) -> impl Iterator<Item = ModuleId> {
        std::iter::successors(Some(module), |module| self.modules[module.0 as usize].parent)
    }
}
