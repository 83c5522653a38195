"""What lives shorter than the application: made once in its scope, taken back at its end, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from hostloop import App, Lazy, Scope, context, decorate, provide, supply
from hostloop.errors import (
    ClosedError,
    ConflictError,
    DeadlockError,
    InvalidError,
    LifecycleError,
    NotProvidedError,
    ProviderError,
    StepTimeout,
)

Run = Callable[..., Any]


class Settings:
    """Lives as long as the application."""


class Session:
    """Lives shorter."""


class Account:
    """Needs a session."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session = session
        self.settings = settings


class Report:
    """Needs both."""

    def __init__(self, account: Account, session: Session) -> None:
        self.account = account
        self.session = session


def app_with(*declarations: Any, **options: Any) -> App:
    """An application with an account that needs a session, which `declarations` provide."""
    return App(supply(Settings()), provide(Account, scope="request"), provide(Report, scope="request"), *declarations, **options)


class Ledger:
    """Writes down what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def resource(self, name: str, *, fails: bool = False, swallows: bool = False) -> Any:
        """A generator that says when it is entered and left."""

        def make() -> Iterator[Any]:
            self.lines.append(f"+{name}")
            try:
                yield Session()
            except BaseException as error:
                self.lines.append(f"!{name} {type(error).__name__}")
                if not swallows:
                    raise
            finally:
                self.lines.append(f"-{name}")
                if fails:
                    raise LookupError(name)

        return make

    def async_resource(self, name: str, *, fails: bool = False) -> Any:
        """An async generator that says when it is entered and left."""

        async def make() -> AsyncIterator[Any]:
            await asyncio.sleep(0)
            self.lines.append(f"+{name}")
            try:
                yield Session()
            except BaseException as error:
                self.lines.append(f"!{name} {type(error).__name__}")
                raise
            finally:
                await asyncio.sleep(0)
                self.lines.append(f"-{name}")
                if fails:
                    raise LookupError(name)

        return make


def keys(count: int) -> list[type]:
    """Types to provide something as."""
    return [type(f"Key{number}", (), {}) for number in range(count)]


# Made once.


@pytest.mark.parametrize("make", [Session, Ledger().resource("session"), Ledger().async_resource("session")])
def test_a_value_is_made_once_in_its_scope(run: Run, make: Any) -> None:
    async def main() -> None:
        async with app_with(provide(make, as_=Session, scope="request")) as app:
            async with app.scope() as scope:
                report = await scope.resolve(Report)
                assert report.session is report.account.session is await scope.resolve(Session)
                assert report.account is await scope.resolve(Account)
                assert report.account.settings is await scope.resolve(Settings) is await app.resolve(Settings)
            async with app.scope() as other:
                assert await other.resolve(Session) is not report.session

    run(main())


def test_a_diamond_is_made_once_though_several_tasks_ask(run: Run) -> None:
    made = []

    async def session() -> Session:
        made.append(asyncio.current_task())
        await asyncio.sleep(0)
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            reports = await asyncio.gather(*(scope.resolve(Report) for _ in range(10)), scope.resolve(Report))
            assert len(set(map(id, reports))) == 1
        assert len(made) == 1

    run(main())


@pytest.mark.parametrize("kind", ["class", "generator"])
@pytest.mark.parametrize("first", ["own task", "other task"])
def test_what_is_made_of_something_that_takes_waiting_is_made_once_though_several_tasks_ask(
    run: Run, kind: str, first: str
) -> None:
    made = []
    may_end = asyncio.Event()

    async def session() -> AsyncIterator[Session]:
        await may_end.wait()
        yield Session()

    def account(session: Session, settings: Settings) -> Account:
        made.append("account")
        return Account(session, settings)

    def held(session: Session, settings: Settings) -> Iterator[Account]:
        yield account(session, settings)
        made.append("left")

    async def main() -> None:
        provided = provide(account if kind == "class" else held, scope="request")
        app = App(supply(Settings()), provide(session, scope="transient"), provided)
        async with app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account))]
            if first == "other task":
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.01, may_end.set)
            own = await scope.resolve(Account)
            assert await asking[0] is own
            assert made == ["account"]
        assert made == ["account"] + ["left"] * (kind == "generator")

    run(main())


@pytest.mark.parametrize("value", [None, 0, ""])
def test_a_value_that_is_false_or_none_is_kept(run: Run, value: Any) -> None:
    made = []

    def sync() -> Any:
        made.append("sync")
        return value

    async def waiting() -> Any:
        made.append("async")
        return value

    first, second = keys(2)

    async def main() -> None:
        async with App(provide(sync, as_=first, scope="request"), provide(waiting, as_=second, scope="request")) as app:  # noqa: SIM117
            async with app.scope() as scope:
                for _ in range(2):
                    assert await scope.resolve(first) == value
                    assert await scope.resolve(second) == value
        assert made == ["sync", "async"]

    run(main())


def test_what_is_transient_is_made_for_each_and_each_is_taken_back(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="transient")) as app, app.scope() as scope:
            report = await scope.resolve(Report)
            assert report.session is not report.account.session
            assert await scope.resolve(Session) is not await scope.resolve(Session)
            assert ledger.lines == ["+s"] * 4
        assert ledger.lines == ["+s"] * 4 + ["-s"] * 4

    run(main())


def test_a_failure_is_told_to_all_who_wait_and_tried_again_for_the_next(run: Run) -> None:
    failures = [LookupError("first")]
    may_fail = asyncio.Event()

    async def session() -> Session:
        await may_fail.wait()
        if failures:
            raise failures[0]
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(3)]
            await asyncio.sleep(0)
            may_fail.set()
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert errors == failures * 3
            failures.clear()
            assert isinstance(await scope.resolve(Account), Account)

    run(main())


def test_what_was_made_for_something_that_failed_is_kept_and_taken_back(run: Run) -> None:
    ledger = Ledger()

    def failing(session: Session) -> Account:
        raise LookupError

    async def main() -> None:
        app = App(provide(ledger.resource("s"), as_=Session, scope="request"), provide(failing, scope="request"))
        async with app, app.scope() as scope:
            with pytest.raises(LookupError):
                await scope.resolve(Account)
            with pytest.raises(LookupError):
                await scope.resolve(Account)
            assert ledger.lines == ["+s"]
        assert ledger.lines == ["+s", "-s"]

    run(main())


# Who waits.


class Slow:
    """A session that is made when it may be."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended: list[str] = []

    async def make(self) -> AsyncIterator[Session]:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("made")
        yield Session()
        self.ended.append("left")


def test_who_gives_up_harms_nobody_else(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(3)]
            await slow.begun.wait()
            asking[0].cancel()
            asking[2].cancel()
            await asyncio.sleep(0)
            slow.may_end.set()
            assert isinstance(await asking[1], Account)
            assert [task.cancelled() for task in asking] == [True, False, True]
        assert slow.ended == ["made", "left"]

    run(main())


def test_with_the_last_who_waits_gone_it_is_cancelled_and_the_next_has_it_made_anew(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(2)]
            await slow.begun.wait()
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            while not slow.ended:
                await asyncio.sleep(0)
            assert slow.ended == ["cancelled"]
            slow.may_end.set()
            assert isinstance(await scope.resolve(Account), Account)

    run(main())


def test_who_waits_on_the_scopes_own_task_makes_it_if_that_is_cancelled(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        app = app_with(provide(slow.make, scope="request"))
        entered: asyncio.Future[Scope] = asyncio.get_running_loop().create_future()
        may_leave = asyncio.Event()

        async def own() -> None:
            async with app.scope() as scope:
                entered.set_result(scope)
                with contextlib.suppress(asyncio.CancelledError):
                    await scope.resolve(Session)
                await may_leave.wait()

        async with app:
            owner = asyncio.ensure_future(own())
            scope = await entered
            await slow.begun.wait()
            other = asyncio.ensure_future(scope.resolve(Session))
            await asyncio.sleep(0)
            owner.cancel()
            slow.begun.clear()
            await slow.begun.wait()
            slow.may_end.set()
            assert isinstance(await other, Session)
            may_leave.set()
            await owner
        assert slow.ended == ["cancelled", "made", "left"]

    run(main())


def test_a_constructor_that_asks_for_itself_is_told_so(run: Run) -> None:
    async def session(app: App) -> Session:
        await app.resolve(Account)
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            with pytest.raises(DeadlockError, match=r"`session` would wait for itself: session \(.*\) -> session"):
                await scope.resolve(Account)
            with pytest.raises(DeadlockError):
                await asyncio.ensure_future(scope.resolve(Account))

    run(main())


def test_two_tasks_that_wait_for_each_other_are_told_so(run: Run) -> None:
    first, second = keys(2)
    begun = asyncio.Event()

    async def one(app: App) -> Any:
        await begun.wait()
        await app.resolve(second)

    async def two(app: App) -> Any:
        begun.set()
        await app.resolve(first)

    async def main() -> None:
        app = App(provide(one, as_=first, scope="request"), provide(two, as_=second, scope="request"))
        async with app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(wanted)) for wanted in (first, second)]
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(error, DeadlockError) for error in errors)

    run(main())


# Taken back.


@pytest.mark.parametrize("kind", ["resource", "async_resource"])
def test_values_are_taken_back_in_the_reverse_of_their_making(run: Run, kind: str) -> None:
    ledger = Ledger()
    types = keys(3)

    async def main() -> None:
        made = [provide(getattr(ledger, kind)(wanted.__name__), as_=wanted, scope="request") for wanted in types]
        async with App(*made) as app, app.scope() as scope:
            for number in (1, 0, 2):
                await scope.resolve(types[number])
        assert ledger.lines == ["+Key1", "+Key0", "+Key2", "-Key2", "-Key0", "-Key1"]

    run(main())


@pytest.mark.parametrize("kind", ["resource", "async_resource"])
def test_a_teardown_that_fails_keeps_no_other_from_its_turn_and_all_are_told(run: Run, kind: str) -> None:
    ledger = Ledger()
    types = keys(3)

    async def main() -> None:
        made = [
            provide(getattr(ledger, kind)(wanted.__name__, fails=number > 0), as_=wanted, scope="request")
            for number, wanted in enumerate(types)
        ]
        async with App(*made) as app:
            with pytest.raises(LifecycleError) as raised:  # noqa: PT012
                async with app.scope() as scope:
                    for wanted in types:
                        await scope.resolve(wanted)
        assert ledger.lines[3:] == ["-Key2", "!Key1 LookupError", "-Key1", "!Key0 LookupError", "-Key0"]
        errors = raised.value.exceptions
        assert [str(error) for error in errors] == ["Key2", "Key1"]
        assert all("the teardown of `" in error.__notes__[0] for error in errors)

    run(main())


@pytest.mark.parametrize("kind", ["resource", "async_resource"])
def test_an_error_in_the_block_is_thrown_into_generators_and_raised_again(run: Run, kind: str) -> None:
    ledger = Ledger()
    first, second = keys(2)

    async def main() -> None:
        made = [provide(getattr(ledger, kind)(wanted.__name__), as_=wanted, scope="request") for wanted in (first, second)]
        async with App(*made) as app:
            error = KeyError("block")
            with pytest.raises(KeyError) as raised:  # noqa: PT012
                async with app.scope() as scope:
                    await scope.resolve(first)
                    await scope.resolve(second)
                    raise error
            assert raised.value is error
        assert ledger.lines[2:] == ["!Key1 KeyError", "-Key1", "!Key0 KeyError", "-Key0"]

    run(main())


def test_a_generator_cannot_swallow_the_error_of_the_block(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        made = provide(ledger.resource("s", swallows=True), as_=Session, scope="request")
        async with app_with(made) as app:
            with pytest.raises(KeyError):  # noqa: PT012
                async with app.scope() as scope:
                    await scope.resolve(Session)
                    raise KeyError

    run(main())


def test_a_teardown_that_fails_does_not_hide_the_error_of_the_block(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s", fails=True), as_=Session, scope="request")) as app:
            with pytest.raises(KeyError):  # noqa: PT012
                async with app.scope() as scope:
                    await scope.resolve(Session)
                    raise KeyError
        assert "a teardown failed after KeyError()" in caplog.text

    run(main())


def test_a_cancellation_during_a_teardown_keeps_no_other_from_its_turn(run: Run) -> None:
    ledger = Ledger()
    leaving = asyncio.Event()
    first, second = keys(2)

    async def stuck() -> AsyncIterator[Any]:
        yield Session()
        leaving.set()
        await asyncio.Event().wait()

    async def main() -> None:
        app = App(provide(ledger.async_resource("a"), as_=first, scope="request"), provide(stuck, as_=second, scope="request"))
        async with app:

            async def block() -> None:
                async with app.scope() as scope:
                    await scope.resolve(first)
                    await scope.resolve(second)

            task = asyncio.ensure_future(block())
            await leaving.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert ledger.lines == ["+a", "!a CancelledError", "-a"]

    run(main())


def test_what_stands_behind_a_bare_yield_runs(run: Run) -> None:
    lines = []

    def session() -> Iterator[Session]:
        yield Session()
        lines.append("left")

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            await scope.resolve(Session)
        assert lines == ["left"]

    run(main())


def yields_twice() -> Iterator[Session]:
    yield Session()
    yield Session()


async def yields_twice_async() -> AsyncIterator[Session]:
    yield Session()
    yield Session()


def never_yields() -> Iterator[Session]:
    yield from ()


async def never_yields_async() -> AsyncIterator[Session]:
    if not Session:
        yield Session()


@pytest.mark.parametrize("make", [yields_twice, yields_twice_async])
def test_a_generator_that_yields_twice_is_an_error_that_names_it(run: Run, make: Any) -> None:
    async def main() -> None:
        async with app_with(provide(make, scope="request")) as app:
            with pytest.raises(ProviderError, match=rf"`{make.__name__}` \(.*\) yields a second time; yield its value once"):
                async with app.scope() as scope:
                    await scope.resolve(Session)

    run(main())


@pytest.mark.parametrize("make", [never_yields, never_yields_async])
def test_a_generator_that_never_yields_is_an_error_that_names_it(run: Run, make: Any) -> None:
    async def main() -> None:
        async with app_with(provide(make, scope="request")) as app, app.scope() as scope:
            with pytest.raises(ProviderError, match=rf"`{make.__name__}` \(.*\) ends without a yield"):
                await scope.resolve(Session)

    run(main())


def test_what_is_being_made_when_its_scope_closes_is_cancelled_and_its_waiters_are_told(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request")) as app:
            async with app.scope() as scope:
                asking = asyncio.ensure_future(scope.resolve(Account))
                await slow.begun.wait()
            with pytest.raises(ClosedError, match=r"`Slow\.make` cannot be made: its scope is closed"):
                await asking
        assert slow.ended == ["cancelled"]

    run(main())


def test_context_managers_are_entered_and_left(run: Run) -> None:
    lines: list[str] = []
    first, second = keys(2)

    class Manager(contextlib.AbstractContextManager[Any]):
        def __enter__(self) -> Session:
            lines.append("enter")
            return Session()

        def __exit__(self, kind: Any, *_: Any) -> bool:
            lines.append(f"exit {kind.__name__ if kind else None}")
            return True

    class AsyncManager(contextlib.AbstractAsyncContextManager[Any]):
        async def __aenter__(self) -> Session:
            lines.append("aenter")
            return Session()

        async def __aexit__(self, kind: Any, *_: Any) -> bool:
            lines.append(f"aexit {kind.__name__ if kind else None}")
            return True

    def one() -> contextlib.AbstractContextManager[Any]:
        return Manager()

    def two() -> contextlib.AbstractAsyncContextManager[Any]:
        return AsyncManager()

    async def main() -> None:
        app = App(provide(one, as_=first, scope="request"), provide(two, as_=second, scope="request"))
        async with app:
            async with app.scope() as scope:
                await scope.resolve(first)
                await scope.resolve(second)
            with pytest.raises(KeyError):  # noqa: PT012
                async with app.scope() as scope:
                    await scope.resolve(first)
                    await scope.resolve(second)
                    raise KeyError
        assert lines == ["enter", "aenter", "aexit None", "exit None", "enter", "aenter", "aexit KeyError", "exit KeyError"]

    run(main())


# Where resources are entered and left.


async def with_a_cancel_scope() -> AsyncIterator[Session]:
    with anyio.CancelScope():
        yield Session()


async def with_a_task_group() -> AsyncIterator[Session]:
    async with anyio.create_task_group() as group:
        group.start_soon(asyncio.sleep, 0)
        yield Session()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("make", [with_a_cancel_scope, with_a_task_group])
@pytest.mark.parametrize("where", ["own task", "other task"])
def test_a_cancel_scope_may_span_the_yield_whoever_asks(make: Any, where: str) -> None:
    async def main() -> None:
        async with app_with(provide(make, scope="request")) as app, app.scope() as scope:
            call = scope.resolve(Account)
            assert isinstance(await (call if where == "own task" else asyncio.ensure_future(call)), Account)

    asyncio.run(main())


@pytest.mark.parametrize("where", ["own task", "other task"])
def test_a_resource_is_left_by_the_task_that_has_entered_it(run: Run, where: str) -> None:
    tasks = []

    async def session() -> AsyncIterator[Session]:
        tasks.append(asyncio.current_task())
        yield Session()
        tasks.append(asyncio.current_task())

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            call = scope.resolve(Account)
            await (call if where == "own task" else asyncio.ensure_future(call))
        entered, left = tasks
        assert entered is left
        assert (entered is asyncio.current_task()) == (where == "own task")

    run(main())


# Times.


def test_making_a_value_may_have_a_time(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request", timeout=0.01)) as app, app.scope() as scope:
            with pytest.raises(StepTimeout, match=r"`Slow.make` \(.*\) did not end in 0.01 s"):
                await scope.resolve(Account)
        assert slow.ended == ["cancelled"]

    run(main())


def test_taking_a_value_back_may_have_a_time(run: Run) -> None:
    ended = []

    async def session() -> AsyncIterator[Session]:
        yield Session()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        async with app_with(provide(session, scope="request", stop_timeout=0.01)) as app:
            with pytest.raises(StepTimeout, match=r"the teardown of `session` \(.*\) did not end in 0.01 s"):
                async with app.scope() as scope:
                    await scope.resolve(Account)
        assert ended == ["cancelled"]

    run(main())


# Scopes in scopes.

NESTED = ("app", "session", "request")


def nested(ledger: Ledger) -> App:
    outer, inner = ledger.resource("outer"), ledger.resource("inner")
    return App(
        provide(outer, as_=Settings, scope="session"),
        provide(inner, as_=Session, scope="request"),
        provide(Account, scope="request"),
        scopes=NESTED,
    )


def test_a_value_of_a_longer_scope_is_made_there_from_a_shorter_one(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("session") as session:
            for _ in range(2):
                async with app.scope("request") as request:
                    account = await request.resolve(Account)
                    assert account.settings is await session.resolve(Settings) is await app.resolve(Settings)
        assert ledger.lines == ["+inner", "+outer", "-inner", "+inner", "-inner", "-outer"] or ledger.lines == [
            "+outer",
            "+inner",
            "-inner",
            "+inner",
            "-inner",
            "-outer",
        ]

    run(main())


def test_a_scope_that_was_skipped_is_stood_in_for_by_the_one_inside(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("request") as request:
            assert (await request.resolve(Account)).settings is await request.resolve(Settings)
        assert sorted(ledger.lines) == ["+inner", "+outer", "-inner", "-outer"]

    run(main())


def test_closing_a_scope_closes_the_scopes_inside_it_first(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app:
            async with app.scope("session") as session:
                await session.resolve(Settings)
                inner = app.scope("request")
                await inner.__aenter__()
                await inner.resolve(Account)
            assert ledger.lines == ["+outer", "+inner", "-inner", "-outer"]
            with pytest.raises(ClosedError, match="`Account` cannot be had: its scope is closed"):
                await inner.resolve(Account)

    run(main())


def test_closing_a_scope_leaves_the_one_around_it_alone(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("session") as session:
            async with app.scope("request") as request:
                await request.resolve(Account)
            assert "-outer" not in ledger.lines
            await session.resolve(Settings)

    run(main())


def test_no_scope_is_entered_while_the_one_around_it_closes(run: Run) -> None:
    refused = []

    async def main() -> None:
        async def settings() -> AsyncIterator[Settings]:
            yield Settings()
            with pytest.raises(ClosedError, match='scope "request" cannot be entered: what it is inside of is closed or closing'):
                async with app.scope("request"):
                    pass
            refused.append(True)

        app = App(provide(settings, scope="session"), scopes=NESTED)
        async with app, app.scope("session") as session:
            await session.resolve(Settings)
        assert refused == [True]

    run(main())


def test_the_stop_closes_scopes_that_are_still_open_before_what_they_are_made_of(run: Run) -> None:
    ledger = Ledger()

    def inner(settings: Settings) -> Iterator[Session]:
        ledger.lines.append("+inner")
        yield Session()
        ledger.lines.append("-inner")

    async def main() -> None:
        async with App(provide(ledger.resource("app"), as_=Settings), provide(inner, scope="request")) as app:
            scope = app.scope()
            await scope.__aenter__()
            await scope.resolve(Session)
        assert ledger.lines == ["+app", "+inner", "-inner", "-app"]
        with pytest.raises(ClosedError):
            await scope.resolve(Session)

    run(main())


def test_a_scope_is_refused_while_the_application_closes(run: Run) -> None:
    refused = []

    async def main() -> None:
        async def settings() -> AsyncIterator[Settings]:
            yield Settings()
            try:
                async with app.scope():
                    pass
            except ClosedError:
                refused.append(True)

        app = App(provide(settings))
        async with app:
            await app.resolve(Settings)
        assert refused == [True]

    run(main())


def test_closing_twice_does_nothing_and_a_closed_scope_gives_no_values(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            async with app.scope() as scope:
                await scope.resolve(Session)
                await scope.close()
                await scope.close()
                with pytest.raises(ClosedError, match="`Session` cannot be had: its scope is closed"):
                    await scope.resolve(Session)
                with pytest.raises(ClosedError):
                    scope.get(Settings)
            await scope.close()
            assert ledger.lines == ["+s", "-s"]

    run(main())


def test_a_scope_is_entered_once_and_before_it_is_asked(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            scope = app.scope()
            with pytest.raises(ClosedError, match="its scope is not entered; use `async with`"):
                await scope.resolve(Session)
            async with scope:
                with pytest.raises(ConflictError, match="entered twice"):
                    await scope.__aenter__()
            with pytest.raises(ConflictError, match="entered twice"):
                await scope.__aenter__()

    run(main())


@pytest.mark.parametrize("name", ["app", "session", 3, None])
def test_a_scope_that_does_not_exist_is_refused(run: Run, name: Any) -> None:
    async def main() -> None:
        async with App() as app:
            with pytest.raises(InvalidError, match=f'scope is {name!r}; use "request"'):
                app.scope(name)

    run(main())


def test_what_lives_shorter_is_refused_outside_its_scope(run: Run) -> None:
    async def main() -> None:
        async with App(provide(Session, scope="request"), scopes=NESTED) as app:
            with pytest.raises(ClosedError, match="`Session` lives as long as the request; ask for it inside that scope"):
                await app.resolve(Session)
            async with app.scope("session") as session:
                with pytest.raises(ClosedError, match="`Session` lives as long as the request"):
                    await session.resolve(Session)

    run(main())


def test_a_scope_needs_an_application_that_runs() -> None:
    with pytest.raises(ConflictError, match="the application does not run here; use it inside `async with app:`"):
        App().scope()


# The context.


def test_the_scope_that_a_caller_is_in_is_found_and_restored(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            async with app.scope() as outer:
                first = await app.resolve(Session)
                assert first is await outer.resolve(Session)
                with pytest.raises(KeyError):  # noqa: PT012
                    async with app.scope() as inner:
                        assert await app.resolve(Session) is await inner.resolve(Session) is not first
                        raise KeyError
                assert await app.resolve(Session) is first
            with pytest.raises(ClosedError):
                await app.resolve(Session)

    run(main())


def test_scopes_beside_each_other_are_isolated(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            both = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

            async def block() -> Session:
                async with app.scope() as scope:
                    if both is not None:
                        await both.wait()
                    session = await app.resolve(Session)
                    assert session is await scope.resolve(Session)
                    if both is not None:
                        await both.wait()
                    return await app.resolve(Session)

            first, second = await asyncio.gather(block(), block())
            assert first is not second

    run(main())


def test_a_task_that_outlives_its_scope_is_in_the_one_around_it(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            closed = asyncio.Event()

            async def background() -> None:
                await closed.wait()
                assert isinstance(await app.resolve(Settings), Settings)
                async with app.scope() as own:
                    assert isinstance(await own.resolve(Session), Session)

            async with app.scope():
                task = asyncio.ensure_future(background())
            closed.set()
            await task

    run(main())


def test_a_scope_that_is_left_in_another_context_is_closed_all_the_same(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            scope = app.scope()
            await asyncio.ensure_future(scope.__aenter__())
            await scope.resolve(Session)
            await asyncio.ensure_future(scope.__aexit__(None, None, None))
            assert ledger.lines == ["+s", "-s"]

    run(main())


def test_constructors_of_the_application_see_nothing_of_the_scope_that_asked_first(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def settings() -> Settings:
        seen.append(variable.get())
        return Settings()

    async def main() -> None:
        async with App(provide(settings), provide(Session, scope="request"), provide(Account, scope="request")) as app:  # noqa: SIM117
            async with app.scope() as scope:
                variable.set("of a request")
                await scope.resolve(Account)
        assert seen == ["unset"]

    run(main())


# What comes with a scope.


class User:
    """Comes with the request."""


def test_what_comes_with_a_scope_is_given_when_it_is_entered(run: Run) -> None:
    class Page:
        def __init__(self, user: User) -> None:
            self.user = user

    Page.__init__.__annotations__["user"] = User
    user = User()

    async def main() -> None:
        async with App(context(User), provide(Page, scope="request")) as app:
            async with app.scope("request", {User: user}) as scope:
                assert (await scope.resolve(Page)).user is user
            async with app.scope() as scope:
                with pytest.raises(NotProvidedError, match='`User` comes with the scope "request" and was not given'):
                    await scope.resolve(Page)

    run(main())


def test_what_does_not_live_in_a_scope_cannot_be_given_to_it(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            with pytest.raises(NotProvidedError, match='`Settings` does not live in the scope "request"'):
                async with app.scope("request", {Settings: Settings()}):
                    pass
            with pytest.raises(NotProvidedError, match="nothing provides `User`"):
                async with app.scope("request", {User: User()}):
                    pass

    run(main())


# Without waiting.


def test_a_scope_without_anything_asynchronous_needs_no_waiting(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            with app.scope() as scope:
                account = scope.get(Account)
                assert account.session is scope.get(Session)
                assert [account] == scope.get(list[Account])
            assert ledger.lines == ["+s", "-s"]
            with pytest.raises(KeyError), app.scope() as scope:  # noqa: PT012
                scope.get(Account)
                raise KeyError
            assert ledger.lines[2:] == ["+s", "!s KeyError", "-s"]

    run(main())


def test_what_takes_waiting_cannot_be_had_without_and_the_way_to_it_is_named(run: Run) -> None:
    made = []

    async def settings() -> Settings:
        made.append("settings")
        return Settings()

    async def session() -> Session:
        return Session()

    async def main() -> None:
        async with App(
            provide(settings),
            provide(session, scope="request"),
            provide(Account, scope="request"),
            provide(Report, scope="request"),
        ) as app:
            with app.scope() as scope:
                with pytest.raises(ConflictError) as raised:
                    scope.get(Report)
                assert "cannot be had without waiting" in str(raised.value)
                with pytest.raises(ConflictError, match="`settings` is made asynchronously"):
                    scope.get(Settings)
                await scope.resolve(Settings)
                with pytest.raises(ConflictError, match=r"`session` is made asynchronously .*Report.* -> .*session"):
                    scope.get(Report)
                await scope.resolve(Session)
                assert isinstance(scope.get(Report), Report)
        assert made == ["settings"]

    run(main())


def test_a_resource_that_takes_waiting_to_be_left_is_refused_in_a_scope_that_cannot(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Ledger().async_resource("s"), as_=Session, scope="request")) as app, app.scope():
            pass
        async with app:
            with app.scope() as scope:  # noqa: SIM117
                with pytest.raises(ConflictError, match="takes waiting to be taken back; enter the scope with `async with`"):
                    await scope.resolve(Account)

    run(main())


def test_lists_and_lazy_values_of_a_scope(run: Run) -> None:
    class Later:
        def __init__(self, session: Lazy[Session]) -> None:
            self.session = session

    Later.__init__.__annotations__["session"] = Lazy[Session]
    ledger = Ledger()

    def wrapped(later: Later) -> Later:
        return later

    wrapped.__annotations__.update({"later": Later, "return": Later})

    async def main() -> None:
        app = app_with(
            provide(ledger.resource("s"), as_=Session, scope="request"), provide(Later, scope="request"), decorate(wrapped)
        )
        async with app, app.scope() as scope:
            later = await scope.resolve(Later)
            assert ledger.lines == []
            assert await later.session.get() is later.session() is await scope.resolve(Session)
            assert await scope.resolve(list[Session]) == [later.session()]

    run(main())


def test_a_closed_scope_is_forgotten(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            async with app.scope() as scope:
                await scope.resolve(Account)
            assert app._running().scopes == set()
            del scope
            gc.collect()
            assert not [one for one in gc.get_objects() if isinstance(one, Scope)]

    run(main())


def test_a_number_is_no_type_to_ask_for(run: Run) -> None:
    async def main() -> None:
        async with App(supply(object_for_scopes)) as app, app.scope() as scope:
            with pytest.raises(NotProvidedError):
                await scope.resolve(0)

    run(main())


class ForScopes:
    pass


object_for_scopes = ForScopes()
