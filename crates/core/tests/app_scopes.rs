//! Scopes: what lives in each, and how it goes.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{convert::Infallible, sync::Arc};

use app_support::{Log, SECOND, broken, built};
use hostloop::{
    App, Resource,
    app::{AppHandle, Scope, construct, context, resource},
};
use tokio::time::sleep;

struct User(u64);
struct Session(u64);
struct Basket(Arc<Session>);

/// A session and a basket for each request, which note that they are taken back.
fn shop(log: &Log) -> hostloop::app::AppBuilder {
    let (first, second) = (log.clone(), log.clone());
    App::builder()
        .context::<User>(Scope::Request)
        .add(
            resource(move |user: Arc<User>| {
                let log = first.clone();
                async move {
                    let id = user.0;
                    Ok::<_, Infallible>(Resource::new(Session(id), move |_| async move { log.note(format!("close session {id}")) }))
                }
            })
            .scope(Scope::Request),
        )
        .add(
            resource(move |session: Arc<Session>| {
                let log = second.clone();
                async move {
                    Ok::<_, Infallible>(Resource::new(Basket(session), move |basket: Arc<Basket>| async move {
                        log.note(format!("close basket {}", basket.0.0));
                    }))
                }
            })
            .scope(Scope::Request),
        )
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_values_of_its_own_which_go_in_reverse() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let one = running.scope(Scope::Request).give(User(1)).await.unwrap();
    let other = running.scope(Scope::Request).give(User(2)).await.unwrap();
    let basket = one.resolve::<Basket>().await.unwrap();
    assert!(Arc::ptr_eq(&basket.0, &one.resolve::<Session>().await.unwrap()));
    assert_eq!(other.resolve::<Basket>().await.unwrap().0.0, 2);
    one.close().await.unwrap();
    assert_eq!(log.take(), ["close basket 1", "close session 1"]);
    other.close().await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_dropped_is_closed_in_the_background() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let scope = running.scope(Scope::Request).give(User(1)).await.unwrap();
    scope.resolve::<Session>().await.unwrap();
    drop(scope);
    sleep(SECOND).await;
    assert_eq!(log.take(), ["close session 1"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_closes_the_scopes_that_are_open() {
    let log = Log::default();
    let running = built(shop(&log)).start().await.unwrap();
    let scope = running.scope(Scope::Request).give(User(1)).await.unwrap();
    scope.resolve::<Session>().await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(log.take(), ["close session 1"]);
    assert!(scope.resolve::<Basket>().await.is_err());
    scope.close().await.unwrap();
    assert!(running.scope(Scope::Request).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_back_is_told_by_the_scope_and_the_rest_goes_all_the_same() {
    let log = Log::default();
    let fragile = || async { Ok::<_, Infallible>(Resource::new(Fragile, |_| async { Err(broken("it broke")) })) };
    struct Fragile;
    let running = built(shop(&log).add(resource(fragile).scope(Scope::Request))).start().await.unwrap();
    let scope = running.scope(Scope::Request).give(User(1)).await.unwrap();
    scope.resolve::<Session>().await.unwrap();
    scope.resolve::<Fragile>().await.unwrap();
    let error = scope.close().await.unwrap_err().to_string();
    assert!(error.starts_with("the teardown of `Fragile`") && error.ends_with("it broke"), "{error}");
    assert_eq!(log.take(), ["close session 1"]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_lives_in_a_scope_is_not_there_outside() {
    let running = built(shop(&Log::default())).start().await.unwrap();
    let error = running.resolve::<Session>().await.err().unwrap().to_string();
    assert_eq!(error, "`Session` lives as long as the request; ask for it inside that scope");
    let scope = running.scope(Scope::Request).await.unwrap();
    let error = scope.resolve::<Session>().await.err().unwrap().to_string();
    assert_eq!(error, "`User` comes with the scope \"request\"; give it when the scope is entered");
    let error = running.scope(Scope::Request).give(7_u8).await.unwrap_err().to_string();
    assert!(error.starts_with("nothing provides `u8`"), "{error}");
    let error = running.scope(Scope::Named("tenant")).await.unwrap_err().to_string();
    assert_eq!(error, "there is no scope \"tenant\"; use \"app\" or \"request\"");
}

#[tokio::test(start_paused = true)]
async fn scopes_of_the_users_own_stand_between() {
    struct Tenant(&'static str);
    struct Quota(Arc<Tenant>);
    struct Page(Arc<Quota>, Arc<User>);
    let app = built(
        App::builder()
            .scopes(["tenant"])
            .add(context::<Tenant>(Scope::Named("tenant")))
            .context::<User>(Scope::Request)
            .add(construct(Quota).scope(Scope::Named("tenant")))
            .add(construct(Page).scope(Scope::Request)),
    );
    let running = app.start().await.unwrap();
    let tenant = running.scope(Scope::Named("tenant")).give(Tenant("acme")).await.unwrap();
    let one = tenant.scope(Scope::Request).give(User(1)).await.unwrap();
    let other = tenant.scope(Scope::Request).give(User(2)).await.unwrap();
    let (first, second) = (one.resolve::<Page>().await.unwrap(), other.resolve::<Page>().await.unwrap());
    assert!(Arc::ptr_eq(&first.0, &second.0));
    assert_eq!((first.0.0.0, first.1.0, second.1.0), ("acme", 1, 2));
    tenant.close().await.unwrap();
    assert!(one.resolve::<Page>().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_transient_is_made_for_each_that_takes_it() {
    struct Ticket;
    struct First(Arc<Ticket>);
    struct Second(Arc<Ticket>);
    let app = built(App::builder().add(construct(|| Ticket).transient()).construct(First).construct(Second).invoke(
        |first: Arc<First>, second: Arc<Second>, app: AppHandle| async move {
            assert!(!Arc::ptr_eq(&first.0, &second.0));
            let asked = app.resolve::<Ticket>().await?;
            assert!(!Arc::ptr_eq(&asked, &first.0));
            Ok::<_, hostloop::app::AppError>(())
        },
    ));
    app.start().await.unwrap().stop().await.unwrap();
}
