//! A link shortener: settings, a database, links, HTTP, and a worker that drops what has expired.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod clock;
pub mod database;
pub mod links;
pub mod pages;
pub mod problems;
pub mod routes;
pub mod settings;

use std::sync::Arc;

use hostloop::{App, Resource, Restart, Stop, app::Http, lifecycle::WiringError};

use crate::{clock::Clock, database::Database, links::Links, routes::router, settings::Settings};

/// Wires the service.
///
/// # Errors
///
/// Mistakes in the wiring.
pub fn app(settings: Settings) -> Result<App, WiringError> {
    let http = Http::new(settings.address());
    App::builder()
        .supply(settings)
        .supply(Clock::system())
        .resource(open)
        .construct(Links::new)
        .invoke(greet)
        .worker("sweeper", Restart::OnFailure, sweep)
        .http(http, router)
        .build()
}

async fn open(settings: Arc<Settings>) -> Result<Resource<Database>, OpenError> {
    match Database::open(&settings.database).await {
        Ok(database) => Ok(Resource::new(database, Database::close)),
        Err(error) => Err(OpenError(settings.database.display().to_string(), error)),
    }
}

/// Says where the service is and what to try first.
async fn greet(settings: Arc<Settings>) {
    let (url, database) = (format!("http://{}", settings.address()), settings.database.display());
    let link = r#"{"url": "https://example.com", "code": "home"}"#;
    println!("{url} keeps its links in {database}");
    println!("  curl -i {url}/links -H 'content-type: application/json' -d '{link}'");
    println!("  curl -i {url}/home");
    println!("  curl -i {url}/links/home");
}

/// Deletes the links that have expired, from time to time.
async fn sweep(settings: Arc<Settings>, links: Arc<Links>, stop: Stop) -> rusqlite::Result<()> {
    while stop.sleep(settings.sweep).await {
        links.drop_expired().await?;
    }
    Ok(())
}

/// The database cannot be opened.
#[derive(Debug)]
struct OpenError(String, rusqlite::Error);

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot open the database {}", self.0)
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}
