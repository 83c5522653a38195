//! Values that are to be taken back.

use std::{fmt, future::Future, sync::Arc};

use super::{
    error::{BoxError, Ended},
    recipe::{BoxFuture, LaterWith, Made},
    value::Held,
};

/// A value and the call that takes it back.
///
/// The call is made once, when the value's scope ends: after all that was made of the value has gone, and before anything that the value
/// was made of. It is made whatever else fails, and has [`Options::stop_step_timeout`](crate::lifecycle::Options) or a timeout of its own.
///
/// ```
/// use std::{io, sync::Arc};
/// use hostloop::Resource;
///
/// struct Database;
///
/// impl Database {
///     async fn open() -> io::Result<Self> {
///         Ok(Self)
///     }
///
///     async fn close(self: Arc<Self>) -> io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let app = hostloop::App::builder()
///     .resource(|| async { Database::open().await.map(|database| Resource::new(database, Database::close)) })
///     .build()?;
/// # Ok::<(), hostloop::lifecycle::WiringError>(())
/// ```
pub struct Resource<T> {
    value: T,
    close: LaterWith<Arc<T>>,
}

impl<T: Send + Sync + 'static> Resource<T> {
    /// Takes a value back with a call that shares it: `async fn close(self: Arc<Self>)`, or `|pool| async move { pool.close().await }`.
    pub fn new<C, Fut>(value: T, close: C) -> Self
    where
        C: FnOnce(Arc<T>) -> Fut + Send + 'static,
        Fut: Future<Output: Ended> + Send + 'static,
    {
        let close = |value| -> BoxFuture<Result<(), BoxError>> {
            let closed = close(value);
            Box::pin(async move { closed.await.ended() })
        };
        Self { value, close: Box::new(close) }
    }

    /// Takes a value back with a call that consumes it: `async fn close(self)`.
    ///
    /// Nothing else may hold the value then. What the graph has made of it is gone; an `Arc` that was kept elsewhere, in a task that was
    /// spawned and still runs or in a static, makes the teardown fail with an error that says so.
    pub fn owned<C, Fut>(value: T, close: C) -> Self
    where
        C: FnOnce(T) -> Fut + Send + 'static,
        Fut: Future<Output: Ended> + Send + 'static,
    {
        let close = |value| -> BoxFuture<Result<(), BoxError>> {
            match Arc::try_unwrap(value) {
                Ok(value) => {
                    let closed = close(value);
                    Box::pin(async move { closed.await.ended() })
                }
                Err(value) => {
                    let still_held = StillHeld { label: super::label::of_type::<T>(), holders: Arc::strong_count(&value) - 1 };
                    Box::pin(async move { Err(still_held.into()) })
                }
            }
        };
        Self { value, close: Box::new(close) }
    }

    pub(crate) fn into_made(self) -> Made {
        let value = Arc::new(self.value);
        let (held, close) = (Held::new(Arc::clone(&value)), self.close);
        Made { value: held, close: Some(Box::new(move || close(value))) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("value", &self.value).finish_non_exhaustive()
    }
}

/// A value that cannot be consumed.
#[derive(Debug)]
struct StillHeld {
    label: String,
    holders: usize,
}

impl fmt::Display for StillHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label, holders } = self;
        let others = if *holders == 1 { "another holder has" } else { "other holders have" };
        write!(
            f,
            "`{label}` cannot be consumed: {others} it still; end the tasks that were spawned with it, or close it with Resource::new"
        )
    }
}

impl std::error::Error for StillHeld {}
