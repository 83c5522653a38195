//! Core errors as JavaScript errors, by one table. The public layer makes its classes of the codes.

use hostloop::ErrorKind;

/// The code of an error, such as `ERR_HOSTLOOP_STALE`.
#[derive(Clone, Copy)]
pub struct Code(&'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl From<napi::Status> for Code {
    fn from(_: napi::Status) -> Self {
        Self("ERR_HOSTLOOP_INVALID")
    }
}

pub(crate) type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// Makes the JavaScript error of a core error.
pub(crate) fn to_node(error: hostloop::Error) -> napi::Error<Code> {
    let code = match error.kind() {
        ErrorKind::Stale => "ERR_HOSTLOOP_STALE",
        ErrorKind::Forked => "ERR_HOSTLOOP_FORKED",
        ErrorKind::Closed => "ERR_HOSTLOOP_CLOSED",
        ErrorKind::Invalid => "ERR_HOSTLOOP_INVALID",
        ErrorKind::Conflict => "ERR_HOSTLOOP_CONFLICT",
        ErrorKind::Full => "ERR_HOSTLOOP_FULL",
        ErrorKind::AddressInUse => "ERR_HOSTLOOP_ADDRESS_IN_USE",
        ErrorKind::AddressUnavailable => "ERR_HOSTLOOP_ADDRESS_UNAVAILABLE",
        _ => "ERR_HOSTLOOP_ENGINE",
    };
    napi::Error::new(Code(code), error.message().to_owned())
}

pub(crate) fn invalid(message: impl Into<String>) -> napi::Error<Code> {
    napi::Error::new(Code("ERR_HOSTLOOP_INVALID"), message.into())
}

pub(crate) fn stale() -> napi::Error<Code> {
    napi::Error::new(Code("ERR_HOSTLOOP_STALE"), "the request has ended".to_owned())
}

pub(crate) fn closed() -> napi::Error<Code> {
    napi::Error::new(Code("ERR_HOSTLOOP_CLOSED"), "the server is closed; make a new one".to_owned())
}
