//! The builder: a list of declarations, and what is made of it.

use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use super::{
    application::App,
    blueprint::Wiring,
    call::Call,
    declare::{Declaration, Hook, Scope},
    error::{BoxError, Ended},
    http::{Http, Service, http},
    listening::Listening,
    parameter::{InConstructor, InListener, InWorker},
    resource::Resource,
    verbs::{alias, construct, context, decorate, invoke, listener, provide, provide_arc, resource, supply, supply_arc, worker},
};
use crate::lifecycle::{Options, Policy, WiringError};

/// Declarations in the order they were added.
#[derive(Clone, Default)]
pub(crate) struct Entries(pub(crate) Vec<Entry>);

#[derive(Clone)]
pub(crate) enum Entry {
    One(Box<Declaration>),
    Module(String, Entries),
}

/// Collects what an application is made of. Made by [`App::builder`].
#[derive(Clone)]
#[must_use = "nothing runs before `build` and `run`"]
pub struct AppBuilder {
    entries: Entries,
    options: Options,
    scopes: Vec<String>,
}

/// A group of declarations with a name. What is [private](super::Provide::private) in it is seen by itself and by the modules inside it.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// use hostloop::app::{Module, supply};
///
/// struct Pool;
/// struct Links(Arc<Pool>);
///
/// let storage = Module::new("storage").add(supply(Pool).private()).construct(|pool: Arc<Pool>| Links(pool));
/// let app = hostloop::App::builder().module(storage).build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
#[derive(Clone)]
#[must_use = "it is part of an application once it is added"]
pub struct Module {
    name: String,
    entries: Entries,
}

macro_rules! declarations {
    () => {
        /// Adds a declaration with settings of its own, such as `provide(session).scope(Scope::Request)`.
        #[allow(clippy::should_implement_trait, reason = "nothing is summed up")]
        pub fn add(mut self, declaration: impl Into<Declaration>) -> Self {
            self.entries.0.push(Entry::One(Box::new(declaration.into())));
            self
        }

        /// Adds a module.
        pub fn module(mut self, module: Module) -> Self {
            self.entries.0.push(Entry::Module(module.name, module.entries));
            self
        }

        /// Adds a value that is ready: it is given wherever an `Arc<T>` is taken.
        #[track_caller]
        pub fn supply<T: Send + Sync + 'static>(self, value: T) -> Self {
            self.add(supply(value))
        }

        /// Adds a value that is shared already, such as an `Arc<dyn Trait>`.
        #[track_caller]
        pub fn supply_arc<T: ?Sized + Send + Sync + 'static>(self, value: Arc<T>) -> Self {
            self.add(supply_arc(value))
        }

        /// Says how to make a value: by an asynchronous call that may fail. It is called once, if something needs the value.
        #[track_caller]
        pub fn provide<F, A, Fut, T, E>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = Fut>,
            Fut: Future<Output = Result<T, E>> + Send + 'static,
            T: Send + Sync + 'static,
            E: Into<BoxError>,
        {
            self.add(provide(f))
        }

        /// Says how to make a value that is shared from the beginning, such as an `Arc<dyn Trait>`.
        #[track_caller]
        pub fn provide_arc<F, A, Fut, T, E>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = Fut>,
            Fut: Future<Output = Result<Arc<T>, E>> + Send + 'static,
            T: ?Sized + Send + Sync + 'static,
            E: Into<BoxError>,
        {
            self.add(provide_arc(f))
        }

        /// Says how to make a value by a call that neither waits nor fails: `construct(Links::new)`.
        #[track_caller]
        pub fn construct<F, A, T>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = T>,
            T: Send + Sync + 'static,
        {
            self.add(construct(f))
        }

        /// Says how to make a value that is to be taken back. See [`Resource`].
        #[track_caller]
        pub fn resource<F, A, Fut, T, E>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = Fut>,
            Fut: Future<Output = Result<Resource<T>, E>> + Send + 'static,
            T: Send + Sync + 'static,
            E: Into<BoxError>,
        {
            self.add(resource(f))
        }

        /// Gives a value under another type too, in general a trait: `alias(|links: Arc<Links>| links as Arc<dyn Store>)`.
        #[track_caller]
        pub fn alias<T, U>(self, convert: impl Fn(Arc<T>) -> Arc<U> + Send + Sync + 'static) -> Self
        where
            T: ?Sized + Send + Sync + 'static,
            U: ?Sized + Send + Sync + 'static,
        {
            self.add(alias(convert))
        }

        /// Wraps a value: the closure takes it, and what it returns is given in its place. See [`decorate`].
        #[track_caller]
        pub fn decorate<F, A, Fut, T, E>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = Fut>,
            Fut: Future<Output = Result<Arc<T>, E>> + Send + 'static,
            T: ?Sized + Send + Sync + 'static,
            E: Into<BoxError>,
        {
            self.add(decorate(f))
        }

        /// Says that a value comes with a scope, and is given when it is entered.
        #[track_caller]
        pub fn context<T: Send + Sync + 'static>(self, scope: Scope) -> Self {
            self.add(context::<T>(scope))
        }

        /// Makes a call once, when all is built and before anything starts.
        #[track_caller]
        pub fn invoke<F, A, Fut>(self, f: F) -> Self
        where
            F: Call<A, InConstructor, Output = Fut>,
            Fut: Future<Output: Ended> + Send + 'static,
        {
            self.add(invoke(f))
        }

        /// Adds calls that are made at the start and at the stop.
        pub fn hook(self, hook: Hook) -> Self {
            self.add(hook)
        }

        /// Runs a call until the application stops, and again after a failure, as the policy says: a
        /// [`Restart`](crate::lifecycle::Restart) or a whole [`Policy`].
        #[track_caller]
        pub fn worker<F, A, Fut>(self, name: impl Into<String>, policy: impl Into<Policy>, f: F) -> Self
        where
            F: Call<A, InWorker, Output = Fut>,
            Fut: Future<Output: Ended> + Send + 'static,
        {
            self.add(worker(name, policy, f))
        }

        /// Serves HTTP with a [`tower`](https://docs.rs/tower) service, such as an axum `Router`. The closure makes it of what it takes.
        #[track_caller]
        pub fn http<F, A, S>(self, at: impl Into<Http>, f: F) -> Self
        where
            F: Call<A, InListener, Output = S>,
            S: Service,
        {
            self.add(http(at, f))
        }

        /// Takes requests in a way of the user's own. See [`listener`].
        #[track_caller]
        pub fn listener<F, A, Fut, E>(self, name: impl Into<String>, f: F) -> Self
        where
            F: Call<A, InListener, Output = Fut>,
            Fut: Future<Output = Result<Listening, E>> + Send + 'static,
            E: Into<BoxError>,
        {
            self.add(listener(name, f))
        }
    };
}

impl Module {
    /// Makes an empty module.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), entries: Entries::default() }
    }

    declarations!();
}

impl AppBuilder {
    pub(crate) fn new() -> Self {
        // So that the instances of a service do not all try again at the same moments.
        let seed = RandomState::new().build_hasher().finish();
        Self::with(Options { seed, ..Options::default() }, vec!["app".into(), "request".into()])
    }

    pub(crate) fn with(options: Options, scopes: Vec<String>) -> Self {
        Self { entries: Entries::default(), options, scopes }
    }

    /// Changes settings of the whole: `options(|options| options.stop_timeout = None)`.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Puts scopes between the application's and the request's, from the longest to the shortest. Default: none.
    pub fn scopes<S: Into<String>>(mut self, between: impl IntoIterator<Item = S>) -> Self {
        let between = between.into_iter().map(Into::into);
        self.scopes = std::iter::once("app".into()).chain(between).chain(["request".into()]).collect();
        self
    }

    declarations!();

    /// Checks the whole, without calling anything of it.
    ///
    /// # Errors
    ///
    /// Every mistake in the wiring, each with the way to it, the place it was written at and the fix.
    pub fn build(self) -> Result<App, WiringError> {
        self.build_on(Wiring::new(), false)
    }

    pub(crate) fn build_on(self, mut wiring: Wiring, is_override: bool) -> Result<App, WiringError> {
        wiring.set_scopes(self.scopes);
        let found = wiring.add(&self.entries, is_override);
        App::sealed(wiring, self.options, found)
    }
}

impl std::fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppBuilder").field("declarations", &self.entries.0.len()).field("scopes", &self.scopes).finish()
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("name", &self.name).field("declarations", &self.entries.0.len()).finish()
    }
}
