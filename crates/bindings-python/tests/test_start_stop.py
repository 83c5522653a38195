"""An application starts level by level, stops in the reverse, and reports every failure with its name."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import programs
import pytest
import wire

from hostloop import App, Lifecycle, Lifetimes, Timeouts, hook, invoke, provide, supply, worker
from hostloop._core import ManualClock
from hostloop.errors import (
    ConflictError,
    DeadlockError,
    InvalidError,
    LifecycleError,
    ProviderError,
    StepError,
    StepTimeout,
    StoppedError,
)

Run = Callable[..., Any]


class Settings:
    """Needs nothing."""


class Database:
    """Needs settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Links:
    """Needs the database."""

    def __init__(self, database: Database) -> None:
        self.database = database


class Ledger:
    """Writes down what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def says(self, line: str) -> Callable[[], None]:
        """A function that says something."""
        return lambda: self.lines.append(line)

    def hook(self, name: str, *needs: type, **options: Any) -> Any:
        """A hook that says when it starts and stops, and needs things."""

        async def start(*_: Any) -> None:
            self.lines.append(f"start {name}")
            await asyncio.sleep(0)
            self.lines.append(f"started {name}")

        async def stop() -> None:
            self.lines.append(f"stop {name}")

        return hook(on_start=needing(start, *needs), on_stop=stop, name=name, **options)


def needing(function: Callable[..., Any], *types: type) -> Any:
    """A function that needs these types."""
    if not types:
        return function
    [needed] = types

    async def with_needs(given: Any) -> Any:
        return await function(given)

    with_needs.__annotations__["given"] = needed
    return with_needs


def use(database: Database) -> None:
    """Needs the database."""


# The order of things.


def test_hooks_start_level_by_level_and_stop_in_the_reverse(run: Run) -> None:
    ledger = Ledger()
    app = App(
        ledger.hook("links", Links),
        ledger.hook("database", Database),
        ledger.hook("settings", Settings),
        ledger.hook("other settings", Settings),
        supply(Settings()),
        provide(Database),
        provide(Links),
    )

    async def main() -> None:
        async with app:
            assert ledger.lines == [
                "start settings",
                "start other settings",
                "started settings",
                "started other settings",
                "start database",
                "started database",
                "start links",
                "started links",
            ]
            ledger.lines.clear()
        assert ledger.lines == ["stop links", "stop database", "stop settings", "stop other settings"]

    run(main())


def test_hooks_may_start_as_soon_as_what_they_need_is_up(run: Run) -> None:
    may_start = asyncio.Event()
    started = []

    async def slow(settings: Settings) -> None:
        await may_start.wait()
        started.append("slow")

    async def quick(links: Links) -> None:
        started.append("quick")
        may_start.set()

    async def main() -> None:
        declarations = [provide(Settings), provide(Database), provide(Links), hook(on_start=slow), hook(on_start=quick)]
        async with App(*declarations, lifetimes=Lifetimes(order="dependencies")):
            assert started == ["quick", "slow"]

    run(main())


def test_everything_is_built_before_anything_starts_and_taken_back_after_all_has_stopped(run: Run) -> None:
    ledger = Ledger()

    async def database() -> AsyncIterator[Database]:
        ledger.lines.append("build")
        yield Database(Settings())
        ledger.lines.append("take back")

    async def work(database: Database) -> None:
        ledger.lines.append("work")
        try:
            await asyncio.Event().wait()
        finally:
            ledger.lines.append("end work")

    async def main() -> None:
        app = App(worker(work), ledger.hook("hook", Database), invoke(ledger.says("invoke")), provide(database))
        async with app:
            await asyncio.sleep(0)
        assert ledger.lines == [
            "build",
            "invoke",
            "start hook",
            "started hook",
            "work",
            "end work",
            "stop hook",
            "take back",
        ]

    run(main())


def test_what_does_not_depend_on_each_other_is_built_at_once(run: Run) -> None:
    both = [asyncio.Event(), asyncio.Event()]

    def meeting(own: int) -> Any:
        async def make() -> Any:
            both[own].set()
            await both[1 - own].wait()
            return object()

        return make

    first, second = type("First", (), {}), type("Second", (), {})

    def uses(one: Any, two: Any) -> None: ...

    uses.__annotations__.update(one=first, two=second)

    async def main() -> None:
        async with App(provide(meeting(0), as_=first), provide(meeting(1), as_=second), invoke(uses)):
            pass

    run(main())


def test_constructors_may_add_hooks_of_their_own(run: Run) -> None:
    ledger = Ledger()

    class Consumer:
        def __init__(self, lifecycle: Lifecycle) -> None:
            lifecycle.hook(on_start=self.subscribe, on_stop=ledger.says("stop"), timeout=5, name="consumer")

        async def subscribe(self) -> None:
            ledger.lines.append("start")

    def uses(consumer: Consumer) -> None: ...

    uses.__annotations__["consumer"] = Consumer

    async def main() -> None:
        async with App(provide(Consumer), invoke(uses)):
            assert ledger.lines == ["start"]
        assert ledger.lines == ["start", "stop"]

    run(main())


def test_a_hook_that_is_added_after_the_start_is_refused(run: Run) -> None:
    kept: list[Lifecycle] = []

    def late(lifecycle: Lifecycle) -> None:
        kept.append(lifecycle)

    async def main() -> None:
        async with App(invoke(late)):
            with pytest.raises(ConflictError, match=r"hook `print` is added after the start; add it in a constructor, or declare"):
                kept[0].hook(on_stop=print)
            with pytest.raises(InvalidError, match="hook has neither on_start nor on_stop"):
                kept[0].hook()

    run(main())


def test_an_application_may_be_started_again(run: Run) -> None:
    ledger = Ledger()
    app = App(ledger.hook("x"))

    async def main() -> None:
        for _ in range(2):
            async with app:
                assert app.is_ready
            assert not app.is_ready
        assert ledger.lines == ["start x", "started x", "stop x"] * 2

    run(main())


def test_starting_twice_is_refused_and_stopping_twice_or_before_does_nothing(run: Run) -> None:
    app = App()
    app.stop()

    async def main() -> None:
        async with app:
            with pytest.raises(ConflictError, match="runs in this loop already; start it once"):
                async with app:
                    pass
            app.stop()
            app.stop(3)
            await app.wait()
        app.stop()

    run(main())


# Failures of the start.


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
        assert "test_start_stop.py:" in raised.value.__notes__[0]
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
        with pytest.raises(ProviderError, match=r"`never.*` \(.*test_start_stop.py:\d+\) ends without a yield"):
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


# Times, on a clock of the test's.


async def until(app: App, clock: ManualClock, seconds: float) -> None:
    """Lets everything happen that happens now, moves the clock, and lets the rest happen."""
    for _ in range(20):
        await asyncio.sleep(0)
    clock.move_to(seconds)
    if app._only is not None:
        app._only.pump()
    for _ in range(20):
        await asyncio.sleep(0)


def clocked(*declarations: Any, **lifetimes: Any) -> tuple[App, ManualClock]:
    app = App(*declarations, lifetimes=Lifetimes(**lifetimes))
    app._clock = ManualClock()
    return app, app._clock


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


# Failures of the stop.


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


# Stopping while it starts, and stopping from within.


def test_a_start_that_is_cancelled_is_undone_and_has_not_timed_out(run: Run) -> None:
    ledger = Ledger()
    begun = asyncio.Event()

    async def slow(settings: Settings) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        app = App(ledger.hook("x"), provide(Settings), provide(Database), hook(on_start=slow))
        starting = asyncio.ensure_future(app.__aenter__())
        await begun.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert ledger.lines[-1] == "stop x"

    run(main())


@pytest.mark.parametrize("where", ["constructor", "invoke", "hook"])
def test_a_stop_while_it_starts_undoes_what_has_and_is_told(run: Run, where: str) -> None:
    ledger = Ledger()

    def construct(app: App) -> Settings:
        if where == "constructor":
            app.stop(3)
        return Settings()

    def call(app: App, settings: Settings) -> None:
        if where == "invoke":
            app.stop(3)

    async def start(app: App) -> None:
        if where == "hook":
            app.stop(3)
            await asyncio.Event().wait()

    async def main() -> None:
        app = App(provide(construct), invoke(call), hook(on_start=start, on_stop=ledger.says("never")))
        with pytest.raises(StoppedError, match="was stopped before it had started") as raised:
            async with app:
                ledger.lines.append("never")
        assert raised.value.code == 3
        assert ledger.lines == []

    run(main())


def test_the_code_of_the_first_who_stops_holds(run: Run) -> None:
    async def main() -> None:
        async with App() as app:
            app.stop(3)
            app.stop(4)
            await app.wait()
            assert app._running().code == 3

    run(main())


def test_a_block_may_go_on_after_the_application_has_stopped(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with App(ledger.hook("x")) as app:
            app.stop()
            await app.wait()
            assert ledger.lines[-1] == "stop x"

    run(main())


def test_a_stop_that_is_cancelled_is_cut_short(run: Run) -> None:
    stopping = asyncio.Event()

    async def hangs() -> None:
        stopping.set()
        await asyncio.Event().wait()

    async def main() -> None:
        async def block() -> None:
            async with App(hook(on_stop=hangs, stop_timeout=1000)):
                pass

        task = asyncio.ensure_future(block())
        await stopping.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


# Asking for values while it runs.


def test_many_first_requests_for_a_slow_value_make_it_once(run: Run) -> None:
    made = []

    async def database() -> Database:
        made.append("database")
        for _ in range(5):
            await asyncio.sleep(0)
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            links = await asyncio.gather(*(app.resolve(Links) for _ in range(100)))
            assert len(set(map(id, links))) == 1
            assert await app.resolve(Database) is links[0].database
        assert made == ["database"]

    run(main())


def test_who_gives_up_a_value_harms_nobody_else_and_the_last_ends_its_making(run: Run) -> None:
    ended = []
    may_end = asyncio.Event()

    async def database() -> Database:
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            asking = [asyncio.ensure_future(app.resolve(Links)) for _ in range(3)]
            for _ in range(5):
                await asyncio.sleep(0)
            asking[0].cancel()
            await asyncio.sleep(0)
            assert ended == []
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            while not ended:
                await asyncio.sleep(0)
            may_end.set()
            assert isinstance(await app.resolve(Links), Links)

    run(main())


def test_a_value_that_could_not_be_made_is_tried_again(run: Run) -> None:
    failures: list[Exception] = [LookupError("first")]

    async def database() -> Database:
        if failures:
            raise failures.pop()
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            errors = await asyncio.gather(*(app.resolve(Links) for _ in range(3)), return_exceptions=True)
            assert errors[0] is errors[1] is errors[2]
            assert str(errors[0]) == "first"
            assert isinstance(await app.resolve(Links), Links)

    run(main())


def test_a_constructor_that_would_wait_for_itself_is_told_so(run: Run) -> None:
    async def settings(app: App) -> Settings:
        await app.resolve(Links)
        return Settings()

    async def main() -> None:
        async with App(provide(settings), provide(Database), provide(Links)) as app:
            with pytest.raises(DeadlockError, match=r"`settings` would wait for itself: settings \(.*\) -> "):
                await app.resolve(Links)

    run(main())


def test_values_of_an_application_that_does_not_run_are_refused() -> None:
    async def main() -> None:
        app = App(provide(Settings))
        with pytest.raises(ConflictError, match="the application does not run here; use it inside `async with app:`"):
            await app.resolve(Settings)

    asyncio.run(main())


# Resources and their tasks.


@pytest.mark.parametrize("make", ["cancel scope", "timeout", "task group"])
def test_a_cancel_scope_or_a_timeout_may_span_the_yield(make: str) -> None:
    async def cancel_scope() -> AsyncIterator[Database]:
        with anyio.CancelScope():
            yield Database(Settings())

    async def timeout() -> AsyncIterator[Database]:
        if not hasattr(asyncio, "timeout"):
            pytest.skip("asyncio.timeout is Python 3.11's")
        async with asyncio.timeout(60):
            yield Database(Settings())

    async def task_group() -> AsyncIterator[Database]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield Database(Settings())
            group.cancel_scope.cancel()

    async def main() -> None:
        made = {"cancel scope": cancel_scope, "timeout": timeout, "task group": task_group}[make]
        async with App(provide(made), provide(Links), worker(work)) as app:
            assert isinstance((await app.resolve(Links)).database, Database)

    async def work(links: Links) -> None:
        await asyncio.Event().wait()

    asyncio.run(main())


def test_a_resource_is_entered_and_left_by_one_task_and_in_the_context_of_the_start(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def database() -> AsyncIterator[Database]:
        seen.append((asyncio.current_task(), variable.get()))
        token = variable.set("own")
        yield Database(Settings())
        variable.reset(token)
        seen.append((asyncio.current_task(), variable.get()))

    async def main() -> None:
        variable.set("of the start")
        async with App(provide(database)) as app:
            variable.set("of a request")
            await app.resolve(Database)
            assert variable.get() == "of a request"
        assert seen[0] == seen[1]
        assert seen[0][1] == "of the start"

    run(main())


def test_what_is_left_of_a_loop_takes_its_resources_back() -> None:
    lines = []

    async def database() -> AsyncIterator[Database]:
        yield Database(Settings())
        lines.append("taken back")

    async def main() -> None:
        app = App(provide(database))
        await app.__aenter__()
        await app.resolve(Database)

    asyncio.run(main())
    assert lines == ["taken back"]


def test_one_application_runs_in_several_loops() -> None:
    app = App(provide(Settings))
    both = threading.Barrier(2)
    found = []

    async def main() -> None:
        async with app:
            both.wait(10)
            found.append(await app.resolve(Settings))
            both.wait(10)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(map(id, found))) == 2


# Logs and the picture.


def test_everything_that_happens_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    async def main() -> None:
        with caplog.at_level(logging.DEBUG, "hostloop.lifecycle"):
            async with App(provide(Settings), ledger.hook("x", Settings)):
                pass

    run(main())
    lines = [(record.levelname, record.getMessage().partition(" (")[0]) for record in caplog.records]
    assert ("INFO", "phase: building") in lines
    assert ("DEBUG", "constructing Settings") in lines
    assert ("DEBUG", "hook starting x") in lines
    assert ("DEBUG", "hook stopped x") in lines
    assert lines[-1] == ("INFO", "closed")


def test_the_picture_shows_states_and_durations(run: Run) -> None:
    ledger = Ledger()
    app = App(supply(Settings()), provide(Database), ledger.hook("x", Database))

    async def main() -> None:
        assert app.explain()["stage"] == "planned"
        async with app:
            picture = app.explain()
            assert picture["stage"] == "running"
            states = {node["label"]: node["state"] for node in picture["nodes"]}
            assert states["Database"] == "ready"
            assert states["x"] == "up"
            assert "digraph" in app.explain("dot")
            assert app.explain("mermaid").startswith("flowchart")
            assert app.explain("html").startswith("<!doctype html>")
            with pytest.raises(InvalidError, match='explain has the format "png"; use "json", "dot", "mermaid" or "html"'):
                app.explain("png")  # type: ignore[call-overload]

    run(main())


# Signals and processes.

PROGRAM = """
import asyncio, sys, json, logging
from collections.abc import AsyncIterator
from pathlib import Path
from hostloop import App, Timeouts, hook, provide, worker

logging.basicConfig(level=logging.INFO)
folder = Path(__file__).parent

class Database: ...

async def database() -> AsyncIterator[Database]:
    yield Database()
    (folder / "closed").touch()

async def slow_stop() -> None:
    (folder / "stopping").touch()
    while not (folder / "may_stop").exists():
        await asyncio.sleep(0.01)

async def work(database: Database) -> None:
    (folder / "up").touch()
    await asyncio.Event().wait()

app = App(provide(database), hook(on_stop=slow_stop, stop_timeout=60), worker(work))

@app.get("/pid")
async def pid(database: Database) -> str:
    import os
    return str(os.getpid())

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if options.get("workers"):
        app.run(**options)
    else:
        sys.exit(asyncio.run(app.run_until_signal()))
"""


def test_a_signal_stops_a_program_without_http_and_all_of_it_is_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, PROGRAM) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            (tmp_path / "may_stop").touch()
            assert await asyncio.to_thread(program.status) == 0
            assert (tmp_path / "closed").exists()
            assert "Traceback" not in program.log

    asyncio.run(main())


def test_a_second_signal_cuts_the_stop_short_and_the_database_is_closed_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, PROGRAM) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 1
            assert (tmp_path / "closed").exists()
            assert "the stop of hook `slow_stop`" in program.log

    asyncio.run(main())


def test_a_third_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    stubborn = """
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            (folder / "cancelled").touch()
"""
    program_text = PROGRAM.replace(
        """
    while not (folder / "may_stop").exists():
        await asyncio.sleep(0.01)
""",
        stubborn,
    )

    async def main() -> None:
        with programs.serving(tmp_path, program_text) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "cancelled")
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 128 + signal.SIGTERM
            assert not (tmp_path / "closed").exists()

    asyncio.run(main())


def test_every_worker_process_has_an_application_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "may_stop").touch()
        with programs.serving(tmp_path, PROGRAM, workers=2) as program:
            await program.answers()
            await program.workers(lambda pids: len(pids) == 2)
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0
            assert (tmp_path / "closed").exists()

    asyncio.run(main())


def test_signals_are_given_back(run: Run) -> None:
    def handler(*_: Any) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)

    async def main() -> None:
        app = App(invoke(lambda: None))
        running = asyncio.ensure_future(app.run_until_signal())
        while not app.is_ready:
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0

    try:
        run(main())
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_while_it_starts_undoes_the_start(run: Run) -> None:
    ledger = Ledger()
    begun = asyncio.Event()

    async def slow(settings: Settings) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        app = App(ledger.hook("x"), provide(Settings), provide(Database), hook(on_start=slow))
        running = asyncio.ensure_future(app.run_until_signal())
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
        assert ledger.lines[-1] == "stop x"

    run(main())


def test_the_code_of_a_stop_is_what_a_program_ends_with(run: Run) -> None:
    async def work(app: App) -> None:
        app.stop(3)

    async def main() -> None:
        assert await App(worker(work)).run_until_signal() == 3

    run(main())
    with pytest.raises(SystemExit) as raised:
        App(worker(work)).run(port=wire.free_port())
    assert raised.value.code == 3


# The phases of a stop, with HTTP.


def test_readiness_goes_before_the_listener_and_requests_before_workers_and_values(run: Run) -> None:
    lines = []
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def database() -> AsyncIterator[Database]:
        yield Database(Settings())
        lines.append("database closed")

    async def work(database: Database) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            lines.append("worker ended")

    app = App(provide(database), worker(work))

    @app.get("/")
    async def handler(database: Database) -> str:
        begun.set()
        await may_end.wait()
        lines.append("request ended")
        return "done"

    async def main() -> None:
        async with app.listen(port=0) as server:
            address = server.addresses[0]
            asking = asyncio.ensure_future(wire.get(address, "/"))
            await begun.wait()
            app.stop()
            assert not app.is_ready
            await programs.refuses(address)
            assert lines == []
            may_end.set()
            assert (await asking).text == "done"
        assert lines == ["request ended", "worker ended", "database closed"]

    run(main())


def test_a_drain_that_takes_too_long_is_cut_and_the_stop_goes_on(run: Run) -> None:
    lines = []
    begun = asyncio.Event()
    app = App(hook(on_stop=lambda: lines.append("hook")), timeouts=Timeouts(drain=0.05))

    @app.get("/")
    async def handler() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            lines.append("cancelled")

    async def main() -> None:
        async with app.listen(port=0) as server:
            asking = asyncio.ensure_future(wire.get(server.addresses[0], "/"))
            await begun.wait()
        assert (await asking).status == 503
        assert lines == ["cancelled", "hook"]

    run(main())


def test_a_listener_that_cannot_listen_undoes_the_start(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with App().listen(port=0) as other:
            port = int(other.addresses[0].rpartition(":")[2])
            with pytest.raises(OSError, match="another socket listens there"):
                async with App(ledger.hook("x")).listen(port=port):
                    pass
        assert ledger.lines == ["start x", "started x", "stop x"]

    run(main())


def test_an_application_that_runs_may_serve_too(run: Run) -> None:
    app = App(provide(Settings))

    @app.get("/")
    async def handler(settings: Settings) -> str:
        return str(id(settings))

    async def main() -> None:
        async with app:
            settings = await app.resolve(Settings)
            async with app.listen(port=0) as server, app.test() as client:
                assert (await wire.get(server.addresses[0], "/")).text == str(id(settings))
                assert (await client.get("/")).text == str(id(settings))
            assert await app.resolve(Settings) is settings

    run(main())


def test_step_errors_are_errors_of_hostloop() -> None:
    assert issubclass(StepTimeout, StepError)
