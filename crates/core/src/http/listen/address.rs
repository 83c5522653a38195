//! Addresses as people write them.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use crate::error::{Error, Result};

/// Where a server listens: `127.0.0.1:8000`, `[::1]:8000`, or `unix:/run/app.sock`. Port 0 takes any free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 or IPv6 address and port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() || path.contains('\0') {
                Err(Error::invalid("address", format!("`{text}` names no file; write unix:/path/to/socket")))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            Error::invalid(
                "address",
                format!("`{text}` is not an address; write 127.0.0.1:8000, [::1]:8000 or unix:/path/to/socket"),
            )
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
