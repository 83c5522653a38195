//! Wiring: what a closure is given, and what is said when it cannot be.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{convert::Infallible, sync::Arc};

use app_support::{Log, built};
use hostloop::{
    App,
    app::{AppHandle, Hook, Lazy, Module, Named, Provide, Scope, context, provide, resource, supply, supply_arc, worker},
    lifecycle::{Code, Restart},
};

trait Store: Send + Sync {
    fn name(&self) -> String;
}

struct Memory;

impl Store for Memory {
    fn name(&self) -> String {
        "memory".into()
    }
}

struct Cached(Arc<dyn Store>);

impl Store for Cached {
    fn name(&self) -> String {
        format!("cached {}", self.0.name())
    }
}

struct Settings(&'static str);
struct Links(Arc<dyn Store>);

async fn cached(store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Infallible> {
    Ok(Arc::new(Cached(store)))
}

#[tokio::test]
async fn values_are_given_by_type_and_made_once() {
    let log = Log::default();
    let made = log.clone();
    let links = move |settings: Arc<Settings>, store: Arc<dyn Store>| {
        made.note(format!("{} with {}", settings.0, store.name()));
        async { Ok::<_, Infallible>(Links(store)) }
    };
    let app = built(
        App::builder()
            .supply(Settings("here"))
            .construct(|| Memory)
            .alias(|memory: Arc<Memory>| memory as Arc<dyn Store>)
            .provide(links)
            .invoke(|_: Arc<Links>| async {})
            .invoke(|_: Arc<Links>| async {}),
    );
    let running = app.start().await.unwrap();
    let (first, second) = (running.resolve::<Links>().await.unwrap(), running.resolve::<Links>().await.unwrap());
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(log.take(), ["here with memory"]);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_trait_and_the_type_behind_it_are_one_value() {
    struct Counted(Arc<Memory>, Arc<dyn Store>);
    let app = built(
        App::builder()
            .construct(|| Memory)
            .alias(|memory: Arc<Memory>| memory as Arc<dyn Store>)
            .construct(Counted)
            .invoke(|_: Arc<Counted>| async {}),
    );
    let running = app.start().await.unwrap();
    let both = running.resolve::<Counted>().await.unwrap();
    assert_eq!(Arc::as_ptr(&both.0).cast::<()>(), Arc::as_ptr(&both.1).cast::<()>());
}

#[tokio::test]
async fn what_is_optional_may_be_missing_and_what_is_collected_comes_in_order() {
    struct Plugins(Vec<String>, bool, bool);
    let app = built(
        App::builder()
            .supply(Settings("there"))
            .add(supply_arc::<dyn Store>(Arc::new(Memory)))
            .construct(|| Cached(Arc::new(Memory)))
            .alias(|cached: Arc<Cached>| cached as Arc<dyn Store>)
            .construct(|all: Vec<Arc<dyn Store>>, settings: Option<Arc<Settings>>, links: Option<Arc<Links>>| {
                Plugins(all.iter().map(|store| store.name()).collect(), settings.is_some(), links.is_some())
            })
            .invoke(|_: Arc<Plugins>| async {}),
    );
    let running = app.start().await.unwrap();
    let plugins = running.resolve::<Plugins>().await.unwrap();
    assert_eq!(plugins.0, ["memory", "cached memory"]);
    assert_eq!((plugins.1, plugins.2), (true, false));
    assert_eq!(running.resolve_all::<dyn Store>().await.unwrap().len(), 2);
}

#[tokio::test]
async fn values_of_one_type_are_told_apart_by_their_names() {
    struct Primary;
    struct Replica;
    struct Report(&'static str);
    let app = built(
        App::builder()
            .add(supply(Settings("primary")).named::<Primary>())
            .add(provide(|| async { Ok::<_, Infallible>(Settings("replica")) }).named::<Replica>())
            .construct(|settings: Named<Settings, Replica>, other: Option<Named<Settings, u8>>| {
                assert!(other.is_none());
                Report(settings.0)
            })
            .invoke(|_: Arc<Report>| async {}),
    );
    let running = app.start().await.unwrap();
    assert_eq!(running.resolve::<Report>().await.unwrap().0, "replica");
    assert_eq!(running.resolve_named::<Settings, Primary>().await.unwrap().0, "primary");
}

#[tokio::test]
async fn a_decorator_wraps_what_everybody_else_is_given() {
    let builder = App::builder().add(supply_arc::<dyn Store>(Arc::new(Memory))).decorate(cached).decorate(cached).construct(Links);
    let running = built(builder.invoke(|_: Arc<Links>| async {})).start().await.unwrap();
    assert_eq!(running.resolve::<Links>().await.unwrap().0.name(), "cached cached memory");
}

#[tokio::test]
async fn what_is_private_to_a_module_is_seen_by_itself() {
    struct Pool(&'static str);
    struct Inside(Arc<Pool>);
    let module = |name, pool| Module::new(name).add(supply(Pool(pool)).private());
    let app = App::builder()
        .module(module("storage", "storage's").construct(Inside).invoke(|_: Arc<Inside>| async {}))
        .module(module("reports", "reports'"));
    let running = built(app.clone()).start().await.unwrap();
    assert_eq!(running.resolve::<Inside>().await.unwrap().0.0, "storage's");
    let refused = app.invoke(|_: Arc<Pool>| async {}).build().unwrap_err().to_string();
    assert!(refused.contains("is private to module `storage`"), "{refused}");
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    struct First(#[allow(dead_code, reason = "held")] Arc<Second>);
    struct Second(#[allow(dead_code, reason = "held")] Arc<First>);
    struct Session;
    let line = line!();
    let error = App::builder()
        .construct(|_: Arc<Settings>| Memory)
        .construct(First)
        .construct(Second)
        .add(provide(|| async { Ok::<_, Infallible>(Session) }).scope(Scope::Request))
        .invoke(|_: Arc<Session>| async {})
        .add(worker("sweeper", Restart::Never, || async {}).after("sweeping"))
        .build()
        .unwrap_err();
    let codes: Vec<_> = error.mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, [Code::Missing, Code::Cycle, Code::Leak, Code::Missing], "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "`Memory` needs `Settings`, which nothing provides\n  path: Memory (crates/core/tests/app_wiring.rs:{})",
            line + 2
        )),
        "{text}"
    );
    assert!(text.contains("First (crates/core/tests/app_wiring.rs"), "{text}");
    assert!(text.contains("`invoke` lives as long as the app and holds `Session`"), "{text}");
    assert!(text.contains("`sweeper` starts after `sweeping`, and no hook or worker has that name"), "{text}");
}

#[test]
fn checking_calls_nothing() {
    fn never() -> Memory {
        panic!("the check has called this")
    }
    built(App::builder().construct(never).invoke(|_: Arc<Memory>| async { panic!("and this") }));
}

#[tokio::test]
async fn an_override_takes_the_place_of_what_provides_the_same_and_of_its_decorators() {
    struct Recording;
    impl Store for Recording {
        fn name(&self) -> String {
            "recording".into()
        }
    }
    async fn expensive() -> Result<Arc<dyn Store>, Infallible> {
        panic!("the real one is made")
    }
    let app = built(
        App::builder()
            .add(hostloop::app::provide_arc(expensive))
            .decorate(cached)
            .construct(Links)
            .invoke(|_: Arc<Links>| async {}),
    );
    let tested = app.with_overrides(|with| with.supply_arc::<dyn Store>(Arc::new(Recording))).unwrap();
    let running = tested.start().await.unwrap();
    assert_eq!(running.resolve::<Links>().await.unwrap().0.name(), "recording");
    assert!(app.start().await.unwrap_err().to_string().contains("the real one is made"));
}

#[test]
fn an_override_of_nothing_is_a_mistake() {
    let app = built(App::builder().construct(|| Memory).invoke(|_: Arc<Memory>| async {}));
    let error = app.with_overrides(|with| with.supply(Settings("new"))).unwrap_err();
    assert_eq!(error.mistakes[0].code, Code::OverrideNothing, "{error}");
}

#[tokio::test]
async fn a_lazy_parameter_breaks_a_cycle() {
    struct Parent(Arc<Child>);
    struct Child(Lazy<Parent>);
    let app = built(App::builder().construct(Parent).construct(Child).invoke(|_: Arc<Parent>| async {}));
    let running = app.start().await.unwrap();
    let parent = running.resolve::<Parent>().await.unwrap();
    assert!(Arc::ptr_eq(&*parent.0.0.get().await.unwrap(), &parent));
}

#[tokio::test]
async fn what_is_asked_for_and_nobody_provides_is_named() {
    let running = built(App::builder().invoke(|| async {})).start().await.unwrap();
    let error = running.resolve::<dyn Store>().await.err().unwrap().to_string();
    assert_eq!(error, "nothing provides `dyn Store`; add provide(...) with a call that makes it");
}

#[tokio::test]
async fn the_longest_call_takes_eight() {
    struct N<const I: usize>;
    #[rustfmt::skip]
    let all = |_: Arc<N<1>>, _: Arc<N<2>>, _: Arc<N<3>>, _: Arc<N<4>>, _: Arc<N<5>>, _: Arc<N<6>>, _: AppHandle, _: Option<Arc<N<8>>>| async {};
    let builder = App::builder().supply(N::<1>).supply(N::<2>).supply(N::<3>).supply(N::<4>).supply(N::<5>).supply(N::<6>);
    built(builder.invoke(all)).start().await.unwrap().stop().await.unwrap();
}

#[test]
fn the_graph_is_explained_with_kinds_labels_and_places() {
    async fn prepare(_: Arc<Links>) {}
    let app = built(
        App::builder()
            .construct(|| Memory)
            .alias(|memory: Arc<Memory>| memory as Arc<dyn Store>)
            .construct(Links)
            .invoke(prepare)
            .hook(Hook::new("announce").on_start(|_: Arc<Links>| async {}))
            .worker("sweeper", Restart::OnFailure, |_: Arc<Links>| async {}),
    );
    let explained = app.explain();
    let nodes: Vec<_> = explained.nodes.iter().map(|node| (node.kind.name(), node.label.as_str())).collect();
    assert_eq!(
        nodes,
        [
            ("factory", "Memory"),
            ("alias", "dyn Store"),
            ("factory", "Links"),
            ("invoke", "prepare"),
            ("hook", "announce"),
            ("worker", "sweeper")
        ]
    );
    assert!(explained.nodes.iter().all(|node| node.source.starts_with("crates/core/tests/app_wiring.rs:")));
    assert_eq!(app.warnings().len(), 0);
}

#[test]
fn what_nothing_needs_is_a_warning() {
    let app = built(App::builder().supply(Settings("idle")).invoke(|| async {}));
    let codes: Vec<_> = app.warnings().iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [Code::Unused]);
}

/// Declarations are values: they can be passed around and changed.
#[test]
fn declarations_can_be_made_elsewhere() {
    fn declared() -> Provide {
        resource(|| async { Ok::<_, Infallible>(hostloop::Resource::new(Memory, |_| async {})) }).transient()
    }
    built(App::builder().add(declared()).add(context::<Settings>(Scope::Request)).invoke(|_: Arc<Memory>| async {}));
}
