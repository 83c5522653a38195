//! Values for later.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use super::{
    driver::{Driver, Epoch, Origin},
    error::AppError,
};
use crate::lifecycle::NodeId;

/// A way to a value, for who needs it later or in turns.
///
/// It takes no part in the order of the start, so that it breaks a cycle, and it always leads to the newest value, so that what it
/// leads to can be [reloaded](super::AppHandle::reload) while its holder stays.
///
/// ```
/// # use std::sync::Arc;
/// use hostloop::app::{AppError, Lazy};
/// # struct Rates;
/// # impl Rates { fn of(&self, _: &str) -> f64 { 1.0 } }
///
/// struct Prices {
///     rates: Lazy<Rates>,
/// }
///
/// impl Prices {
///     async fn in_currency(&self, price: f64, currency: &str) -> Result<f64, AppError> {
///         Ok(price * self.rates.get().await?.of(currency))
///     }
/// }
/// ```
pub struct Lazy<T: ?Sized> {
    driver: Arc<Driver>,
    origin: Origin,
    node: NodeId,
    value: PhantomData<fn() -> Arc<T>>,
}

impl<T: ?Sized + Send + Sync + 'static> Lazy<T> {
    pub(crate) fn new(driver: Arc<Driver>, origin: Origin, node: NodeId) -> Self {
        Self { driver, origin, node, value: PhantomData }
    }

    /// Returns the value, made now if it is not there.
    ///
    /// # Errors
    ///
    /// If making it fails, if the application or its scope has ended, or if a constructor would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, the construction goes on for others that wait, and is cancelled if there are none.
    pub async fn get(&self) -> Result<Lease<T>, AppError> {
        let (held, epoch) = self.driver.resolve(self.node, self.origin).await?;
        Ok(Lease { value: held.get(), _epoch: epoch })
    }
}

impl<T: ?Sized> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self { driver: Arc::clone(&self.driver), origin: self.origin, node: self.node, value: PhantomData }
    }
}

impl<T: ?Sized> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lazy").field(&self.driver.blueprint.plan.label(self.node)).finish()
    }
}

/// A value on loan. One that is replaced by a reload is taken back when the last lease of it has been dropped, or after
/// [`Options::retire_timeout`](crate::lifecycle::Options).
pub struct Lease<T: ?Sized> {
    value: Arc<T>,
    _epoch: Arc<Epoch>,
}

impl<T: ?Sized> Deref for Lease<T> {
    type Target = Arc<T>;

    fn deref(&self) -> &Arc<T> {
        &self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.value).finish()
    }
}
