//! Hello, world.

use axum::{Router, routing::get};
use hostloop::App;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = App::builder().http("127.0.0.1:8000", || Router::new().route("/", get(|| async { "Hello, world!\n" }))).build()?;
    app.run().await?;
    Ok(())
}
