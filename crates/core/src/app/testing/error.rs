//! Why a request of a test has no whole response.

use std::{error::Error, fmt};

use crate::app::error::{BoxError, Chain};

/// Why a request cannot be made, why no whole response came, or why it is not what was wanted.
///
/// A status such as 404 or 500 is a response, and no error.
pub struct TestError {
    request: String,
    problem: String,
    source: Option<BoxError>,
}

impl TestError {
    pub(super) fn new(request: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { request: request.into(), problem: problem.into(), source: None }
    }

    pub(super) fn caused_by(self, source: impl Into<BoxError>) -> Self {
        Self { source: Some(source.into()), ..self }
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.problem)?;
        match &self.source {
            Some(source) => write!(f, ": {}", Chain(&**source)),
            None => Ok(()),
        }
    }
}

/// Reads like its display: a test prints an error in this way.
impl fmt::Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for TestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
