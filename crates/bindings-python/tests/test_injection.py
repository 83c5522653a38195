"""Handlers are given what the graph provides, and what lives as long as the request is taken back when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import linecache
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import pytest
import wire

from hostloop import App, HTTPError, Lazy, Named, Request, Soft, StreamingResponse, context, decorate, provide, supply
from hostloop.errors import InvalidError, StaleError, WiringError

Run = Callable[..., Any]


class Settings:
    """Lives as long as the application."""

    greeting = "hello"


class Session:
    """Lives as long as the request."""

    def __init__(self, request: Request | None = None) -> None:
        self.request = request
        self.is_open = True


class Account:
    """Needs a session."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session = session
        self.settings = settings


@dataclasses.dataclass
class Body:
    """What a request may send."""

    text: str


class Ledger:
    """Provides sessions, and writes down what becomes of them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def session(self, request: Request) -> Iterator[Session]:
        session = Session(request)
        self.lines.append("open")
        try:
            yield session
        except BaseException as error:
            self.lines.append(f"failed {type(error).__name__}")
            raise
        else:
            self.lines.append("committed")
        finally:
            session.is_open = False

    async def async_session(self, request: Request) -> AsyncIterator[Session]:
        with contextlib.contextmanager(self.session)(request) as session:
            await asyncio.sleep(0)
            yield session
            await asyncio.sleep(0)


def app_with(ledger: Ledger, *, kind: str = "session", **options: Any) -> App:
    return App(supply(Settings()), provide(getattr(ledger, kind), scope="request"), provide(Account, scope="request"), **options)


# Where parameters come from.


def test_a_handler_is_given_what_the_graph_provides_beside_what_the_request_brings() -> None:
    app = App(supply(Settings()))

    @app.post("/{code}")
    async def handler(code: str, settings: Settings, body: Body, *, limit: int = 3, request: Request) -> list[Any]:
        return [code, settings.greeting, body.text, limit, request.path]

    with app.test() as client:
        assert client.post("/x", json={"text": "t"}, query={"limit": 7}).json() == ["x", "hello", "t", 7, "/x"]


def test_a_path_parameter_comes_before_the_graph_and_the_graph_before_a_body() -> None:
    app = App(supply(Body("of the graph")))

    @app.post("/{code}")
    async def handler(code: str, body: Body) -> str:
        return f"{code} {body.text}"

    with app.test() as client:
        assert client.post("/x", json={"text": "sent"}).text == "x of the graph"


def test_named_lists_optional_and_default_parameters() -> None:
    app = App(supply(Settings(), name="main"), supply("a", as_=Annotated[str, Named("plugin")]), supply("b", name="plugin"))

    class Nowhere:
        """Is provided by nothing."""

    async def handler(main: Any, plugins: Any, soft: Any, nothing: Any, default: Any = 4) -> list[Any]:
        return [main.greeting, plugins, soft, nothing, default]

    handler.__annotations__.update(
        main=Annotated[Settings, Named("main")],
        plugins=list[Annotated[str, Named("plugin")]],  # type: ignore[misc]
        soft=Annotated[list[Nowhere], Soft],
        nothing=Nowhere | None,
        default=Nowhere,
    )
    app.get("/")(handler)
    with app.test() as client:
        assert client.get("/").json() == ["hello", ["a", "b"], [], None, 4]


def test_a_type_that_nobody_provides_is_a_mistake_of_the_wiring_with_its_route() -> None:
    app = App(supply(Settings()))

    @app.get("/accounts")
    async def handler(account: Account) -> None: ...

    with pytest.raises(WiringError) as raised, app.test():
        pass
    [mistake] = raised.value.mistakes
    assert mistake.message == "`GET /accounts` needs for `account` a `Account`, which nothing provides"
    assert "test_injection.py:" in mistake.path[0][1]


def test_what_the_routes_reach_is_built_at_the_start(run: Run) -> None:
    made = []

    async def settings() -> Settings:
        made.append("settings")
        return Settings()

    app = App(provide(settings))

    @app.get("/")
    async def handler(settings: Settings) -> str:
        return settings.greeting

    async def main() -> None:
        async with app.test() as client:
            assert made == ["settings"]
            assert (await client.get("/")).text == "hello"

    run(main())


def test_a_handler_without_anything_of_the_requests_scope_costs_nothing_but_a_name() -> None:
    plain, given = App(), App(supply(Settings()))

    async def without(code: str, limit: int = 3) -> str:
        return code

    async def handler(code: str, settings: Settings, limit: int = 3) -> str:
        return code

    plain.get("/plain/{code}")(without)
    given.get("/given/{code}")(handler)
    with plain.test(), given.test():
        sources = [source(name) for name in ("GET /plain/{code}", "GET /given/{code}")]
    assert sources[1].replace("given", "plain").replace("p_code, v0, p_limit", "p_code, p_limit") == sources[0]


def source(name: str) -> str:
    """What was compiled for a route."""
    return "".join(linecache.getlines(f"<hostloop {name}>"))


# What lives as long as the request.


@pytest.mark.parametrize("kind", ["session", "async_session"])
@pytest.mark.parametrize("style", ["async", "thread", "inline"])
def test_a_value_of_the_request_is_made_once_and_taken_back(kind: str, style: str) -> None:
    ledger = Ledger()
    app = app_with(ledger, kind=kind)

    async def handler(account: Account, session: Session, request: Request) -> str:
        assert account.session is session
        assert session.request is request
        assert session.is_open
        return account.settings.greeting

    def plain(account: Account, session: Session) -> str:
        assert account.session is session
        assert session.is_open
        return account.settings.greeting

    app.get("/", inline=style == "inline")(handler if style == "async" else plain)
    if (kind, style) == ("async_session", "inline"):
        with pytest.raises(WiringError, match="async-in-sync"):
            app.check()
        return
    with app.test() as client:
        for _ in range(2):
            assert client.get("/").text == "hello"
    assert ledger.lines == ["open", "committed"] * 2


@pytest.mark.parametrize("kind", ["session", "async_session"])
@pytest.mark.parametrize("style", ["async", "thread", "inline"])
def test_what_a_handler_raises_reaches_the_values_and_is_answered(kind: str, style: str) -> None:
    ledger = Ledger()
    app = app_with(ledger, kind=kind)

    async def handler(session: Session) -> None:
        raise HTTPError(404, "no such thing")

    def plain(session: Session) -> None:
        raise HTTPError(404, "no such thing")

    if (kind, style) == ("async_session", "inline"):
        return
    app.get("/", inline=style == "inline")(handler if style == "async" else plain)
    with app.test() as client:
        assert client.get("/").status == 404
    assert ledger.lines == ["open", "failed HTTPError"]


@pytest.mark.parametrize("style", ["async", "inline"])
def test_a_teardown_that_fails_is_a_500_and_no_other_is_kept_from_its_turn(style: str, caplog: pytest.LogCaptureFixture) -> None:
    lines = []

    class Outer:
        """Is taken back last."""

    def outer() -> Iterator[Outer]:
        try:
            yield Outer()
        except LookupError:
            lines.append("outer failed")
            raise

    def session(outer: Outer) -> Iterator[Session]:
        yield Session()
        raise LookupError("cannot commit")

    outer.__annotations__["return"], session.__annotations__["outer"] = Iterator[Outer], Outer
    app = App(provide(outer, scope="request"), provide(session, scope="request"))

    async def handler(session: Session) -> dict[str, str]:
        return {"status": "done"}

    def plain(session: Session) -> dict[str, str]:
        return {"status": "done"}

    app.get("/", inline=style == "inline")(handler if style == "async" else plain)
    with app.test() as client:
        assert client.get("/").status == 500
    assert lines == ["outer failed"]
    assert "cannot commit" in caplog.text


def test_a_teardown_that_fails_does_not_hide_what_the_handler_raised(caplog: pytest.LogCaptureFixture) -> None:
    def session() -> Iterator[Session]:
        try:
            yield Session()
        finally:
            raise LookupError("cannot roll back")

    app = App(provide(session, scope="request"))

    @app.get("/")
    async def handler(session: Session) -> None:
        raise HTTPError(409, "conflict")

    with app.test() as client:
        assert client.get("/").status == 409
    assert "the teardown of `session` (" in caplog.text
    assert "cannot roll back" in caplog.text


def test_a_generator_cannot_swallow_what_the_handler_raised() -> None:
    def session() -> Iterator[Session]:
        with contextlib.suppress(HTTPError):
            yield Session()

    app = App(provide(session, scope="request"))

    @app.get("/")
    async def handler(session: Session) -> None:
        raise HTTPError(409)

    with app.test() as client:
        assert client.get("/").status == 409


def test_a_value_that_cannot_be_made_is_answered_and_those_before_it_are_taken_back() -> None:
    ledger = Ledger()

    def account(session: Session) -> Account:
        raise HTTPError(401, "who are you?")

    app = App(provide(ledger.session, scope="request"), provide(account, scope="request"))

    @app.get("/")
    async def handler(account: Account) -> None: ...

    with app.test() as client:
        assert client.get("/").status == 401
    assert ledger.lines == ["open", "failed HTTPError"]


def test_a_request_that_is_refused_makes_nothing() -> None:
    ledger = Ledger()
    app = app_with(ledger)

    @app.get("/{code}")
    async def handler(code: int, session: Session) -> None: ...

    with app.test() as client:
        assert client.get("/x").status == 422
    assert ledger.lines == []


def test_what_is_returned_is_encoded_while_its_scope_is_open() -> None:
    ledger = Ledger()
    app = app_with(ledger)

    class Row:
        """Can be read as long as its session is open."""

        def __init__(self, session: Session) -> None:
            self.session = session

        def model_dump(self, mode: str) -> dict[str, bool]:
            return {"open": self.session.is_open}

    @app.get("/")
    async def handler(session: Session) -> Any:
        return {"row": Row(session)}

    with app.test() as client:
        assert client.get("/").json() == {"row": {"open": True}}
    assert ledger.lines == ["open", "committed"]


@pytest.mark.parametrize("result", ["text", b"bytes", None, memoryview(b"view")])
def test_every_kind_of_answer_is_given_from_a_scope(result: Any) -> None:
    ledger = Ledger()
    app = app_with(ledger)

    @app.get("/")
    async def handler(session: Session) -> Any:
        return result

    with app.test() as client:
        expected = b"" if result is None else result.encode() if isinstance(result, str) else bytes(result)
        assert client.get("/").content == expected
    assert ledger.lines == ["open", "committed"]


@pytest.mark.parametrize("kind", ["session", "async_session"])
@pytest.mark.parametrize("style", ["async generator", "generator", "inline generator", "streaming response"])
def test_a_scope_is_open_until_a_streamed_response_has_been_sent(kind: str, style: str) -> None:
    ledger = Ledger()
    app = app_with(ledger, kind=kind)

    async def async_pieces(session: Session) -> AsyncIterator[str]:
        for piece in "ab":
            assert session.is_open
            ledger.lines.append(piece)
            yield piece

    def pieces(session: Session) -> Iterator[str]:
        for piece in "ab":
            assert session.is_open
            ledger.lines.append(piece)
            yield piece

    async def response(session: Session) -> StreamingResponse:
        return StreamingResponse(async_pieces(session))

    handlers = {
        "async generator": async_pieces,
        "generator": pieces,
        "inline generator": pieces,
        "streaming response": response,
    }
    if (kind, style) == ("async_session", "inline generator"):
        return
    app.get("/", inline=style == "inline generator")(handlers[style])
    with app.test() as client:
        assert client.get("/").text == "ab"
    assert ledger.lines == ["open", "a", "b", "committed"]


@pytest.mark.parametrize("style", ["async", "inline"])
def test_a_stream_that_fails_reaches_the_values(style: str, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    app = app_with(ledger)

    async def failing(session: Session) -> AsyncIterator[str]:
        yield "a"
        raise LookupError

    def plain(session: Session) -> Iterator[str]:
        yield "a"
        raise LookupError

    app.get("/", inline=style == "inline")(failing if style == "async" else plain)
    with app.test() as client, contextlib.suppress(Exception):
        client.get("/")
    assert ledger.lines == ["open", "failed LookupError"]


def test_a_client_that_leaves_cancels_the_handler_and_its_values_are_told(run: Run) -> None:
    ledger = Ledger()
    app = app_with(ledger, kind="async_session")
    begun = asyncio.Event()

    @app.get("/")
    async def handler(session: Session) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as client:
                await client.request("GET", "/")
                await begun.wait()
            while len(ledger.lines) < 2:
                await asyncio.sleep(0.001)
        assert ledger.lines == ["open", "failed CancelledError"]

    run(main())


def test_values_of_requests_beside_each_other_are_isolated(run: Run) -> None:
    ledger = Ledger()
    app = app_with(ledger)
    seen: list[Session] = []
    all_in = asyncio.Event()

    @app.get("/")
    async def handler(account: Account) -> str:
        seen.append(account.session)
        if len(seen) == 10:
            all_in.set()
        await all_in.wait()
        return str(account.session.is_open)

    async def main() -> None:
        async with app.test() as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(10)))
        assert {answer.text for answer in answers} == {"True"}
        assert len(set(map(id, seen))) == 10

    run(main())


def test_a_cancel_scope_may_span_the_yield_of_a_value_of_the_request() -> None:
    async def session() -> AsyncIterator[Session]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield Session()
            group.cancel_scope.cancel()

    app = App(provide(session, scope="request"))

    @app.get("/")
    async def handler(session: Session) -> str:
        await asyncio.sleep(0)
        return "ok"

    with app.test() as client:
        assert client.get("/").text == "ok"


def test_context_managers_of_the_request_are_left_once(run: Run) -> None:
    lines = []

    class Manager(contextlib.AbstractContextManager[Any], contextlib.AbstractAsyncContextManager[Any]):
        def __init__(self, name: str, *, fails: bool = False) -> None:
            self.name, self.fails = name, fails

        def __enter__(self) -> Session:
            return Session()

        def __exit__(self, kind: Any, *_: Any) -> None:
            lines.append(f"{self.name} {kind.__name__ if kind else None}")
            if self.fails:
                raise LookupError

        async def __aenter__(self) -> Session:
            return Session()

        async def __aexit__(self, kind: Any, *_: Any) -> None:
            await asyncio.sleep(0)
            self.__exit__(kind)

    class First:
        """One key."""

    class Second:
        """Another."""

    def first() -> contextlib.AbstractAsyncContextManager[Any]:
        return Manager("first")

    def second(first: First) -> contextlib.AbstractContextManager[Any]:
        return Manager("second", fails=True)

    second.__annotations__["first"] = First
    app = App(provide(first, as_=First, scope="request"), provide(second, as_=Second, scope="request"))

    async def handler(second: Second) -> None: ...

    handler.__annotations__["second"] = Second
    app.get("/")(handler)
    with app.test() as client:
        assert client.get("/").status == 500
    assert lines == ["second None", "first LookupError"]


def test_more_values_than_python_nests_blocks(run: Run) -> None:
    ledger: list[int] = []
    types = [type(f"Level{number}", (), {}) for number in range(40)]

    def level(number: int) -> Any:
        def make(*below: Any) -> Iterator[Any]:
            ledger.append(number)
            yield object()
            ledger.append(-number)

        def first() -> Iterator[Any]:
            yield from make()

        def then(below: Any) -> Iterator[Any]:
            yield from make(below)

        if number == 0:
            return first
        then.__annotations__["below"] = types[number - 1]
        return then

    app = App(*(provide(level(number), as_=types[number], scope="request") for number in range(40)))

    async def handler(top: Any) -> str:
        return "ok"

    handler.__annotations__["top"] = types[-1]
    app.get("/")(handler)
    with app.test() as client:
        assert client.get("/").text == "ok"
    assert ledger == [*range(40), *(-number for number in reversed(range(40)))]


def test_transient_values_are_made_for_each_who_needs_them() -> None:
    made = []

    def session() -> Iterator[Session]:
        made.append("open")
        yield Session()
        made.append("closed")

    app = App(supply(Settings()), provide(session, scope="transient"), provide(Account, scope="request"))

    @app.get("/")
    async def handler(account: Account, session: Session) -> str:
        return str(account.session is session)

    with app.test() as client:
        assert client.get("/").text == "False"
    assert made == ["open", "open", "closed", "closed"]


def test_decorators_and_lists_of_the_request() -> None:
    class Plugin:
        """One of several."""

        def __init__(self, name: str = "plugin") -> None:
            self.name = name

    def named(name: str) -> Any:
        return lambda: Plugin(name)

    def loud(session: Session) -> Session:
        session.request = "loud"  # type: ignore[assignment]
        return session

    app = App(
        provide(named("a"), as_=Plugin, scope="request"),
        provide(named("b"), as_=Plugin),
        provide(Session, scope="request"),
        decorate(loud),
    )

    async def handler(plugins: Any, session: Session) -> list[Any]:
        return [[plugin.name for plugin in plugins], session.request]

    handler.__annotations__["plugins"] = list[Plugin]
    app.get("/")(handler)
    with app.test() as client:
        assert client.get("/").json() == [["a", "b"], "loud"]


# What a straight line cannot do.


def test_what_a_value_of_the_request_takes_lazily_is_of_the_same_request() -> None:
    ledger = Ledger()

    class Later:
        def __init__(self, session: Lazy[Session]) -> None:
            self.session = session

    Later.__init__.__annotations__["session"] = Lazy[Session]
    app = App(provide(ledger.session, scope="request"), provide(Later, scope="request"))

    async def handler(later: Any, request: Request) -> str:
        assert ledger.lines == []
        session = await later.session.get()
        assert session.request is request
        assert session is later.session()
        return "ok"

    handler.__annotations__["later"] = Later
    app.get("/")(handler)
    with app.test() as client:
        assert client.get("/").text == "ok"
    assert ledger.lines == ["open", "committed"]


def test_a_lazy_parameter_of_a_handler(run: Run) -> None:
    app = App(provide(Settings), provide(Session, scope="request"))

    @app.get("/app")
    async def of_the_app(settings: Lazy[Settings]) -> str:
        return (await settings.get()).greeting

    @app.get("/request")
    async def of_the_request(session: Lazy[Session]) -> str:
        return str(await session.get() is session())

    with app.test() as client:
        assert client.get("/app").text == "hello"
        assert client.get("/request").text == "True"


def test_a_value_of_the_request_may_have_a_time() -> None:
    async def session() -> Session:
        await asyncio.Event().wait()
        return Session()

    app = App(provide(session, scope="request", timeout=0.01))

    @app.get("/")
    async def handler(session: Session) -> None: ...

    with app.test() as client:
        assert client.get("/").status == 500


def test_an_inline_handler_that_would_need_a_scope_to_ask_is_refused() -> None:
    app = App(provide(Session, scope="request"))

    @app.get("/", inline=True)
    def handler(session: Lazy[Session]) -> None: ...

    with pytest.raises(InvalidError, match=r"GET / \(.*\) is inline, and needs lazily .* make it `async def`"):
        app.check()


def test_a_refused_handler_is_refused_each_time_it_is_asked_about() -> None:
    app = App(provide(Session, scope="request"))

    @app.get("/", inline=True)
    def handler(session: Lazy[Session]) -> None: ...

    for ask in (app.check, app.check, app.explain):
        with pytest.raises(InvalidError, match="is inline"):
            ask()


def test_what_comes_with_another_scope_is_refused_for_a_handler() -> None:
    class User:
        """Comes with a scope."""

    app = App(context(User))

    async def handler(user: Any) -> None: ...

    handler.__annotations__["user"] = User
    app.get("/")(handler)
    with pytest.raises(InvalidError, match=r"GET / \(.*\) needs `.*User`, which is given when the scope \"request\" is entered"):
        app.check()


def test_a_handler_may_enter_scopes_of_its_own() -> None:
    app = app_with(ledger := Ledger())

    @app.get("/")
    async def handler(request: Request, app: App, session: Session) -> str:
        async with app.scope("request", {Request: request}) as scope:
            return str(await scope.resolve(Session) is session)

    with app.test() as client:
        assert client.get("/").text == "False"
    assert ledger.lines == ["open", "open", "committed", "committed"]


# Overriding.


def test_an_override_takes_the_place_of_what_is_provided_and_leaves_the_application_alone() -> None:
    def real() -> Settings:
        raise AssertionError("called")

    class Fake(Settings):
        greeting = "fake"

    app = App(provide(real))

    @app.get("/")
    async def handler(settings: Settings) -> str:
        return settings.greeting

    with app.override(supply(Fake(), as_=Settings)).test() as client:
        assert client.get("/").text == "fake"
    with app.override(supply(Fake(), as_=Settings)), app.test() as client:
        assert client.get("/").text == "fake"
    with pytest.raises(AssertionError, match="called"), app.test():
        pass


def test_an_override_of_nothing_is_a_mistake_where_it_is_written() -> None:
    app = App(provide(Settings))
    with pytest.raises(WiringError, match="override-nothing: `Session` overrides what nothing provides"):
        app.override(supply(Session()))
    with pytest.raises(InvalidError, match="which provides nothing; give it supply"):
        app.override(context(Session))


def test_what_runs_already_is_not_overridden(run: Run) -> None:
    async def main() -> None:
        from hostloop.errors import ConflictError

        async with App(provide(Settings)) as app:
            override = app.override(supply(Settings()))
            with pytest.raises(ConflictError, match="override: the application runs"), override:
                pass
            async with override as other:
                assert await other.resolve(Settings) is not await app.resolve(Settings)
        with pytest.raises(InvalidError, match="is started with `async with`"), app:
            pass

    run(main())


def test_routes_that_are_added_later_belong_to_an_override_too() -> None:
    app = App(provide(Settings))
    other = app.override(supply(Settings()))

    @app.get("/")
    async def handler(settings: Settings) -> str:
        return settings.greeting

    for each in (app, other):
        with each.test() as client:
            assert client.get("/").text == "hello"


def test_a_handler_in_a_thread_is_given_values_of_the_application() -> None:
    app = App(supply(Settings()))
    threads = []

    @app.get("/")
    def handler(settings: Settings) -> str:
        threads.append(threading.current_thread())
        return settings.greeting

    with app.test() as client:
        assert client.get("/").text == "hello"
    assert threads[0] is not threading.current_thread()


def test_an_answer_to_a_client_that_has_left_is_no_error(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    app = app_with(ledger, on_disconnect="ignore")
    begun, may_end = asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def handler(session: Session) -> str:
        begun.set()
        await may_end.wait()
        return "too late"

    async def main() -> None:
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as client:
                await client.request("GET", "/")
                await begun.wait()
            while server.status[1]:
                await asyncio.sleep(0.001)
            may_end.set()
        assert ledger.lines == ["open", "committed"]
        assert caplog.records == []
        assert issubclass(StaleError, RuntimeError)

    run(main())
