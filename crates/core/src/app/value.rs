//! Values as the driver keeps them, without their types.

use std::{any::Any, sync::Arc};

/// A value, or all values of a key.
#[derive(Clone)]
pub(crate) enum Held {
    /// What is in it is an `Arc<T>`, so that trait objects are kept like everything else.
    One(Arc<dyn Any + Send + Sync>),
    /// The members of a collection.
    Many(Vec<Held>),
}

impl Held {
    pub(crate) fn new<T: ?Sized + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self::One(Arc::new(value))
    }

    /// The value of this type. The graph has matched the types before.
    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Arc<T> {
        match self {
            Self::One(value) => value.downcast_ref::<Arc<T>>().cloned(),
            Self::Many(_) => None,
        }
        .unwrap_or_else(|| unreachable!("the graph gives every call values of the types it takes"))
    }

    /// All members, each of this type.
    pub(crate) fn all<T: ?Sized + Send + Sync + 'static>(&self) -> Vec<Arc<T>> {
        match self {
            Self::Many(members) => members.iter().map(Self::get).collect(),
            Self::One(_) => vec![self.get()],
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(_) => f.write_str("One(..)"),
            Self::Many(members) => f.debug_tuple("Many").field(&members.len()).finish(),
        }
    }
}
