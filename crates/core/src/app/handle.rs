//! The application as it is seen from inside, and scopes in it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    ops::Deref,
    pin::Pin,
    sync::Arc,
};

use super::{
    declare::Scope,
    driver::{Driver, Epoch, Origin},
    error::{AppError, AppFailure},
    key::TypeKey,
    value::Held,
};
use crate::lifecycle::{Explanation, Frame};

/// A running application, or a scope in it: values, scopes, its state and its end.
///
/// Any closure of the application may take one; [`Running`](super::Running) is one too.
#[derive(Clone)]
pub struct AppHandle {
    driver: Arc<Driver>,
    origin: Origin,
}

impl AppHandle {
    pub(crate) fn new(driver: Arc<Driver>, origin: Origin) -> Self {
        Self { driver, origin }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Returns a value, made now if it is not there. However many ask at once, it is made once.
    ///
    /// # Errors
    ///
    /// If nothing provides it, if making it fails, if the application or the scope has ended, if it lives in a scope that was not entered,
    /// or if a constructor would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the construction goes on for others that wait, and is cancelled if there are none.
    pub async fn resolve<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Arc<T>, AppError> {
        self.resolve_key(TypeKey::of::<T>()).await.map(|held| held.get())
    }

    /// Returns the value with the name `N`.
    ///
    /// # Errors
    ///
    /// As [`AppHandle::resolve`].
    pub async fn resolve_named<T: ?Sized + Send + Sync + 'static, N: 'static>(&self) -> Result<Arc<T>, AppError> {
        self.resolve_key(TypeKey::of::<T>().named::<N>()).await.map(|held| held.get())
    }

    /// Returns every value of a type, in the order they were declared.
    ///
    /// # Errors
    ///
    /// As [`AppHandle::resolve`]; nothing to provide it is no error.
    pub async fn resolve_all<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Vec<Arc<T>>, AppError> {
        let mut all = Vec::new();
        for node in self.driver.blueprint.find_all(TypeKey::of::<T>()) {
            all.push(self.driver.resolve(node, self.origin).await?.0.get());
        }
        Ok(all)
    }

    async fn resolve_key(&self, key: TypeKey) -> Result<Held, AppError> {
        let node = self.driver.blueprint.find(key).map_err(AppError::closed)?;
        self.driver.resolve(node, self.origin).await.map(|(held, _)| held)
    }

    /// Enters a scope. What lives in it is made when it is asked for, once, and taken back when the scope is closed.
    ///
    /// ```
    /// # use std::{convert::Infallible, sync::Arc};
    /// # use hostloop::app::{AppError, AppHandle, Scope};
    /// # struct User(u64);
    /// # struct Basket;
    /// async fn checkout(app: AppHandle) -> Result<(), AppError> {
    ///     let request = app.scope(Scope::Request).give(User(7)).await?;
    ///     let basket = request.resolve::<Basket>().await?;
    ///     // ...
    ///     request.close().await
    /// }
    /// ```
    pub fn scope(&self, scope: Scope) -> Entering<'_> {
        Entering { handle: self, scope, given: Vec::new() }
    }

    /// Makes a value anew, with all that holds it and is not lazy, and swaps all of it in at once. Who has the old values on a
    /// [lease](super::Lease) or in a scope keeps them; they are taken back when the last has gone. Workers that take them are run again.
    ///
    /// Returns when the new values are in use. Concurrent reloads are done together.
    ///
    /// # Errors
    ///
    /// What failed, and nothing has changed then; or that a listener holds the value, which it has to take as [`Lazy<T>`](super::Lazy).
    pub async fn reload<T: ?Sized + Send + Sync + 'static>(&self) -> Result<(), AppError> {
        let node = self.driver.blueprint.find(TypeKey::of::<T>()).map_err(AppError::closed)?;
        match self.driver.reload(&[node])?.await {
            Ok(None) => Ok(()),
            Ok(Some(failure)) => Err(AppError::one(failure)),
            Err(_) => Err(AppError::closed("the application has stopped: nothing is reloaded")),
        }
    }

    /// Runs a worker again that has ended: after its work was done, or because it failed too often.
    ///
    /// # Errors
    ///
    /// If it runs, if there is none of this name, or if the application is not up.
    pub fn restart(&self, worker: &str) -> Result<(), AppError> {
        let node = self.driver.blueprint.worker(worker).map_err(AppError::closed)?;
        self.driver.act(|state, now| state.run.restart(now, node)).map_err(AppError::from)
    }

    /// Stops the application, with a code for the process to exit with: 0 is success. Returns at once.
    pub fn request_stop(&self, code: i32) {
        self.driver.act(|state, now| state.run.stop(now, code));
    }

    /// Returns whether the application takes requests: all of it is up, and its stop has not begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.driver.look(|state| state.run.is_ready())
    }

    /// Returns whether a worker has failed too often, and the application goes on without it.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.driver.look(|state| state.run.is_degraded())
    }

    /// Describes the graph: what is there, in which state, and how long it took.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        self.driver.look(|state| state.run.explain())
    }
}

impl fmt::Debug for AppHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppHandle").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A scope that is about to be entered: await it.
#[must_use = "a scope is entered when this is awaited"]
pub struct Entering<'h> {
    handle: &'h AppHandle,
    scope: Scope,
    given: Vec<(TypeKey, Held)>,
}

impl Entering<'_> {
    /// Gives the scope a value that comes with it, which [`context`](super::context) has declared.
    pub fn give<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.given.push((TypeKey::of::<T>(), Held::new(Arc::new(value))));
        self
    }

    fn enter(self) -> Result<OpenScope, AppError> {
        let (driver, parent) = (&self.handle.driver, self.handle.origin.frame);
        let blueprint = &driver.blueprint;
        let depth = blueprint.depth(self.scope.name()).map_err(AppError::closed)?;
        let given = self.given.into_iter().map(|(key, held)| Ok((blueprint.find_context(key, depth)?, held)));
        let given = given.collect::<Result<_, String>>().map_err(AppError::closed)?;
        let (frame, epoch) = driver.open_frame(parent, depth, given)?;
        let handle = AppHandle::new(Arc::clone(driver), Origin { frame, op: None });
        Ok(OpenScope { handle, frame: Some(frame), _epoch: epoch })
    }
}

impl<'h> IntoFuture for Entering<'h> {
    type Output = Result<OpenScope, AppError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'h>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.enter() })
    }
}

/// A scope that was entered. Dropped, it is closed in the background; [`OpenScope::close`] also waits and tells what failed.
pub struct OpenScope {
    handle: AppHandle,
    frame: Option<Frame>,
    _epoch: Arc<Epoch>,
}

impl OpenScope {
    /// Closes the scope: scopes inside it first, then what was made in it, the last first.
    ///
    /// # Errors
    ///
    /// What could not be taken back. All else was.
    pub async fn close(mut self) -> Result<(), AppError> {
        let Some(frame) = self.frame.take() else { return Ok(()) };
        let Some(ended) = self.handle.driver.close_frame(frame) else { return Ok(()) };
        let failures: Vec<AppFailure> = ended.await.unwrap_or_default();
        if failures.is_empty() { Ok(()) } else { Err(AppError::new(1, failures)) }
    }
}

impl Deref for OpenScope {
    type Target = AppHandle;

    fn deref(&self) -> &AppHandle {
        &self.handle
    }
}

impl Drop for OpenScope {
    fn drop(&mut self) {
        if let Some(frame) = self.frame.take() {
            self.handle.driver.close_frame(frame);
        }
    }
}

impl fmt::Debug for OpenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenScope").field("frame", &self.frame).finish_non_exhaustive()
    }
}
