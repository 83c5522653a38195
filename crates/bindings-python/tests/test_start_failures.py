"""A start that fails is undone, and what failed is raised with its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Settings, use

from hostloop import App, Lifetimes, hook, invoke, provide
from hostloop.errors import LifecycleError, ProviderError

Run = Callable[..., Any]


def failing_start() -> None:
    raise LookupError("cannot start")


def test_a_start_that_fails_undoes_what_had_started_and_raises_what_failed(run: Run) -> None:
    ledger = Ledger()

    async def database() -> AsyncIterator[Database]:
        yield Database(Settings())
        ledger.lines.append("taken back")

    def fail(database: Database) -> None:
        raise LookupError("no luck")

    async def main() -> None:
        app = App(provide(database), ledger.hook("first"), hook(on_start=fail, on_stop=ledger.says("never")), invoke(use))
        with pytest.raises(LookupError, match="no luck") as raised:
            async with app:
                ledger.lines.append("never")
        assert raised.value.__notes__[0].startswith("the start of hook `")
        assert "test_start_failures.py:" in raised.value.__notes__[0]
        assert ledger.lines == ["start first", "started first", "stop first", "taken back"]

    run(main())


def test_a_failure_cancels_the_others_of_its_level_and_waits_for_them(run: Run) -> None:
    lines = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            lines.append("slow ended")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            async with App(hook(on_start=slow, on_stop=lambda: lines.append("never")), hook(on_start=fail)):
                pass
        assert lines == ["slow ended"]

    run(main())


def test_what_is_cancelled_before_its_first_step_has_ended(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def never() -> None:
        raise AssertionError("called")

    def fail() -> None:
        raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            async with App(hook(on_start=never), hook(on_start=fail), lifetimes=Lifetimes(grace=1000)):
                pass
        assert "ignored its cancellation" not in caplog.text

    run(main())


def test_a_constructor_that_fails_at_once_keeps_the_others_from_being_called(run: Run) -> None:
    def failing() -> Settings:
        raise LookupError

    def never() -> Database:
        raise AssertionError("called")

    def uses(settings: Settings, database: Database) -> None: ...

    async def main() -> None:
        with pytest.raises(LookupError):
            async with App(provide(failing), provide(never), invoke(uses)):
                pass

    run(main())


def test_errors_of_the_start_and_of_its_undoing_are_both_raised_the_starts_first(run: Run) -> None:
    def fail_to_stop() -> None:
        raise KeyError("stop")

    async def fail(database: Database) -> None:
        raise LookupError("start")

    async def main() -> None:
        with pytest.raises(LifecycleError, match="the application did not start well") as raised:
            async with App(provide(Settings), provide(Database), hook(on_stop=fail_to_stop), hook(on_start=fail)):
                pass
        assert [type(error) for error in raised.value.exceptions] == [LookupError, KeyError]
        assert all(error.__notes__ for error in raised.value.exceptions)

    run(main())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_generator_that_never_yields_is_an_error_that_names_it(run: Run, kind: str) -> None:
    def never() -> Iterator[Database]:
        yield from ()

    async def never_async() -> AsyncIterator[Database]:
        for _ in ():
            yield Database(Settings())

    async def main() -> None:
        with pytest.raises(ProviderError, match=r"`never.*` \(.*test_start_failures.py:\d+\) ends without a yield"):
            async with App(provide(never if kind == "sync" else never_async), invoke(use)):
                pass

    run(main())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_generator_that_yields_twice_is_an_error_that_names_it(run: Run, kind: str) -> None:
    def twice() -> Iterator[Database]:
        yield Database(Settings())
        yield Database(Settings())

    async def twice_async() -> AsyncIterator[Database]:
        yield Database(Settings())
        yield Database(Settings())

    async def main() -> None:
        with pytest.raises(ProviderError, match="yields a second time"):
            async with App(provide(twice if kind == "sync" else twice_async), invoke(use)):
                pass

    run(main())
