//! The routes of an application, checked as they are added.

use hostloop::RouteOptions;
use http::Method;
use napi_derive::napi;

use crate::errors::{Result, invalid, to_node};

/// Methods and paths, before there is a server for them.
#[napi]
#[derive(Default)]
pub struct Routes {
    inner: hostloop::Routes,
}

#[napi]
impl Routes {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route. Refused if it is given twice, or cannot be read or told from another.
    #[napi]
    pub fn insert(&mut self, method: String, path: String) -> Result<()> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| invalid(format!("method {method:?} is not a token; use GET, POST, ...")))?;
        self.inner.insert(method, &path, 0, RouteOptions::default()).map_err(to_node)
    }
}
