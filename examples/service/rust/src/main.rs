//! Runs the link shortener, with HOST, PORT, DATABASE and SWEEP from the environment. `explain` prints its graph as a web page.

use std::{error::Error, process::ExitCode};

use hostloop_links::{app, settings::Settings};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("links: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let app = app(Settings::from_env()?)?;
    match std::env::args().nth(1).as_deref() {
        Some("explain") => print!("{}", app.explain().to_html()),
        _ => app.run().await?,
    }
    Ok(())
}
