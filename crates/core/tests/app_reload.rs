//! Hot swap: the new is made and started beside the old, and the old goes when its last user has left.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use app_support::{BoxError, Log, SECOND, broken, built, timed};
use hostloop::{
    App, Resource, Stop,
    app::{AppBuilder, Hook, Lazy, Listening, Scope},
    lifecycle::Restart,
};
use tokio::time::sleep;

struct Rates(usize);
struct Prices(Arc<Rates>);
struct Shop(Lazy<Prices>);

/// Rates that are numbered from 1 on, prices that hold them, and a shop that asks for prices each time. Number 3 fails.
fn shop(log: &Log) -> AppBuilder {
    let (log, number) = (log.clone(), Arc::new(AtomicUsize::new(0)));
    App::builder()
        .resource(move || {
            let (log, number) = (log.clone(), number.fetch_add(1, Ordering::Relaxed) + 1);
            async move {
                sleep(SECOND).await;
                if number == 3 {
                    return Err(broken("the feed is down"));
                }
                log.note(format!("open {number}"));
                Ok::<_, BoxError>(Resource::new(Rates(number), move |_| async move { log.note(format!("close {number}")) }))
            }
        })
        .construct(Prices)
        .construct(Shop)
        .invoke(|_: Arc<Shop>, _: Arc<Prices>| async {})
}

#[tokio::test(start_paused = true)]
async fn new_values_take_the_place_of_the_old_at_once() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let shop = running.resolve::<Shop>().await.unwrap();
    let leased = shop.0.get().await.unwrap();
    running.reload::<Rates>().await.unwrap();
    assert_eq!((leased.0.0, shop.0.get().await.unwrap().0.0), (1, 2));
    assert!(Arc::ptr_eq(&shop, &running.resolve::<Shop>().await.unwrap()));
    sleep(SECOND * 5).await;
    assert_eq!(log.take(), ["open 1", "open 2"]);
    drop(leased);
    sleep(SECOND).await;
    assert_eq!(log.take(), ["close 1"]);
    running.stop().await.unwrap();
    assert_eq!(log.take(), ["close 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_scope_keeps_what_was_there_when_it_was_entered() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let scope = running.scope(Scope::Request).await.unwrap();
    running.reload::<Rates>().await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!(log.take(), ["open 1", "open 2"]);
    scope.close().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(log.take(), ["close 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_never_leaves_is_waited_for_until_the_time_is_up() {
    let log = Log::default();
    let running = built(shop(&log).options(|options| options.retire_timeout = Some(SECOND * 10))).start().await.unwrap();
    let _leased = running.resolve::<Shop>().await.unwrap().0.get().await.unwrap();
    running.reload::<Rates>().await.unwrap();
    log.take();
    sleep(SECOND * 9).await;
    assert_eq!(log.take(), [""; 0]);
    sleep(SECOND * 2).await;
    assert_eq!(log.take(), ["close 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_the_time_before_two_reloads_keeps_what_both_replaced() {
    struct Other(#[allow(dead_code, reason = "held")] usize);
    let log = Log::default();
    let noted = log.clone();
    let app = built(
        shop(&log)
            .resource(move || {
                let log = noted.clone();
                async move { Ok::<_, Infallible>(Resource::new(Other(1), move |_| log.noting("close other"))) }
            })
            .invoke(|_: Arc<Other>| async {}),
    );
    let running = app.start().await.unwrap();
    let scope = running.scope(Scope::Request).await.unwrap();
    running.reload::<Rates>().await.unwrap();
    running.reload::<Other>().await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!(log.take(), ["open 1", "open 2"]);
    drop(scope);
    sleep(SECOND).await;
    let mut closed = log.take();
    closed.sort();
    assert_eq!(closed, ["close 1", "close other"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_fails_changes_nothing_and_leaks_nothing() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    running.reload::<Rates>().await.unwrap();
    sleep(SECOND).await;
    let error = running.reload::<Rates>().await.unwrap_err().to_string();
    assert!(error.starts_with("resource `Rates` (") && error.ends_with("the feed is down"), "{error}");
    assert_eq!(running.resolve::<Prices>().await.unwrap().0.0, 2);
    assert_eq!(log.take(), ["open 1", "open 2", "close 1"]);
    running.reload::<Rates>().await.unwrap();
    assert_eq!(running.resolve::<Prices>().await.unwrap().0.0, 4);
}

#[tokio::test(start_paused = true)]
async fn reloads_that_are_asked_for_at_once_are_done_together() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let ((one, other, third), took) =
        timed(async { tokio::join!(running.reload::<Rates>(), running.reload::<Prices>(), running.reload::<Prices>()) }).await;
    one.and(other).and(third).unwrap();
    assert_eq!(took, 1.0);
    assert_eq!(log.take(), ["open 1", "open 2", "close 1"]);
}

#[tokio::test(start_paused = true)]
async fn workers_and_hooks_go_over_to_the_new_value() {
    let log = Log::default();
    let (hooked, unhooked, worked) = (log.clone(), log.clone(), log.clone());
    let app = shop(&Log::default())
        .hook(
            Hook::new("publish")
                .on_start(move |prices: Arc<Prices>| {
                    hooked.note(format!("publish {}", prices.0.0));
                    async {}
                })
                .on_stop(move |prices: Arc<Prices>| {
                    unhooked.note(format!("withdraw {}", prices.0.0));
                    async {}
                }),
        )
        .worker("watch", Restart::OnFailure, move |rates: Arc<Rates>, stop: Stop| {
            worked.note(format!("watch {}", rates.0));
            async move { stop.requested().await }
        });
    let running = built(app).start().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(log.take(), ["publish 1", "watch 1"]);
    running.reload::<Rates>().await.unwrap();
    sleep(SECOND).await;
    let mut changed = log.take();
    assert_eq!(changed.remove(0), "publish 2");
    changed.sort();
    assert_eq!(changed, ["watch 2", "withdraw 1"]);
    running.stop().await.unwrap();
    assert_eq!(log.take(), ["withdraw 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_listener_holds_is_not_replaced_under_it() {
    let app =
        built(shop(&Log::default()).listener("door", |_: Arc<Prices>| async { Ok::<_, Infallible>(Listening::new(|_| async {})) }));
    let running = app.start().await.unwrap();
    let error = running.reload::<Rates>().await.unwrap_err().to_string();
    assert!(error.starts_with("listener `door` holds it and cannot be replaced: door ("), "{error}");
    assert!(error.ends_with("; have it ask lazily"), "{error}");
    assert_eq!(running.resolve::<Prices>().await.unwrap().0.0, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_reloaded_once_the_stop_has_begun() {
    let running = Arc::new(built(shop(&Log::default())).start().await.unwrap());
    let reloading = tokio::spawn({
        let running = Arc::clone(&running);
        async move { running.reload::<Rates>().await }
    });
    sleep(SECOND / 2).await;
    running.stop().await.unwrap();
    let error = reloading.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the application stops"), "{error}");
    assert!(running.reload::<Rates>().await.is_err());
}
