//! The functions that make declarations.
//!
//! The builder's methods of the same names add one as it is; [`AppBuilder::add`](super::AppBuilder::add) takes one with settings:
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//! use hostloop::app::{Scope, provide};
//!
//! struct Session;
//!
//! async fn session() -> Result<Session, Infallible> {
//!     Ok(Session)
//! }
//!
//! let app = hostloop::App::builder()
//!     .add(provide(session).scope(Scope::Request).timeout(Duration::from_secs(1)))
//!     .build()?;
//! # Ok::<(), hostloop::lifecycle::WiringError>(())
//! ```

use std::{future::Future, sync::Arc};

use super::{
    call::Call,
    declare::{Alias, Context, Declaration, Decorate, Invoke, Listener, Provide, Scope, Supply, Worker},
    driver::Reach,
    error::{BoxError, Ended},
    key::{How, TypeKey, Wish},
    label,
    listening::Listening,
    parameter::{Given, InConstructor, InListener, InWorker},
    recipe::{BoxFuture, Listen, Made, Recipe, make, work},
    resource::Resource,
    value::Held,
};
use crate::lifecycle::{Lifetime, NodeKind, Policy};

/// Gives the application a value that is ready.
#[track_caller]
pub fn supply<T: Send + Sync + 'static>(value: T) -> Supply {
    supply_arc(Arc::new(value))
}

/// Gives the application a value that is shared already, such as an `Arc<dyn Trait>`.
#[track_caller]
pub fn supply_arc<T: ?Sized + Send + Sync + 'static>(value: Arc<T>) -> Supply {
    Supply(Declaration::of::<T>(NodeKind::Value, Vec::new(), Recipe::Value(Held::new(value))))
}

/// Says how to make a value: by an asynchronous call that may fail.
#[track_caller]
pub fn provide<F, A, Fut, T, E>(f: F) -> Provide
where
    F: Call<A, InConstructor, Output = Fut>,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Into<BoxError>,
{
    Provide(Declaration::of::<T>(NodeKind::Factory, F::wishes(), Recipe::Make(make(f, |value| Made::value(Arc::new(value))))))
}

/// Says how to make a value that is shared from the beginning, such as an `Arc<dyn Trait>`.
#[track_caller]
pub fn provide_arc<F, A, Fut, T, E>(f: F) -> Provide
where
    F: Call<A, InConstructor, Output = Fut>,
    Fut: Future<Output = Result<Arc<T>, E>> + Send + 'static,
    T: ?Sized + Send + Sync + 'static,
    E: Into<BoxError>,
{
    Provide(Declaration::of::<T>(NodeKind::Factory, F::wishes(), Recipe::Make(make(f, Made::value))))
}

/// Says how to make a value by a call that neither waits nor fails: `construct(Links::new)`.
#[track_caller]
pub fn construct<F, A, T>(f: F) -> Provide
where
    F: Call<A, InConstructor, Output = T>,
    T: Send + Sync + 'static,
{
    let make = move |given: &mut Given| -> BoxFuture<Result<Made, BoxError>> {
        let made = Made::value(Arc::new(f.call(given)));
        Box::pin(async { Ok(made) })
    };
    Provide(Declaration::of::<T>(NodeKind::Factory, F::wishes(), Recipe::Make(Arc::new(make))))
}

/// Says how to make a value that is to be taken back. See [`Resource`].
#[track_caller]
pub fn resource<F, A, Fut, T, E>(f: F) -> Provide
where
    F: Call<A, InConstructor, Output = Fut>,
    Fut: Future<Output = Result<Resource<T>, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Into<BoxError>,
{
    Provide(Declaration::of::<T>(NodeKind::Resource, F::wishes(), Recipe::Make(make(f, Resource::into_made))))
}

/// Gives a value under another type too, in general a trait that it implements: `alias(|links: Arc<Links>| links as Arc<dyn Store>)`.
///
/// The closure only converts; the value is the same.
#[track_caller]
pub fn alias<T, U>(convert: impl Fn(Arc<T>) -> Arc<U> + Send + Sync + 'static) -> Alias
where
    T: ?Sized + Send + Sync + 'static,
    U: ?Sized + Send + Sync + 'static,
{
    let wish = Wish { key: TypeKey::of::<T>(), how: How::One };
    let recipe = Recipe::Alias(Arc::new(move |held| Held::new(convert(held.get()))));
    Alias(Declaration::of::<U>(NodeKind::Alias, vec![wish], recipe))
}

/// Wraps a value: the closure takes it, and others if it likes, and what it returns is given in its place.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// use hostloop::app::supply_arc;
///
/// trait Store: Send + Sync {}
/// struct Memory;
/// impl Store for Memory {}
/// struct Cached(Arc<dyn Store>);
/// impl Store for Cached {}
///
/// async fn cached(store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Infallible> {
///     Ok(Arc::new(Cached(store)))
/// }
///
/// let app = hostloop::App::builder().add(supply_arc::<dyn Store>(Arc::new(Memory))).decorate(cached).build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
#[track_caller]
pub fn decorate<F, A, Fut, T, E>(f: F) -> Decorate
where
    F: Call<A, InConstructor, Output = Fut>,
    Fut: Future<Output = Result<Arc<T>, E>> + Send + 'static,
    T: ?Sized + Send + Sync + 'static,
    E: Into<BoxError>,
{
    Decorate(Declaration::of::<T>(NodeKind::Decorator, F::wishes(), Recipe::Make(make(f, Made::value))))
}

/// Says that a value comes with a scope, and is given when it is entered: [`AppHandle::scope`](super::AppHandle::scope).
#[track_caller]
pub fn context<T: Send + Sync + 'static>(scope: Scope) -> Context {
    let mut declared = Declaration::of::<T>(NodeKind::Context, Vec::new(), Recipe::Context);
    declared.lifetime = Some(Lifetime::Scope(scope.name().into()));
    Context(declared)
}

/// Makes a call once, when all is built and before anything starts.
#[track_caller]
pub fn invoke<F, A, Fut>(f: F) -> Invoke
where
    F: Call<A, InConstructor, Output = Fut>,
    Fut: Future<Output: Ended> + Send + 'static,
{
    let work = work(f);
    let make = move |given: &mut Given| -> BoxFuture<Result<Made, BoxError>> {
        let done = work(given);
        Box::pin(async move { done.await.map(|()| Made::value(Arc::new(()))) })
    };
    let name = label::of_function::<F>().unwrap_or_else(|| "invoke".into());
    Invoke(Declaration::new(NodeKind::Invoke, name, F::wishes(), Recipe::Make(Arc::new(make))))
}

/// Runs a call until the application stops, and again after a failure, as the policy says.
///
/// The policy is a [`Restart`](crate::lifecycle::Restart) or a whole [`Policy`]. The call may take [`Stop`](super::Stop) and [`Supervisor`](super::Supervisor).
#[track_caller]
pub fn worker<F, A, Fut>(name: impl Into<String>, policy: impl Into<Policy>, f: F) -> Worker
where
    F: Call<A, InWorker, Output = Fut>,
    Fut: Future<Output: Ended> + Send + 'static,
{
    let mut declared = Declaration::new(NodeKind::Worker, name, F::wishes(), Recipe::Worker(work(f)));
    declared.policy = policy.into();
    Worker(declared)
}

/// Takes requests in a way of the user's own. HTTP is [`http`](super::http::http).
///
/// The call begins to take requests when all else is up; what it returns says how that ends. [`App::test`](super::App::test) leaves it out:
/// it would bind a port.
#[track_caller]
pub fn listener<F, A, Fut, E>(name: impl Into<String>, f: F) -> Listener
where
    F: Call<A, InListener, Output = Fut>,
    Fut: Future<Output = Result<Listening, E>> + Send + 'static,
    E: Into<BoxError>,
{
    let listen = move |given: &mut Given| -> BoxFuture<Result<Listening, BoxError>> {
        if given.driver.reach == Reach::Memory {
            return Box::pin(async { Ok(Listening::new(|_| async {})) });
        }
        let listening = f.call(given);
        Box::pin(async move { listening.await.map_err(Into::into) })
    };
    listener_labelled(name.into(), F::wishes(), Arc::new(listen))
}

#[track_caller]
pub(crate) fn listener_labelled(label: String, wishes: Vec<Wish>, listen: Listen) -> Listener {
    Listener(Declaration::new(NodeKind::Listener, label, wishes, Recipe::Listener(listen)))
}
