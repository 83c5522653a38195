//! What happened is told through `tracing`, each thing at its level.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;
#[path = "app_support/told.rs"]
mod told;

use std::{sync::Arc, time::Duration};

use app_support::{SECOND, broken, built};
use hostloop::{
    App,
    app::Hook,
    lifecycle::{OnExhausted, Policy},
};
use tokio::time::sleep;
use told::Told;
use tracing::Level;

struct Links;

#[tokio::test(start_paused = true)]
async fn phases_are_told_at_info_and_the_rest_of_a_good_life_at_debug() {
    let told = Told::default();
    let _default = tracing::subscriber::set_default(told.clone());
    let app = built(
        App::builder().construct(|| Links).invoke(|_: Arc<Links>| async {}).hook(Hook::new("announce").on_start(|| async {})),
    );
    app.start().await.unwrap().stop().await.unwrap();
    let all = told.take(&[Level::INFO, Level::DEBUG, Level::WARN, Level::ERROR]);
    let has = |line: &str| assert!(all.iter().any(|told| told == line), "{line} is missing in {all:#?}");
    has("DEBUG constructing Links");
    has("DEBUG constructed Links");
    has("DEBUG hook started announce");
    has("INFO phase");
    has("INFO closed");
    assert!(!all.iter().any(|line| line.starts_with("WARN") || line.starts_with("ERROR")), "{all:#?}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_with_their_errors() {
    let told = Told::default();
    let _default = tracing::subscriber::set_default(told.clone());
    let links = || async { Err::<Links, _>(broken("no such host")) };
    built(App::builder().provide(links).invoke(|_: Arc<Links>| async {})).start().await.unwrap_err();
    assert_eq!(told.take(&[Level::WARN, Level::ERROR]), ["ERROR construct failed Links no such host", "WARN rolling back"]);
    let policy = Policy { max_restarts: 1, on_exhausted: OnExhausted::Degrade, ..Policy::default() };
    let running = built(App::builder().worker("consumer", policy, || async { Err(broken("no queue")) })).start().await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!(
        told.take(&[Level::WARN, Level::ERROR]),
        ["WARN worker backing off consumer no queue", "ERROR worker exhausted consumer no queue"]
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_blocks_its_thread_is_told() {
    let told = Told::default();
    let _default = tracing::subscriber::set_default(told.clone());
    let app = App::builder()
        .hook(Hook::new("heavy").on_start(|| {
            // What a pause would be for a future is work to its thread.
            std::thread::sleep(Duration::from_millis(20));
            async {}
        }))
        .options(|options| options.blocked_after = Duration::from_millis(10));
    built(app).start().await.unwrap();
    let warned = told.take(&[Level::WARN]);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].starts_with("WARN blocked: it did not await for this long"), "{warned:?}");
}
