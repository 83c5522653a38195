//! Errors: kind, operation, what was wrong and the fix.

use std::{error, fmt, io};

/// What went wrong, for a caller that wants to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The handle names nothing that still lives.
    Stale,
    /// The process was forked after the engine was made: make a new engine in the child.
    Forked,
    /// The engine is closed, or is closing and takes no new work.
    Closed,
    /// An argument is outside what the verb takes.
    Invalid,
    /// The thing is not in a state in which the verb makes sense, such as a second response to one request.
    Conflict,
    /// A bounded queue is full. Nothing was queued: wait for the event that says there is room.
    Full,
    /// Another socket listens on that address.
    AddressInUse,
    /// The address cannot be listened on: it is not this machine's, this process may not use it, or no socket's file can be made there.
    AddressUnavailable,
    /// A defect in hostloop itself, caught at the boundary. The engine goes on.
    Panic,
    /// The operating system refused.
    Io,
}

/// An error of the engine: its kind, the operation, what was wrong and how to mend it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    message: String,
    source: Option<io::Error>,
}

/// A result whose error is an [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, operation, message: message.into(), source: None }))
    }

    pub(crate) fn invalid(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, operation, message)
    }

    pub(crate) fn conflict(operation: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, operation, message)
    }

    pub(crate) fn io(operation: &'static str, what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self(Box::new(Inner { kind: ErrorKind::Io, operation, message: what.into(), source: Some(source.into()) }))
    }

    /// The error of an address that cannot be listened on.
    pub(crate) fn address(operation: &'static str, what: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::AddrInUse => ErrorKind::AddressInUse,
            _ if is_exhaustion(&source) => ErrorKind::Io,
            _ => ErrorKind::AddressUnavailable,
        };
        Self(Box::new(Inner { kind, operation, message: what.into(), source: Some(source) }))
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the verb that failed.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Returns what was wrong and how to mend it, without the verb and the operating system's own words.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the operating system's error number, where there is one.
    #[must_use]
    pub fn os_error(&self) -> Option<i32> {
        self.0.source.as_ref().and_then(io::Error::raw_os_error)
    }
}

/// Whether the system is out of descriptors or memory, whatever the address.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
