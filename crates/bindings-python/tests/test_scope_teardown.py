"""What was made in a scope is taken back at its end, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from conftest import PATIENCE
from scope_parts import Account, Ledger, Session, Slow, app_with, keys

from hostloop import App, Lifetimes, Scope, provide
from hostloop.errors import ClosedError, LifecycleError, ProviderError
from hostloop.lifecycle import driver

Run = Callable[..., Any]


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


# Scopes that are open when everything else ends.


class LeftOpen:
    """An application in which a scope is left open, whose teardown waits."""

    def __init__(self, **lifetimes: Any) -> None:
        self.leaving, self.may_end = asyncio.Event(), asyncio.Event()
        self.lines: list[str] = []
        self.app = app_with(
            provide(self.make, scope="request"), provide(self.settings, as_=Outer), lifetimes=Lifetimes(**lifetimes)
        )

    async def make(self) -> AsyncIterator[Session]:
        try:
            yield Session()
        finally:
            await self.leave()

    async def leave(self) -> None:
        self.leaving.set()
        try:
            await self.may_end.wait()
            self.lines.append("session left")
        except asyncio.CancelledError:
            self.lines.append("session cut short")
            raise

    def settings(self) -> Iterator[Any]:
        yield Outer()
        self.lines.append("settings left")

    async def service(self, may_stop: asyncio.Event) -> None:
        """Runs until it may stop."""
        async with self.app as app:
            await app.resolve(Outer)
            await (await app.scope().__aenter__()).resolve(Session)
            await may_stop.wait()


class Outer:
    """What a scope may use."""


def test_a_program_ends_while_a_scope_is_closed() -> None:
    lines: list[list[str]] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(PATIENCE, sys.exit, "the program hangs")
        left, may_stop = LeftOpen(), asyncio.Event()
        lines.append(left.lines)
        task = asyncio.ensure_future(left.service(may_stop))
        may_stop.set()
        await left.leaving.wait()
        assert not task.done()

    asyncio.run(main())
    assert lines == [["session cut short", "settings left"]]


@pytest.mark.parametrize(
    "lifetimes", [{"stop_step_timeout": 0.01}, {"stop_step_timeout": None, "stop_timeout": 0.02, "grace": 0.01}]
)
def test_a_scope_that_does_not_close_is_abandoned_in_time(
    run: Run, caplog: pytest.LogCaptureFixture, lifetimes: dict[str, Any]
) -> None:
    async def main() -> None:
        left, may_stop = LeftOpen(**lifetimes), asyncio.Event()
        may_stop.set()
        await left.service(may_stop)
        assert left.lines == ["settings left"]
        assert "a scope did not close in time and was abandoned" in caplog.text
        left.may_end.set()
        while len(left.lines) < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize("signals", [2, 3])
def test_a_signal_cuts_scopes_short_that_are_being_closed(run: Run, monkeypatch: pytest.MonkeyPatch, signals: int) -> None:
    codes: list[int] = []
    monkeypatch.setattr(driver, "exit_now", codes.append)

    async def main() -> None:
        left, may_stop = LeftOpen(stop_step_timeout=None), asyncio.Event()
        task = asyncio.ensure_future(left.service(may_stop))
        may_stop.set()
        await left.leaving.wait()
        container = left.app._running()
        for _ in range(signals):
            container.signal(2)
        await task
        assert sorted(left.lines) == ["session cut short", "settings left"]
        assert codes == [130] * (signals - 2)

    run(main())


def test_the_stop_does_not_commit_what_is_half_done(run: Run) -> None:
    lines: list[str] = []

    async def transaction() -> AsyncIterator[Session]:
        try:
            yield Session()
            lines.append("committed")
        except BaseException as error:
            lines.append(f"rolled back by {type(error).__name__}")
            raise

    async def main() -> None:
        app = app_with(provide(transaction, scope="request"))
        entered, may_end = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            async with app.scope() as scope:
                await scope.resolve(Session)
                entered.set()
                await may_end.wait()

        async with app:
            working = asyncio.ensure_future(work())
            await entered.wait()
        assert lines == ["rolled back by ClosedError"]
        may_end.set()
        with pytest.raises(ClosedError, match='scope "request" was closed before its block had ended'):
            await working

    run(main())
