//! The test client: an application's own server, through memory instead of a socket.

mod client;
mod error;
mod request;
mod response;

pub use self::{
    client::TestClient,
    error::TestError,
    request::TestRequest,
    response::{TestBody, TestResponse},
};
