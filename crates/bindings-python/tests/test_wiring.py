"""What an application is made of: how types become keys, what is given to whom, and what mistakes are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Annotated, Any, Generic, NamedTuple, NewType, Optional, Protocol, TypeVar, runtime_checkable

import msgspec
import pydantic
import pytest

from hostloop import (
    App,
    Lazy,
    Lifecycle,
    Lifetimes,
    Named,
    Soft,
    Stop,
    context,
    decorate,
    hook,
    invoke,
    module,
    provide,
    supply,
    worker,
)
from hostloop.errors import HostloopError, InvalidError, NotProvidedError, WiringError

T = TypeVar("T")
Run = Callable[..., Any]


class Settings:
    """Needs nothing."""


class Database:
    """Needs one thing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Links:
    """Needs one thing, and has a default."""

    def __init__(self, database: Database, limit: int = 20) -> None:
        self.database = database
        self.limit = limit


@runtime_checkable
class Store(Protocol):
    """What a store must do."""

    def load(self) -> str: ...


class FileStore:
    """Is a store, without saying so."""

    def load(self) -> str:
        return "file"


class User:
    """A parameter of a generic class."""


class Source(Generic[T]):
    """A generic class without needs."""


class Repo(Generic[T]):
    """A generic class that needs another."""

    def __init__(self, source: Source[T]) -> None:
        self.source = source


Dsn = NewType("Dsn", str)


class Plugin:
    """One of several."""

    name = "plugin"


def resolved(app: App, wanted: Any) -> Any:
    """Starts an application, and returns what it gives for a type."""

    async def main() -> Any:
        async with app:
            return await app.resolve(wanted)

    return asyncio.run(main())


# What is provided as what.


def test_a_value_is_provided_as_its_class() -> None:
    settings = Settings()
    assert resolved(App(supply(settings)), Settings) is settings


def test_several_values_are_supplied_at_once() -> None:
    settings, user = Settings(), User()
    app = App(supply(settings, user))
    assert resolved(app, Settings) is settings
    assert resolved(app, User) is user


@pytest.mark.parametrize("value", [None, 0, "", [], False])
def test_a_value_that_is_false_or_none_is_a_value(value: Any) -> None:
    made = []

    class Holder:
        def __init__(self, given: Annotated[Any, Named("it")]) -> None:
            self.given = given

    def make() -> Any:
        made.append(value)
        return value

    class Thing:
        """What the value is provided as."""

    app = App(provide(make, as_=Thing))

    async def main() -> None:
        async with app:
            assert await app.resolve(Thing) == value
            assert await app.resolve(Thing) == value
        assert len(made) == 1

    asyncio.run(main())


def test_a_class_is_given_what_its_constructor_asks_for() -> None:
    links = resolved(App(supply(Settings()), provide(Database), provide(Links)), Links)
    assert isinstance(links.database.settings, Settings)
    assert links.limit == 20


def function(settings: Settings) -> Database:
    return Database(settings)


async def coroutine(settings: Settings) -> Database:
    return Database(settings)


def returning_an_awaitable(settings: Settings) -> Awaitable[Database]:
    return coroutine(settings)


def generator(settings: Settings) -> Iterator[Database]:
    yield Database(settings)


def full_generator(settings: Settings) -> Generator[Database, None, None]:
    yield Database(settings)


async def async_generator(settings: Settings) -> AsyncIterator[Database]:
    yield Database(settings)


@contextlib.contextmanager
def managed(settings: Settings) -> Iterator[Database]:
    yield Database(settings)


@contextlib.asynccontextmanager
async def async_managed(settings: Settings) -> AsyncIterator[Database]:
    yield Database(settings)


def returning_a_manager(settings: Settings) -> contextlib.AbstractContextManager[Database]:
    return contextlib.nullcontext(Database(settings))


def returning_an_async_manager(settings: Settings) -> contextlib.AbstractAsyncContextManager[Database]:
    return async_managed(settings)


class Maker:
    """Something that can be called."""

    def __call__(self, settings: Settings) -> Database:
        return Database(settings)

    async def method(self, settings: Settings) -> Database:
        return Database(settings)


def with_a_keyword(*, settings: Settings) -> Database:
    return Database(settings)


def with_more(settings: Settings, size: int) -> Database:
    return Database(settings)


FACTORIES: list[Any] = [
    Database,
    function,
    coroutine,
    returning_an_awaitable,
    generator,
    full_generator,
    async_generator,
    managed,
    async_managed,
    returning_a_manager,
    returning_an_async_manager,
    Maker(),
    Maker().method,
    with_a_keyword,
    functools.partial(with_more, size=3),
    functools.partial(functools.partial(with_more), size=3),
]


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: getattr(factory, "__name__", type(factory).__name__))
def test_whatever_can_be_called_makes_a_value(factory: Any) -> None:
    database = resolved(App(supply(Settings()), provide(factory)), Database)
    assert isinstance(database, Database)
    assert isinstance(database.settings, Settings)


@pytest.mark.parametrize("scope", ["request", "transient"])
@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: getattr(factory, "__name__", type(factory).__name__))
def test_whatever_can_be_called_makes_a_value_of_a_scope(factory: Any, scope: str) -> None:
    app = App(supply(Settings()), provide(factory, scope=scope))

    async def main() -> None:
        async with app, app.scope("request") as inner:
            database = await inner.resolve(Database)
            assert isinstance(database.settings, Settings)
            assert (database is await inner.resolve(Database)) == (scope == "request")

    asyncio.run(main())


@dataclasses.dataclass
class Data:
    """A dataclass."""

    settings: Settings
    limit: int = 3


class Struct(msgspec.Struct):
    """A struct."""

    settings: Settings


class Tuple(NamedTuple):
    """A named tuple."""

    settings: Settings


class Model(pydantic.BaseModel):
    """A model."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    settings: Settings


@pytest.mark.parametrize("cls", [Data, Struct, Tuple, Model])
def test_classes_with_a_constructor_that_is_generated_are_given_what_their_bodies_say(cls: type[Any]) -> None:
    assert isinstance(resolved(App(supply(Settings()), provide(cls)), cls).settings, Settings)


def test_a_value_is_provided_as_another_type() -> None:
    app = App(provide(FileStore, as_=Store))
    assert resolved(app, Store).load() == "file"
    with pytest.raises(NotProvidedError, match="nothing provides `FileStore`"):
        resolved(app, FileStore)


def test_one_value_is_provided_as_several_types() -> None:
    app = App(provide(FileStore, as_=(Store, FileStore)))

    async def main() -> None:
        async with app:
            assert await app.resolve(Store) is await app.resolve(FileStore)

    asyncio.run(main())


def test_values_of_one_type_are_told_apart_by_name() -> None:
    class Both:
        def __init__(self, main: Annotated[Settings, Named("main")], other: Annotated[Settings, Named("other")]) -> None:
            self.main, self.other = main, other

    Both.__init__.__annotations__.update(main=Annotated[Settings, Named("main")], other=Annotated[Settings, Named("other")])
    main, other = Settings(), Settings()
    both = resolved(App(supply(main, name="main"), supply(other, name="other"), provide(Both)), Both)
    assert (both.main, both.other) == (main, other)


def test_a_return_annotation_may_have_the_name() -> None:
    def replica() -> Annotated[Settings, Named("replica")]:
        return Settings()

    app = App(provide(replica))
    assert isinstance(resolved(app, Annotated[Settings, Named("replica")]), Settings)


def test_a_generic_class_is_another_type_for_each_parameter() -> None:
    users, settings = Source[User](), Source[Settings]()
    app = App(supply(users, as_=Source[User]), supply(settings, as_=Source[Settings]), provide(Repo[User]), provide(Repo[Settings]))
    assert resolved(app, Repo[User]).source is users
    assert resolved(app, Repo[Settings]).source is settings


def test_a_new_type_is_a_type_of_its_own() -> None:
    class Pool:
        def __init__(self, dsn: Dsn) -> None:
            self.dsn = dsn

    assert resolved(App(supply("sqlite://", as_=Dsn), provide(Pool)), Pool).dsn == "sqlite://"


# Needs that may be missing, several or later.


def test_what_is_optional_and_missing_is_none_or_its_default() -> None:
    class Service:
        def __init__(self, one: Settings | None, two: Optional[Settings], three: Settings = 3) -> None:  # type: ignore[assignment]  # noqa: UP045
            self.given = (one, two, three)

    assert resolved(App(provide(Service)), Service).given == (None, None, 3)
    given = resolved(App(provide(Service), supply(Settings())), Service).given
    assert all(isinstance(one, Settings) for one in given)


def test_what_is_optional_and_fails_is_no_reason_to_do_without() -> None:
    def failing() -> Settings:
        raise LookupError("no settings")

    class Service:
        def __init__(self, settings: Settings | None) -> None:
            self.settings = settings

    with pytest.raises(LookupError, match="no settings"):
        resolved(App(provide(failing), provide(Service)), Service)


def named(name: str) -> Any:
    """A provider of a plugin."""

    def make() -> Plugin:
        plugin = Plugin()
        plugin.name = name
        return plugin

    return make


class Registry:
    """Takes all plugins."""

    def __init__(self, plugins: list[Plugin]) -> None:
        self.names = [plugin.name for plugin in plugins]


def test_a_list_takes_all_values_in_the_order_of_their_declaration() -> None:
    app = App(*(provide(named(name)) for name in "abc"), provide(Registry))
    assert resolved(app, Registry).names == ["a", "b", "c"]
    assert [plugin.name for plugin in resolved(app, list[Plugin])] == ["a", "b", "c"]
    assert resolved(App(provide(Registry)), Registry).names == []


def test_a_soft_list_has_nothing_made_for_its_sake() -> None:
    made = []

    class SoftRegistry:
        def __init__(self, plugins: Annotated[list[Plugin], Soft]) -> None:
            self.plugins = plugins

    SoftRegistry.__init__.__annotations__["plugins"] = Annotated[list[Plugin], Soft]

    def plugin() -> Plugin:
        made.append("one")
        return Plugin()

    assert resolved(App(provide(plugin), provide(SoftRegistry)), SoftRegistry).plugins == []
    assert made == []


class Chicken:
    """Needs the egg, later."""

    def __init__(self, egg: Lazy[Egg]) -> None:
        self.egg = egg


class Egg:
    """Needs the chicken."""

    def __init__(self, chicken: Chicken) -> None:
        self.chicken = chicken


def test_what_is_taken_lazily_breaks_a_cycle() -> None:
    async def main() -> None:
        async with App(provide(Chicken), provide(Egg)) as app:
            egg = await app.resolve(Egg)
            assert await egg.chicken.egg.get() is egg
            assert egg.chicken.egg() is egg

    asyncio.run(main())


# Decorators and modules.


def test_decorators_wrap_in_the_order_of_their_declaration() -> None:
    def wrapped(name: str) -> Any:
        def wrap(plugin: Plugin, settings: Settings) -> Plugin:
            plugin.name = f"{name}({plugin.name})"
            return plugin

        return wrap

    app = App(supply(Settings()), provide(named("x")), decorate(wrapped("a")), decorate(wrapped("b")))
    assert resolved(app, Plugin).name == "b(a(x))"


def test_what_is_private_is_seen_by_its_module_alone_and_hides_what_is_public() -> None:
    class Inside:
        def __init__(self, plugin: Plugin) -> None:
            self.name = plugin.name

    class Outside:
        def __init__(self, plugin: Plugin) -> None:
            self.name = plugin.name

    app = App(provide(named("public")), module("m", provide(named("private"), private=True), provide(Inside)), provide(Outside))
    assert resolved(app, Inside).name == "private"
    assert resolved(app, Outside).name == "public"


def test_a_decorator_holds_in_its_module_alone() -> None:
    def loud(plugin: Plugin) -> Plugin:
        louder = Plugin()
        louder.name = plugin.name.upper()
        return louder

    class Inside:
        def __init__(self, plugin: Plugin) -> None:
            self.name = plugin.name

    app = App(provide(named("quiet")), module("m", decorate(loud), provide(Inside)))
    assert resolved(app, Inside).name == "QUIET"
    assert resolved(app, Plugin).name == "quiet"


# What an application is built from.


def test_nothing_of_the_users_runs_before_the_start() -> None:
    def never() -> Settings:
        raise AssertionError("called")

    app = App(provide(never), invoke(lambda: None))
    app.check()
    assert app.explain()["stage"] == "planned"


def test_an_application_can_be_asked_for() -> None:
    class Service:
        def __init__(self, app: App) -> None:
            self.app = app

    app = App(provide(Service))
    assert resolved(app, Service).app is app


def test_what_nobody_needs_is_never_made() -> None:
    def never() -> Settings:
        raise AssertionError("called")

    async def main() -> None:
        async with App(provide(never), invoke(lambda: None)):
            pass

    asyncio.run(main())


# Mistakes in one declaration.


def without_a_return_annotation(settings: Settings):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return Database(settings)


def with_an_unresolvable_annotation(settings: Nowhere) -> Database:  # type: ignore[name-defined]  # noqa: F821
    return Database(settings)


def with_an_unannotated_parameter(settings) -> Database:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return Database(settings)


def returning_nothing() -> None: ...


def a_generator_that_says_otherwise() -> Database:  # type: ignore[misc]
    yield Database(Settings())


def of_anything(settings: Any) -> Database:
    return Database(settings)


def with_a_lifecycle(lifecycle: Lifecycle) -> Database:
    return Database(Settings())


async def stopping(stop: Stop) -> None: ...


PLACE = rf"\(.*{re.escape('test_wiring.py')}:\d+\)"


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: provide(without_a_return_annotation), f"provide: `without_a_return_annotation` {PLACE} has no return annotation"),
        (lambda: provide(with_an_unresolvable_annotation), f"{PLACE} has an annotation that cannot be resolved: name 'Nowhere'"),
        (
            lambda: provide(with_an_unannotated_parameter),
            f"{PLACE} has the parameter `settings` without an annotation; annotate it",
        ),
        (lambda: provide(returning_nothing), f"{PLACE} returns None, which nobody can ask for; use invoke"),
        (lambda: provide(a_generator_that_says_otherwise), r"is a generator, .* write `-> Iterator\[Database\]`"),
        (lambda: provide(of_anything), f"{PLACE} has the parameter `settings`, whose annotation .*Any names no type"),
        (lambda: provide(3), "provide is given 3, which cannot be called"),  # type: ignore[arg-type]
        (lambda: provide(dict), "dict"),
        (lambda: provide(with_a_lifecycle, scope="request"), 'takes a Lifecycle and has the scope "request"'),
        (lambda: provide(Database, timeout=5), "has a timeout, and nothing in it waits that could be cut short"),
        (lambda: provide(coroutine, stop_timeout=5), "has a stop_timeout, and nothing in it waits"),
        (lambda: provide(coroutine, timeout=0), "timeout is 0; use seconds above 0, or None to wait without end"),
        (lambda: provide(Database, scope=3), "has the scope 3; use the name of a scope"),  # type: ignore[arg-type]
        (lambda: provide(Database, scope="inherited"), "has the scope 'inherited'; use the name of a scope"),
        (lambda: context(Database, scope="app"), "has the scope 'app', which nobody enters with values; use supply"),
        (lambda: supply("text"), "provides `str` without a name, so that every str would be it; give it name="),
        (lambda: supply(1, 2, as_=Dsn), "supply is given 2 values with as_ or name"),
        (lambda: decorate(function), "has no parameter of the type `Database`, which it would wrap"),
        (lambda: invoke(generator), "is a generator; use a function"),
        (lambda: hook(), "hook has neither on_start nor on_stop"),
        (lambda: hook(on_start=lambda: None, timeout=1), "has a timeout, and nothing in it waits"),
        (lambda: worker(lambda: None), "is not `async def`; make it so, and call what blocks with asyncio.to_thread"),
        (lambda: worker(stopping, ready=True), "has ready and could never say so; add a parameter of the type WorkerHandle"),
        (lambda: worker(stopping, watchdog=1), "has watchdog and could never say so"),
        (lambda: worker(stopping, timeout=1), "has a timeout, which is for its ready gate; add ready=True"),
        (lambda: worker(stopping, restart="sometimes"), "restart is 'sometimes'; use 'never' or 'on_failure' or 'always'"),  # type: ignore[arg-type]
        (lambda: worker(stopping, on_exhausted="cry"), "on_exhausted is 'cry'"),  # type: ignore[arg-type]
        (lambda: worker(stopping, backoff=-1), "backoff is -1; use seconds from 0 on"),
        (lambda: worker(stopping, factor=0.5), "factor is 0.5; use a number from 1 to 1000"),
        (lambda: worker(stopping, jitter=2), "jitter is 2; use a number from 0 to 1"),
        (lambda: worker(stopping, max_restarts=-1), "max_restarts is -1; use 0 or more"),
        (lambda: worker(stopping, window=0), "window is 0; use seconds above 0"),
        (lambda: module("m", Database), "module 'm' is given Database; give it supply"),  # type: ignore[arg-type]
        (lambda: App(Database), "App is given Database; give it supply"),  # type: ignore[arg-type]
        (lambda: App(scopes=["app"]), r"scopes are \['app'\]; list each once, from the longest to the shortest"),
        (lambda: App(scopes=["app", "transient", "request"]), "use names other than 'transient'"),
        (lambda: Lifetimes(order="random"), "Lifetimes.order is 'random'"),  # type: ignore[arg-type]
        (lambda: Lifetimes(step_timeout=0), "Lifetimes.step_timeout is 0"),
        (lambda: Lifetimes(grace=None), "Lifetimes.grace is None"),  # type: ignore[arg-type]
    ],
)
def test_a_mistake_in_one_declaration_is_told_where_it_is_written(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        declare()


def test_a_declaration_that_is_given_twice_is_refused() -> None:
    declared = provide(Settings)
    with pytest.raises(InvalidError, match=f"`Settings` {PLACE} is given twice"):
        App(declared, declared).check()


def test_a_worker_after_somebody_unknown_is_refused() -> None:
    with pytest.raises(InvalidError, match="which is no worker or hook of this application"):
        App(worker(stopping, after=[worker(stopping, name="other")])).check()


# Mistakes in all of them together.


def wrong(*declarations: Any, **options: Any) -> WiringError:
    with pytest.raises(WiringError) as raised:
        App(*declarations, **options).check()
    return raised.value


def test_every_mistake_is_told_at_once() -> None:
    class A:
        def __init__(self, b: B) -> None: ...

    class B:
        def __init__(self, a: A) -> None: ...

    A.__init__.__annotations__["b"], B.__init__.__annotations__["a"] = B, A

    class Session:
        pass

    class Cache:
        def __init__(self, session: Session) -> None: ...

    Cache.__init__.__annotations__["session"] = Session
    error = wrong(
        provide(Links),
        provide(A),
        provide(B),
        provide(Session, scope="request"),
        provide(Cache),
        provide(Settings, scope="session"),
        supply(User()),
        provide(User),
        invoke(function),
    )
    assert [mistake.code for mistake in error.mistakes] == ["missing", "cycle", "leak", "unknown-scope", "duplicate"]
    assert isinstance(error, HostloopError)
    for mistake in error.mistakes:
        assert "test_wiring.py:" in mistake.path[0][1]
        assert mistake.text in str(error)


def test_what_is_missing_has_its_path_and_what_comes_close() -> None:
    [mistake] = wrong(
        provide(Links), provide(lambda: Database(Settings()), as_=Annotated[Database, Named("main")]), invoke(uses_links)
    ).mistakes
    assert mistake.code == "missing"
    assert mistake.message == "`Links` needs for `database` a `Database`, which nothing provides"
    assert [label for label, _ in mistake.path] == ["uses_links", "Links", "Database"]
    assert mistake.fix == '`Database named "main"` is provided; ask for that, or provide this one too'


def uses_links(links: Links) -> None: ...


def uses_the_store(store: Store) -> None: ...


def test_what_would_do_is_named_though_it_is_no_subclass() -> None:
    [mistake] = wrong(provide(FileStore), invoke(uses_the_store)).mistakes
    assert re.fullmatch(f"`FileStore` {PLACE} provides `FileStore`, which is a `Store`; provide it as `Store` too", mistake.fix)


def test_a_private_provider_is_named_with_its_module() -> None:
    [mistake] = wrong(module("storage", provide(Settings, private=True)), provide(Database), invoke(uses_a_database)).mistakes
    assert "but is private to module `storage`; make it public, or ask from inside" in mistake.fix


def uses_a_database(database: Database) -> None: ...


def test_a_type_that_nobody_provides_is_an_error_that_says_what_comes_close(run: Run) -> None:
    async def main() -> None:
        async with App(provide(FileStore), supply(Settings(), name="main")) as app:
            with pytest.raises(NotProvidedError, match=r"nothing provides `Store`; `FileStore` .* provide it as `Store` too"):
                await app.resolve(Store)
            with pytest.raises(NotProvidedError, match='nothing provides `Settings`; `Settings named "main"` is provided'):
                await app.resolve(Settings)
            with pytest.raises(NotProvidedError, match="nothing provides `User`; add provide"):
                await app.resolve(User)

    run(main())


def test_a_handler_that_cannot_wait_cannot_be_given_what_is_awaited() -> None:
    app = App(supply(Settings()), provide(coroutine, scope="request"))
    app.get("/", inline=True)(uses_a_database)
    with pytest.raises(WiringError) as raised:
        app.check()
    [mistake] = raised.value.mistakes
    assert mistake.code == "async-in-sync"
    assert mistake.message == "`GET /` cannot wait, and `coroutine` is made asynchronously"


def test_two_of_one_type_are_ambiguous_for_who_needs_one() -> None:
    [mistake] = wrong(provide(Settings), module("m", provide(Settings)), provide(Database), invoke(uses_a_database)).mistakes
    assert mistake.code == "ambiguous"


def test_a_decorator_of_nothing_is_a_mistake() -> None:
    def wrap(settings: Settings) -> Settings:
        return settings

    [mistake] = wrong(decorate(wrap)).mistakes
    assert mistake.code == "decorate-nothing"


def test_what_is_unused_is_a_warning_that_does_not_keep_it_from_running(run: Run) -> None:
    app = App(provide(Settings), invoke(lambda: None))
    assert [warning.code for warning in app.check()] == ["unused"]

    async def main() -> None:
        async with app:
            pass

    run(main())


@pytest.mark.parametrize("name", ["", 3])
def test_a_name_that_tells_nothing_apart_is_refused(name: Any) -> None:
    with pytest.raises(InvalidError, match="name is"):
        Named(name)
    with pytest.raises(InvalidError, match="name is"):
        provide(object_of_its_own, name=name)


class OfItsOwn:
    pass


def object_of_its_own() -> OfItsOwn:
    return OfItsOwn()


async def runs_on() -> None:
    pass


def test_a_worker_after_something_that_is_no_list_is_refused() -> None:
    with pytest.raises(InvalidError, match="give a list of them"):
        worker(runs_on, after=runs_on)  # type: ignore[arg-type]
