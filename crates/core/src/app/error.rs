//! What goes wrong while an application runs, with everything that led to it.

use std::{error::Error, fmt, sync::Arc};

use crate::lifecycle::FailureCause;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// An error of the user's, which several may be told of.
pub(crate) type SharedError = Arc<dyn Error + Send + Sync>;

/// Why an application did not start or did not stop well, or why a value could not be had.
///
/// The first failure is the cause; what failed while it was undone follows it.
#[derive(Clone)]
pub struct AppError(Arc<Inner>);

struct Inner {
    code: i32,
    failures: Vec<AppFailure>,
}

/// One thing that failed.
#[derive(Clone)]
pub struct AppFailure {
    message: String,
    cause: FailureCause,
    source: Option<SharedError>,
}

impl AppError {
    pub(crate) fn new(code: i32, failures: Vec<AppFailure>) -> Self {
        Self(Arc::new(Inner { code, failures }))
    }

    pub(crate) fn one(failure: AppFailure) -> Self {
        Self::new(1, vec![failure])
    }

    /// Of something that cannot be done now.
    pub(crate) fn closed(message: impl Into<String>) -> Self {
        Self::one(AppFailure::new(message, FailureCause::Closed))
    }

    /// Returns what failed, the first cause first. Empty if the application was stopped with an exit code other than 0, or by a second
    /// signal, and nothing failed.
    #[must_use]
    pub fn failures(&self) -> &[AppFailure] {
        &self.0.failures
    }

    /// Returns the code for the process to exit with: what was given to
    /// [`AppHandle::request_stop`](super::AppHandle::request_stop), 128 and the number of
    /// a signal that cut the stop short, or else 1.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        self.0.code
    }
}

impl AppFailure {
    pub(crate) fn new(message: impl Into<String>, cause: FailureCause) -> Self {
        Self { message: message.into(), cause, source: None }
    }

    pub(crate) fn caused_by(self, source: Option<SharedError>) -> Self {
        Self { source, ..self }
    }

    /// Returns what failed, where it was written and how long it took, without the error that it failed with.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns why it failed.
    #[must_use]
    pub fn cause(&self) -> &FailureCause {
        &self.cause
    }
}

impl From<crate::Error> for AppError {
    fn from(error: crate::Error) -> Self {
        Self::closed(error.message())
    }
}

impl fmt::Display for AppFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            None => f.write_str(&self.message),
            Some(source) => write!(f, "{}: {}", self.message, Chain(&**source)),
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.failures[..] {
            [] => write!(f, "the application was stopped with exit code {}", self.0.code),
            [first, others @ ..] => {
                write!(f, "{first}")?;
                others.iter().try_for_each(|other| write!(f, "\nthen {other}"))
            }
        }
    }
}

/// An error with all that caused it.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut causes = std::iter::successors(self.0.source(), |&error| error.source());
        causes.try_for_each(|error| write!(f, ": {error}"))
    }
}

/// Reads like its display: `main` prints an error in this way.
impl fmt::Debug for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for AppFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.failures.first().map(|failure| failure as _)
    }
}

impl Error for AppFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// How a call ends that makes nothing: `()`, or `Result<(), E>` with any error.
#[diagnostic::on_unimplemented(message = "a call that makes nothing ends with `()` or `Result<(), E>`, and not with `{Self}`")]
pub trait Ended {
    /// Returns the error, if it failed.
    #[doc(hidden)]
    fn ended(self) -> Result<(), BoxError>;
}

impl Ended for () {
    fn ended(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> Ended for Result<(), E> {
    fn ended(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// The type of a call that never ends, such as a worker's `loop`. Stable Rust has no other way to name it.
type Never = <fn() -> ! as Returns>::Output;

/// What a function returns.
#[doc(hidden)]
pub trait Returns {
    /// Its type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

impl Ended for Never {
    fn ended(self) -> Result<(), BoxError> {
        self
    }
}

/// What a panic left, as an error.
#[derive(Debug)]
pub(crate) struct Panicked(String);

impl Panicked {
    pub(crate) fn new(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self(text.unwrap_or("no message").to_owned())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it panicked: {}", self.0)
    }
}

impl Error for Panicked {}

/// An error of a worker after which running it again is of no use: it counts as exhausted at once.
///
/// ```
/// use hostloop::app::Fatal;
///
/// async fn consume() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     Err(Fatal::new("the queue does not exist").into())
/// }
/// ```
#[derive(Debug)]
pub struct Fatal(BoxError);

impl Fatal {
    /// Makes an error fatal.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Fatal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
