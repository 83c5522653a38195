//! Making values: at once where that is possible, once each, and never in vain.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use app_support::{BoxError, Log, SECOND, Unfinished, broken, built, timed};
use hostloop::{
    App,
    app::{AppHandle, Lazy, provide},
    lifecycle::FailureCause,
};
use tokio::time::{sleep, timeout};

struct First;
struct Second;
struct Both;

/// Makes a value in a second.
async fn slowly<T>(make: impl FnOnce() -> T) -> Result<T, Infallible> {
    sleep(SECOND).await;
    Ok(make())
}

#[tokio::test(start_paused = true)]
async fn what_does_not_need_each_other_is_made_at_once() {
    let app = built(
        App::builder()
            .provide(|| slowly(|| First))
            .provide(|| slowly(|| Second))
            .provide(|_: Arc<First>, _: Arc<Second>| slowly(|| Both))
            .invoke(|_: Arc<Both>| async {}),
    );
    let (running, took) = timed(app.start()).await;
    running.unwrap();
    assert_eq!(took, 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_that_ask_at_once_get_one_value() {
    let log = Log::default();
    let made = log.clone();
    let provide = move || {
        made.note("made");
        slowly(|| First)
    };
    let running = Arc::new(built(App::builder().provide(provide)).start().await.unwrap());
    assert_eq!(log.take(), [""; 0], "nothing needs it");
    let asking = (0..100).map(|_| {
        let running = Arc::clone(&running);
        tokio::spawn(async move { running.resolve::<First>().await.unwrap() })
    });
    let mut values = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        values.push(asked.await.unwrap());
    }
    assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    assert_eq!(log.take(), ["made"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_harms_no_other() {
    let log = Log::default();
    let dropped = log.clone();
    let provide = move || {
        let unfinished = Unfinished(dropped.clone(), "first");
        async move {
            sleep(SECOND * 3).await;
            std::mem::forget(unfinished);
            Ok::<_, Infallible>(First)
        }
    };
    let running = built(App::builder().provide(provide)).start().await.unwrap();
    let impatient = timeout(SECOND, running.resolve::<First>());
    let (gave_up, patient) = tokio::join!(impatient, running.resolve::<First>());
    assert!(gave_up.is_err() && patient.is_ok());
    assert_eq!(log.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_construction_that_nobody_waits_for_is_dropped() {
    let log = Log::default();
    let dropped = log.clone();
    let provide = move || {
        let unfinished = Unfinished(dropped.clone(), "first");
        async move {
            pending::<()>().await;
            drop(unfinished);
            Ok::<_, Infallible>(First)
        }
    };
    let running = built(App::builder().provide(provide)).start().await.unwrap();
    assert!(timeout(SECOND, running.resolve::<First>()).await.is_err());
    sleep(SECOND).await;
    assert_eq!(log.take(), ["first dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_reaches_all_that_wait_and_the_next_tries_again() {
    let tries = AtomicUsize::new(0);
    let provide = move || {
        let is_first = tries.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            sleep(SECOND).await;
            if is_first { Err(broken("no connection")) } else { Ok(First) }
        }
    };
    let running = built(App::builder().provide(provide)).start().await.unwrap();
    let (one, other) = tokio::join!(running.resolve::<First>(), running.resolve::<First>());
    let error = one.err().unwrap();
    assert!(error.to_string().starts_with("factory `First` (crates/core/tests/app_building.rs:"), "{error}");
    assert!(error.to_string().ends_with(" failed after 1.00 s: no connection"), "{error}");
    assert!(matches!(error.failures()[0].cause(), FailureCause::Error(_)));
    assert_eq!(other.err().unwrap().to_string(), error.to_string());
    assert!(running.resolve::<First>().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_with_its_message() {
    let app = built(App::builder().construct(|| -> First { panic!("no {}", "luck") }).invoke(|_: Arc<First>| async {}));
    let error = app.start().await.unwrap_err().to_string();
    assert!(error.ends_with("failed: it panicked: no luck"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_constructor_that_would_wait_for_itself_is_told_the_way() {
    let first = |second: Lazy<Second>| async move {
        second.get().await?;
        Ok::<_, BoxError>(First)
    };
    let second = |app: AppHandle| async move {
        app.resolve::<First>().await?;
        Ok::<_, BoxError>(Second)
    };
    let app = built(App::builder().provide(first).provide(second).invoke(|_: Arc<First>| async {}));
    let error = app.start().await.unwrap_err().to_string();
    assert!(error.contains("`Second` would wait for itself: Second (crates/core/tests/app_building.rs:"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_constructor_that_takes_too_long_is_dropped_and_named() {
    let log = Log::default();
    let dropped = log.clone();
    let provide_slowly = move || {
        let unfinished = Unfinished(dropped.clone(), "first");
        async move {
            pending::<()>().await;
            drop(unfinished);
            Ok::<_, Infallible>(First)
        }
    };
    let app = built(App::builder().add(provide(provide_slowly).timeout(SECOND * 2)).invoke(|_: Arc<First>| async {}));
    let (error, took) = timed(app.start()).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("`First` (crates/core/tests/app_building.rs:"), "{error}");
    assert!(error.to_string().ends_with("did not end in 2.00 s"), "{error}");
    assert_eq!(*error.failures()[0].cause(), FailureCause::TimedOut);
    assert_eq!((took, log.take()), (2.0, vec!["first dropped".into()]));
}
