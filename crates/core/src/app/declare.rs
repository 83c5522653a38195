//! Declarations: what an application is made of, each a value that can be changed before it is added.

use std::{future::Future, panic::Location, path::PathBuf, time::Duration};

use super::{
    call::Call,
    error::{AppError, Ended},
    key::{TypeKey, Wish},
    label,
    parameter::InHook,
    recipe::{HookCalls, Recipe, work},
};
use crate::lifecycle::{AddedHook, Lifetime, NodeKind, Policy, Restart};

/// How long a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// As long as the application.
    App,
    /// As long as a request.
    Request,
    /// As long as a scope of the user's, which [`AppBuilder::scopes`](super::AppBuilder::scopes) names.
    Named(&'static str),
}

impl Scope {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Request => "request",
            Self::Named(name) => name,
        }
    }
}

/// Anything that can be added to an application or a module.
#[derive(Clone)]
pub struct Declaration {
    pub(crate) kind: NodeKind,
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) provides: Option<TypeKey>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) lifetime: Option<Lifetime>,
    pub(crate) is_private: bool,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) stop_timeout: Option<Duration>,
    pub(crate) after: Vec<String>,
    pub(crate) policy: Policy,
    /// Files and folders that it is made anew for.
    pub(crate) watched: Vec<PathBuf>,
    pub(crate) recipe: Recipe,
}

impl Declaration {
    #[track_caller]
    pub(super) fn new(kind: NodeKind, label: impl Into<String>, wishes: Vec<Wish>, recipe: Recipe) -> Self {
        Self {
            kind,
            label: label.into(),
            source: label::place(Location::caller()),
            provides: None,
            wishes,
            lifetime: None,
            is_private: false,
            start_timeout: None,
            stop_timeout: None,
            after: Vec::new(),
            policy: Policy::default(),
            watched: Vec::new(),
            recipe,
        }
    }

    #[track_caller]
    pub(super) fn of<T: ?Sized + 'static>(kind: NodeKind, wishes: Vec<Wish>, recipe: Recipe) -> Self {
        Self { provides: Some(TypeKey::of::<T>()), ..Self::new(kind, label::of_type::<T>(), wishes, recipe) }
    }

    fn named<N: 'static>(&mut self) {
        self.provides = self.provides.map(TypeKey::named::<N>);
        self.label = self.provides.map(|key| key.label()).unwrap_or_default();
    }
}

macro_rules! declaration {
    ($(#[$doc:meta])* $name:ident { $($modifier:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone)]
        #[must_use = "it is part of an application once it is added"]
        pub struct $name(pub(super) Declaration);

        impl From<$name> for Declaration {
            fn from(declared: $name) -> Self {
                declared.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0.label).field(&self.0.source).finish()
            }
        }

        impl $name {
            $(declaration!(@ $modifier);)*
        }
    };
    (@ named) => {
        /// Gives it the name `N`: it is given for [`Named<T, N>`](super::Named), and not for `Arc<T>`.
        pub fn named<N: 'static>(mut self) -> Self {
            self.0.named::<N>();
            self
        }
    };
    (@ private) => {
        /// Hides it from what is outside its module.
        pub fn private(mut self) -> Self {
            self.0.is_private = true;
            self
        }
    };
    (@ scope) => {
        /// Has it made once in each scope of this name. Default: once in the application.
        pub fn scope(mut self, scope: Scope) -> Self {
            self.0.lifetime = Some(Lifetime::Scope(scope.name().into()));
            self
        }
    };
    (@ transient) => {
        /// Has it made anew for each that takes it.
        pub fn transient(mut self) -> Self {
            self.0.lifetime = Some(Lifetime::Transient);
            self
        }
    };
    (@ timeout) => {
        /// May take this long. Default: [`Options::step_timeout`](crate::lifecycle::Options).
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.0.start_timeout = Some(timeout);
            self
        }
    };
    (@ stop_timeout) => {
        /// May take this long to stop or to be taken back. Default: [`Options::stop_step_timeout`](crate::lifecycle::Options).
        pub fn stop_timeout(mut self, timeout: Duration) -> Self {
            self.0.stop_timeout = Some(timeout);
            self
        }
    };
    (@ watch) => {
        /// Has it made anew when this file changes, or anything in this folder, as [`AppHandle::reload`](super::AppHandle::reload) does: with
        /// all that holds it. May be given several times. Default: it is made once.
        ///
        /// Changes that come together are one, and count when nothing has changed for a tenth of a second, or after a second at the
        /// latest. A file may be written anew, replaced by another of its name, or be a link to one, as may the folder that it is in; see
        /// [`Watcher`](crate::Watcher). If the new value cannot be made, the old one stays and the log says why.
        ///
        /// ```
        /// use std::{io, sync::Arc};
        /// use hostloop::{App, app::provide};
        ///
        /// struct Banner(String);
        ///
        /// async fn banner() -> io::Result<Banner> {
        ///     std::fs::read_to_string("banner.txt").map(Banner)
        /// }
        ///
        /// let app = App::builder()
        ///     .add(provide(banner).watch("banner.txt"))
        ///     .worker("crier", hostloop::Restart::OnFailure, |banner: Arc<Banner>| async move { println!("{}", banner.0) })
        ///     .build()?;
        /// # Ok::<(), hostloop::lifecycle::WiringError>(())
        /// ```
        ///
        /// A relative path is found from the folder that the process is in when the application starts. One that does not exist then
        /// is an error of the start. A value that changes its own file when it is made is made anew each time: the log warns of it, and the
        /// waits grow up to ten seconds. What a listener holds cannot be made anew while it takes requests, which
        /// [`AppBuilder::build`](super::AppBuilder::build) tells: have the service ask for it with [`Lazy<T>`](super::Lazy).
        #[cfg(feature = "watch")]
        pub fn watch(mut self, path: impl Into<PathBuf>) -> Self {
            self.0.watched.push(path.into());
            self
        }
    };
    (@ after) => {
        /// Starts it after the hook or worker of this name, and stops it before.
        pub fn after(mut self, name: impl Into<String>) -> Self {
            self.0.after.push(name.into());
            self
        }
    };
}

declaration! {
    /// A value that is ready. Made by [`supply`](super::supply()).
    Supply { named, private }
}

declaration! {
    /// A call that makes a value. Made by [`provide`](super::provide()), [`provide_arc`](super::provide_arc()), [`construct`](super::construct()) and [`resource`](super::resource()).
    Provide { named, private, scope, transient, timeout, stop_timeout, watch }
}

declaration! {
    /// Another type for a value. Made by [`alias`](super::alias()).
    Alias { named, private }
}

declaration! {
    /// A call that wraps a value. Made by [`decorate`](super::decorate()).
    Decorate { named, timeout }
}

declaration! {
    /// A value that comes with its scope. Made by [`context`](super::context()).
    Context { named }
}

declaration! {
    /// A call that is made once, when all is built. Made by [`invoke`](super::invoke()).
    Invoke { timeout }
}

declaration! {
    /// A pair of calls that are made at the start and at the stop.
    ///
    /// ```
    /// # use std::{io, sync::Arc, time::Duration};
    /// # struct Registry;
    /// # impl Registry {
    /// #     async fn announce(&self) -> io::Result<()> { Ok(()) }
    /// #     async fn withdraw(&self) -> io::Result<()> { Ok(()) }
    /// # }
    /// use hostloop::app::Hook;
    ///
    /// let hook = Hook::new("announce")
    ///     .on_start(|registry: Arc<Registry>| async move { registry.announce().await })
    ///     .on_stop(|registry: Arc<Registry>| async move { registry.withdraw().await })
    ///     .timeout(Duration::from_secs(3));
    /// # hostloop::App::builder().supply(Registry).hook(hook).build().unwrap();
    /// ```
    Hook { after, stop_timeout }
}

declaration! {
    /// A call that runs until the stop, supervised. Made by [`worker`](super::worker()).
    Worker { after, stop_timeout }
}

declaration! {
    /// What takes requests. Made by [`listener`](super::listener()) and [`http`](super::http::http).
    Listener { timeout }
}

impl Worker {
    /// Has the start wait until the worker has said that it is ready, by [`Supervisor::ready`](super::Supervisor::ready), and fail if that
    /// takes longer. Default: the start goes on at once.
    pub fn ready_within(mut self, timeout: Duration) -> Self {
        self.0.policy.has_ready_gate = true;
        self.0.start_timeout = Some(timeout);
        self
    }
}

impl Hook {
    /// Makes a hook that does nothing yet. The name is for texts, and for [`Hook::after`].
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        Self(Declaration::new(NodeKind::Hook, name, Vec::new(), Recipe::Hook(HookCalls::default())))
    }

    /// Is called at the start. Called again, it replaces the call.
    pub fn on_start<F, A, Fut>(self, f: F) -> Self
    where
        F: Call<A, InHook, Output = Fut>,
        Fut: Future<Output: Ended> + Send + 'static,
    {
        let wishes = F::wishes();
        self.change(|all, calls| {
            all.splice(..calls.start_wishes, wishes.iter().copied());
            calls.start_wishes = wishes.len();
            calls.start = Some(work(f));
        })
    }

    /// Is called at the stop, if the start went well. Called again, it replaces the call.
    pub fn on_stop<F, A, Fut>(self, f: F) -> Self
    where
        F: Call<A, InHook, Output = Fut>,
        Fut: Future<Output: Ended> + Send + 'static,
    {
        self.change(|all, calls| {
            all.truncate(calls.start_wishes);
            all.extend(F::wishes());
            calls.stop = Some(work(f));
        })
    }

    /// May take this long to start, and as long to stop. Defaults: [`Options::step_timeout`](crate::lifecycle::Options) and
    /// [`Options::stop_step_timeout`](crate::lifecycle::Options).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        (self.0.start_timeout, self.0.stop_timeout) = (Some(timeout), Some(timeout));
        self
    }

    fn change(mut self, change: impl FnOnce(&mut Vec<Wish>, &mut HookCalls)) -> Self {
        if let Recipe::Hook(calls) = &mut self.0.recipe {
            change(&mut self.0.wishes, calls);
        }
        self
    }

    /// What a constructor adds.
    pub(crate) fn into_added(self) -> Result<(AddedHook, HookCalls), AppError> {
        let Declaration { label, source, start_timeout, stop_timeout, wishes, after, recipe, .. } = self.0;
        let refused = |why: &str| Err(AppError::closed(format!("hook `{label}` ({source}) {why}")));
        if !wishes.is_empty() {
            return refused("takes parameters; a hook that a constructor adds keeps what it needs in its closures");
        }
        if !after.is_empty() {
            return refused("starts with what its constructor makes; leave `after` out, or declare it with hook(...)");
        }
        match recipe {
            Recipe::Hook(calls) => Ok((AddedHook { label, source, start_timeout, stop_timeout }, calls)),
            _ => refused("does nothing"),
        }
    }
}

impl From<Restart> for Policy {
    fn from(restart: Restart) -> Self {
        Self { restart, ..Self::default() }
    }
}
