"""Every step of the start and of the stop has a time, on a clock of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Settings, clocked, until, use

from hostloop import App, Lifetimes, hook, invoke, provide
from hostloop._core import ManualClock
from hostloop.errors import LifecycleError, StepTimeout

Run = Callable[..., Any]


def test_a_start_that_takes_too_long_is_named_with_what_had_finished(run: Run) -> None:
    async def hangs(database: Database) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        ledger = Ledger()
        app, clock = clocked(
            provide(Settings), provide(Database), ledger.hook("quick"), hook(on_start=hangs, timeout=2, name="slow")
        )
        starting = asyncio.ensure_future(app.__aenter__())
        await until(app, clock, 1.9)
        assert not starting.done()
        await until(app, clock, 2.0)
        with pytest.raises(StepTimeout) as raised:
            await starting
        assert str(raised.value).startswith("the start of hook `slow` (")
        assert "did not end in 2.00 s; finished: quick" in str(raised.value)
        assert isinstance(raised.value, TimeoutError)
        assert ledger.lines[-1] == "stop quick"

    run(main())


def test_a_step_that_has_no_time_of_its_own_has_the_common_one(run: Run) -> None:
    async def hangs() -> Database:
        await asyncio.Event().wait()
        return Database(Settings())

    async def main() -> None:
        app, clock = clocked(provide(hangs), invoke(use), step_timeout=7)
        starting = asyncio.ensure_future(app.__aenter__())
        await until(app, clock, 7)
        with pytest.raises(StepTimeout, match=r"factory `hangs` \(.*\) did not end in 7.00 s"):
            await starting

    run(main())


def test_the_whole_start_has_a_time(run: Run) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        app, clock = clocked(hook(on_start=hangs), start_timeout=3)
        starting = asyncio.ensure_future(app.__aenter__())
        await until(app, clock, 3)
        with pytest.raises(LifecycleError) as raised:
            await starting
        assert str(raised.value.exceptions[0]) == "the start did not end in 3.00 s"
        assert str(raised.value.exceptions[1]).startswith("the start of hook `hangs` (")

    run(main())


def test_a_hook_that_ignores_its_cancellation_is_abandoned_after_its_grace_and_named(run: Run) -> None:
    may_end = asyncio.Event()

    async def stubborn() -> None:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()

    async def main() -> None:
        app, clock = clocked(hook(on_stop=stubborn, stop_timeout=2, name="stubborn"), grace=0.5)
        await app.__aenter__()
        stopping = asyncio.ensure_future(app.__aexit__(None, None, None))
        await until(app, clock, 2)
        assert not stopping.done()
        await until(app, clock, 2.5)
        with pytest.raises(StepTimeout, match=r"the stop of hook `stubborn` .* in 2.00 s, and ignored its cancellation"):
            await stopping
        may_end.set()
        await asyncio.sleep(0)

    run(main())


def test_a_value_that_comes_too_late_is_taken_back(run: Run) -> None:
    may_end = asyncio.Event()
    lines = []

    async def database() -> AsyncIterator[Database]:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        lines.append("made")
        yield Database(Settings())
        lines.append("taken back")

    async def main() -> None:
        app, clock = clocked(provide(database, timeout=1), invoke(use), grace=0.5)
        starting = asyncio.ensure_future(app.__aenter__())
        await until(app, clock, 1)
        await until(app, clock, 1.5)
        with pytest.raises(StepTimeout, match="and ignored its cancellation"):
            await starting
        may_end.set()
        while lines != ["made", "taken back"]:
            await asyncio.sleep(0)

    run(main())


def test_the_whole_stop_has_a_time_though_every_step_stalls(run: Run) -> None:
    async def stall() -> None:
        await asyncio.Event().wait()

    async def database() -> AsyncIterator[Database]:
        yield Database(Settings())
        await asyncio.Event().wait()

    async def main() -> None:
        declarations = [provide(database), invoke(use), *(hook(on_stop=stall, stop_timeout=100) for _ in range(3))]
        app, clock = clocked(*declarations, stop_timeout=11, grace=1)
        await app.__aenter__()
        stopping = asyncio.ensure_future(app.__aexit__(None, None, None))
        for second in range(1, 12):
            await until(app, clock, second)
        with pytest.raises(LifecycleError) as raised:
            await stopping
        assert len(raised.value.exceptions) == 4
        assert all(isinstance(error, StepTimeout) for error in raised.value.exceptions)

    run(main())


def test_a_pre_stop_delay_lets_the_balancer_notice(run: Run) -> None:
    async def main() -> None:
        ledger = Ledger()
        app, clock = clocked(ledger.hook("x"), pre_stop_delay=3)
        await app.__aenter__()
        assert app.is_ready
        stopping = asyncio.ensure_future(app.__aexit__(None, None, None))
        await until(app, clock, 2.9)
        assert not app.is_ready
        assert "stop x" not in ledger.lines
        await until(app, clock, 3)
        await stopping
        assert "stop x" in ledger.lines

    run(main())


def test_what_blocks_the_loop_is_told(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app, clock = clocked(blocked_after=0.5)
        app = App(hook(on_start=lambda: clock.move_to(1)), lifetimes=app.lifetimes)
        app._clock = clock
        with caplog.at_level(logging.WARNING, "hostloop.lifecycle"):
            async with app:
                pass
        assert "blocked" in caplog.text

    run(main())


def test_each_of_many_that_are_made_one_after_the_other_is_timed_by_itself(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    types = [type(f"Slow{number}", (), {}) for number in range(5)]

    def slow(wanted: type) -> Any:
        def make() -> Any:
            clock.move_to(clock.seconds + 0.4)
            return wanted()

        return make

    async def main() -> None:
        app = App(*(provide(slow(wanted), as_=wanted) for wanted in types), lifetimes=Lifetimes(blocked_after=0.5))
        app._clock = clock
        async with app:
            await asyncio.gather(*(app.resolve(wanted) for wanted in types))
            took = [node["seconds"] for node in app.explain()["nodes"] if node["seconds"]]
            assert took == pytest.approx([0.4] * 5)
        assert "blocked" not in caplog.text

    run(main())
