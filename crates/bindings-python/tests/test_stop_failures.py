"""Nothing that fails in a stop keeps the rest from its turn, and all of it is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Settings, use

from hostloop import App, hook, invoke, provide, worker
from hostloop.errors import LifecycleError

Run = Callable[..., Any]


def test_a_stop_that_fails_keeps_no_other_from_its_turn_and_all_are_raised(run: Run) -> None:
    ledger = Ledger()

    async def database() -> AsyncIterator[Database]:
        yield Database(Settings())
        raise KeyError("teardown")

    def fail() -> None:
        raise LookupError("hook")

    async def main() -> None:
        app = App(provide(database), invoke(use), ledger.hook("x"), hook(on_stop=fail))
        with pytest.raises(LifecycleError, match="the application did not stop well") as raised:
            async with app:
                pass
        assert [type(error) for error in raised.value.exceptions] == [LookupError, KeyError]
        assert ledger.lines[-1] == "stop x"

    run(main())


def test_a_single_failure_is_raised_as_it_is(run: Run) -> None:
    def fail() -> None:
        raise LookupError("hook")

    async def main() -> None:
        with pytest.raises(LookupError, match="hook"):
            async with App(hook(on_stop=fail)):
                pass

    run(main())


def test_a_failing_stop_does_not_hide_the_error_of_the_block(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise LookupError("hook")

    async def main() -> None:
        with pytest.raises(KeyError):
            async with App(hook(on_stop=fail)):
                raise KeyError
        assert "did not stop well after KeyError()" in caplog.text

    run(main())


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["constructor", "hook", "worker", "teardown"])
def test_what_asks_the_process_to_end_is_raised_when_everything_has_ended(fatal: type[BaseException], where: str) -> None:
    ledger = Ledger()

    def construct() -> Iterator[Settings]:
        if where == "constructor":
            raise fatal
        yield Settings()
        if where == "teardown":
            raise fatal

    async def start(settings: Settings) -> None:
        if where == "hook":
            raise fatal

    async def work(settings: Settings) -> None:
        if where == "worker":
            raise fatal

    async def main() -> None:
        app = App(provide(construct), ledger.hook("x"), hook(on_start=start), worker(work, on_exhausted="degrade"))
        async with app:
            if where == "teardown":
                app.stop()
            await app.wait()

    with pytest.raises(fatal):
        asyncio.run(main())
    assert where == "constructor" or ledger.lines[-1] == "stop x"
