//! What a value is known by: its type, and its name if it has one.

use std::{
    any::TypeId,
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::label;
use crate::lifecycle::{Graph, Key, Need};

/// The type of a value, as it is shared, and the type that names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeKey {
    id: TypeId,
    label: fn() -> String,
    name: Option<(TypeId, fn() -> String)>,
}

impl TypeKey {
    /// The key of an `Arc<T>`.
    pub(crate) fn of<T: ?Sized + 'static>() -> Self {
        Self { id: TypeId::of::<Arc<T>>(), label: label::of_type::<T>, name: None }
    }

    /// The key of all values of a type.
    pub(crate) fn all_of<T: ?Sized + 'static>() -> Self {
        Self { id: TypeId::of::<Vec<Arc<T>>>(), label: label::of_type::<Vec<Arc<T>>>, name: None }
    }

    /// The same type under the name `N`.
    pub(crate) fn named<N: 'static>(self) -> Self {
        Self { name: Some((TypeId::of::<N>(), label::of_type::<N>)), ..self }
    }

    pub(crate) fn label(&self) -> String {
        match self.name {
            None => (self.label)(),
            Some((_, name)) => format!("{} named \"{}\"", (self.label)(), name()),
        }
    }

    fn identity(&self) -> (TypeId, Option<TypeId>) {
        (self.id, self.name.map(|(id, _)| id))
    }
}

impl PartialEq for TypeKey {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for TypeKey {}

impl Hash for TypeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// One thing that a call takes from the graph.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub(crate) key: TypeKey,
    pub(crate) how: How,
}

/// What a wish is met by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// The one value.
    One,
    /// The one value, or nothing.
    Optional,
    /// Every value of another key.
    All(TypeKey),
    /// A way to the value.
    Lazily,
}

/// The keys of a graph by the types they stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(HashMap<TypeKey, Key>);

impl Keys {
    pub(crate) fn find(&self, key: TypeKey) -> Option<Key> {
        self.0.get(&key).copied()
    }

    pub(crate) fn intern(&mut self, graph: &mut Graph, key: TypeKey) -> Key {
        if let Some(known) = self.find(key) {
            return known;
        }
        let made = match key.name {
            None => graph.key(key.label()),
            Some((_, name)) => {
                let base = self.intern(graph, TypeKey { name: None, ..key });
                graph.named(base, name())
            }
        };
        self.0.insert(key, made);
        made
    }

    pub(crate) fn need(&mut self, graph: &mut Graph, wish: Wish) -> Need {
        let need = Need::key("", self.intern(graph, wish.key));
        match wish.how {
            How::One => need,
            How::Optional => need.optional(),
            How::Lazily => need.lazy(),
            How::All(member) => need.collecting(self.intern(graph, member), false),
        }
    }
}
