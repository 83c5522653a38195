//! What a closure may take: values of the graph, ways to them, and what the place it runs in offers.

use std::{marker::PhantomData, ops::Deref, sync::Arc, vec};

use super::{
    driver::{Driver, Origin},
    handle::AppHandle,
    key::{How, TypeKey, Wish},
    lazy::Lazy,
    value::Held,
    work::{Lifecycle, Stop, Supervisor},
};
use crate::lifecycle::NodeId;

/// What a constructor, a decorator or an invoke takes.
#[derive(Debug)]
pub enum InConstructor {}
/// What a hook takes.
#[derive(Debug)]
pub enum InHook {}
/// What a worker takes.
#[derive(Debug)]
pub enum InWorker {}
/// What a listener takes.
#[derive(Debug)]
pub enum InListener {}

/// A type that a closure may take at this place.
///
/// | parameter | is given | where |
/// |---|---|---|
/// | `Arc<T>`, also `Arc<dyn Trait>` | the value | everywhere |
/// | `Option<Arc<T>>` | the value, if something provides it | everywhere |
/// | `Vec<Arc<T>>` | every value of the type, in the order they were declared | everywhere |
/// | [`Lazy<T>`](Lazy) | a way to the value, for later | everywhere |
/// | [`Named<T, N>`](Named) | the value with the name `N` | everywhere |
/// | [`AppHandle`] | the application itself | everywhere |
/// | [`Lifecycle`] | a place to add hooks | constructors and invokes |
/// | [`Stop`], [`Supervisor`] | the wish that it ends; who watches over it | workers |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be injected here",
    note = "take `Arc<T>`, `Option<Arc<T>>`, `Vec<Arc<T>>`, `Lazy<T>`, `Named<T, N>` or `AppHandle`; workers may take `Stop` and \
            `Supervisor`, constructors `Lifecycle`"
)]
pub trait Parameter<Place>: Sized + Send + 'static {
    /// What it takes from the graph.
    #[doc(hidden)]
    fn wish() -> Option<Wish> {
        None
    }

    /// Takes it from what the call was given.
    #[doc(hidden)]
    fn take(given: &mut Given) -> Self;
}

/// What a call is given: its arguments in the order of its wishes, and where it runs.
pub struct Given {
    arguments: vec::IntoIter<Argument>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) origin: Origin,
    pub(crate) run: Option<(Stop, Supervisor)>,
}

/// One argument. Values of aliases are still those of what they stand for.
#[derive(Debug)]
pub(crate) enum Argument {
    Value(NodeId, Held),
    Lazy(NodeId),
    Absent,
}

impl Given {
    pub(crate) fn new(driver: Arc<Driver>, origin: Origin, arguments: Vec<Argument>) -> Self {
        Self { arguments: arguments.into_iter(), driver, origin, run: None }
    }

    /// Leaves out what another call takes.
    pub(crate) fn skip(&mut self, wishes: usize) {
        for _ in 0..wishes {
            self.arguments.next();
        }
    }

    fn value(&mut self) -> Option<Held> {
        match self.arguments.next()? {
            Argument::Value(node, held) => Some(self.driver.blueprint.adapt(node, held)),
            Argument::Lazy(_) | Argument::Absent => None,
        }
    }

    fn required(&mut self) -> Held {
        self.value().unwrap_or_else(|| unreachable!("the graph meets every wish that is not optional"))
    }

    fn handle(&self) -> AppHandle {
        AppHandle::new(Arc::clone(&self.driver), self.origin)
    }
}

impl<P, T: ?Sized + Send + Sync + 'static> Parameter<P> for Arc<T> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::of::<T>(), how: How::One })
    }

    fn take(given: &mut Given) -> Self {
        given.required().get()
    }
}

impl<P, T: ?Sized + Send + Sync + 'static> Parameter<P> for Option<Arc<T>> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::of::<T>(), how: How::Optional })
    }

    fn take(given: &mut Given) -> Self {
        given.value().map(|held| held.get())
    }
}

impl<P, T: ?Sized + Send + Sync + 'static> Parameter<P> for Vec<Arc<T>> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::all_of::<T>(), how: How::All(TypeKey::of::<T>()) })
    }

    fn take(given: &mut Given) -> Self {
        given.required().all()
    }
}

impl<P, T: ?Sized + Send + Sync + 'static> Parameter<P> for Lazy<T> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::of::<T>(), how: How::Lazily })
    }

    fn take(given: &mut Given) -> Self {
        match given.arguments.next() {
            Some(Argument::Lazy(node)) => Self::new(Arc::clone(&given.driver), given.origin, node),
            _ => unreachable!("the graph meets every wish that is not optional"),
        }
    }
}

/// A value with a name, for several values of one type.
///
/// The name is a type that needs to be nothing else. It says at the provider's and at the taker's end which value is meant.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// use hostloop::app::{Named, construct, provide, supply};
///
/// struct Pool(&'static str);
/// struct Primary;
/// struct Replica;
/// struct Reports(Arc<Pool>);
///
/// let app = hostloop::App::builder()
///     .add(supply(Pool("primary:5432")).named::<Primary>())
///     .add(supply(Pool("replica:5432")).named::<Replica>())
///     .construct(|pool: Named<Pool, Replica>| Reports(pool.into_inner()))
///     .build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
pub struct Named<T: ?Sized, N> {
    value: Arc<T>,
    name: PhantomData<fn() -> N>,
}

impl<T: ?Sized, N> Named<T, N> {
    /// Returns the value.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.value
    }
}

impl<T: ?Sized, N> Deref for Named<T, N> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.value
    }
}

impl<P, T: ?Sized + Send + Sync + 'static, N: 'static> Parameter<P> for Named<T, N> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::of::<T>().named::<N>(), how: How::One })
    }

    fn take(given: &mut Given) -> Self {
        Self { value: given.required().get(), name: PhantomData }
    }
}

impl<P, T: ?Sized + Send + Sync + 'static, N: 'static> Parameter<P> for Option<Named<T, N>> {
    fn wish() -> Option<Wish> {
        Some(Wish { key: TypeKey::of::<T>().named::<N>(), how: How::Optional })
    }

    fn take(given: &mut Given) -> Self {
        given.value().map(|held| Named { value: held.get(), name: PhantomData })
    }
}

impl<P> Parameter<P> for AppHandle {
    fn take(given: &mut Given) -> Self {
        given.handle()
    }
}

impl Parameter<InConstructor> for Lifecycle {
    fn take(given: &mut Given) -> Self {
        Self::new(Arc::clone(&given.driver), given.origin)
    }
}

impl Parameter<InWorker> for Stop {
    fn take(given: &mut Given) -> Self {
        given.run.as_ref().map(|(stop, _)| stop.clone()).unwrap_or_else(|| unreachable!("a worker has a stop"))
    }
}

impl Parameter<InWorker> for Supervisor {
    fn take(given: &mut Given) -> Self {
        given.run.as_ref().map(|(_, supervisor)| supervisor.clone()).unwrap_or_else(|| unreachable!("a worker has a supervisor"))
    }
}
