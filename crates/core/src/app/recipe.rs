//! What the driver does for each node: the user's closures, without their types.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{
    call::Call,
    error::{BoxError, Ended},
    listening::Listening,
    parameter::Given,
    value::Held,
};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call that makes a value.
pub(crate) type Make = Arc<dyn Fn(&mut Given) -> BoxFuture<Result<Made, BoxError>> + Send + Sync>;

/// A call that does something.
pub(crate) type Work = Arc<dyn Fn(&mut Given) -> BoxFuture<Result<(), BoxError>> + Send + Sync>;

/// A call that begins to take requests.
pub(crate) type Listen = Arc<dyn Fn(&mut Given) -> BoxFuture<Result<Listening, BoxError>> + Send + Sync>;

/// A call whose turn comes later.
pub(crate) type Later<T> = Box<dyn FnOnce() -> BoxFuture<Result<T, BoxError>> + Send>;

/// A call that is given something when its turn comes.
pub(crate) type LaterWith<A> = Box<dyn FnOnce(A) -> BoxFuture<Result<(), BoxError>> + Send>;

/// The call that takes a value back.
pub(crate) type Close = Later<()>;

/// A value that was made.
pub(crate) struct Made {
    pub(crate) value: Held,
    pub(crate) close: Option<Close>,
}

/// What a hook does.
#[derive(Clone, Default)]
pub(crate) struct HookCalls {
    pub(crate) start: Option<Work>,
    /// How many of the node's arguments are the start's; the others are the stop's.
    pub(crate) start_wishes: usize,
    pub(crate) stop: Option<Work>,
}

/// How a node is carried out.
#[derive(Clone)]
pub(crate) enum Recipe {
    Value(Held),
    /// It comes with its scope.
    Context,
    Make(Make),
    /// From the value behind it to its own.
    Alias(Arc<dyn Fn(&Held) -> Held + Send + Sync>),
    Hook(HookCalls),
    Worker(Work),
    Listener(Listen),
}

/// Forgets the types of a closure that does something.
pub(crate) fn work<F, A, P, Fut>(f: F) -> Work
where
    F: Call<A, P, Output = Fut>,
    Fut: Future<Output: Ended> + Send + 'static,
{
    Arc::new(move |given| {
        let done = f.call(given);
        Box::pin(async move { done.await.ended() })
    })
}

/// Forgets the types of a closure that makes something.
pub(crate) fn make<F, A, P, Fut, T, E>(f: F, made: impl Fn(T) -> Made + Copy + Send + Sync + 'static) -> Make
where
    F: Call<A, P, Output = Fut>,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<BoxError>,
{
    Arc::new(move |given| {
        let making = f.call(given);
        Box::pin(async move { making.await.map(made).map_err(Into::into) })
    })
}

impl Made {
    pub(crate) fn value<T: ?Sized + Send + Sync + 'static>(value: Arc<T>) -> Self {
        Self { value: Held::new(value), close: None }
    }
}
