//! The worker that drops expired links, inside the application.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hostloop::{App, app::Running};
use hostloop_links::{
    app,
    clock::Clock,
    links::{Links, NewLink},
    settings::Settings,
};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};
use tokio::time::{sleep, timeout};

const AT_LAST: Duration = Duration::from_secs(20);

/// The service on a fresh database, sweeping all the time.
fn service(folder: &tempfile::TempDir) -> App {
    let database = folder.path().join("links.db");
    app(Settings { host: "127.0.0.1".into(), port: 0, database, sweep: Duration::from_millis(10) }).unwrap()
}

fn year(year: i32) -> OffsetDateTime {
    PrimitiveDateTime::new(Date::from_calendar_date(year, Month::January, 1).unwrap(), Time::MIDNIGHT).assume_utc()
}

async fn add(running: &Running, code: &str, expires_at: &str) {
    let body = format!(r#"{{"url": "https://example.com", "code": "{code}", "expires_at": "{expires_at}"}}"#);
    running.resolve::<Links>().await.unwrap().add(NewLink::read(body.as_bytes()).unwrap()).await.unwrap();
}

async fn is_there(running: &Running, code: &str) -> bool {
    running.resolve::<Links>().await.unwrap().find(code).await.unwrap().is_some()
}

async fn until_dropped(running: &Running, code: &str) {
    timeout(AT_LAST, async {
        while is_there(running, code).await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_has_expired_is_dropped_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let running = service(&folder).start().await.unwrap();
    add(&running, "future", "2999-01-01T00:00:00Z").await;
    add(&running, "past", "2001-01-01T00:00:00Z").await;
    until_dropped(&running, "past").await;
    assert!(is_there(&running, "future").await);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_sweeper_that_is_killed_is_run_again() {
    let (folder, is_deadly) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
    let deadly = Arc::clone(&is_deadly);
    let clock = Clock::new(move || {
        assert!(!deadly.swap(false, Ordering::Relaxed), "the clock kills who looks at it");
        year(2100)
    });
    let killed = service(&folder).with_overrides(|with| with.supply(clock)).unwrap();
    let running = killed.start().await.unwrap();
    // The sweeper looks at the clock every 10 ms, and nobody else does now.
    is_deadly.store(true, Ordering::Relaxed);
    timeout(AT_LAST, async {
        while is_deadly.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    add(&running, "past", "2099-01-01T00:00:00Z").await;
    until_dropped(&running, "past").await;
    let sweeper = running.explain().nodes.into_iter().find(|node| node.label == "sweeper").unwrap();
    assert_eq!((sweeper.state.as_str(), sweeper.detail.as_str()), ("running", "attempt 2, 1 restarts"));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_runs_is_explained_with_states_and_durations() {
    let folder = tempfile::tempdir().unwrap();
    let running = service(&folder).start().await.unwrap();
    let explained = running.explain();
    assert_eq!(explained.stage, "running");
    for (label, state) in [("Database", "ready"), ("Links", "ready"), ("sweeper", "running"), ("http 127.0.0.1:0", "up")] {
        let node = explained.nodes.iter().find(|node| node.label == label).unwrap_or_else(|| panic!("{label} is missing"));
        assert_eq!(node.state, state, "{label}");
        assert!(node.source.starts_with("examples/service/rust/src/lib.rs:"), "{}", node.source);
    }
    let database = explained.nodes.iter().find(|node| node.label == "Database").unwrap();
    assert!(database.took.is_some());
    assert!(explained.to_html().contains("sweeper") && explained.to_dot().contains("Links"));
    running.stop().await.unwrap();
}
