"""The block of `async with app:` ends when the application fails, as that of a task group does; a stop lets it go on."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from conftest import PATIENCE
from start_stop_parts import until

from hostloop import App, FatalError, Lifetimes, Timeouts, hook, provide, worker
from hostloop._core import ManualClock
from hostloop.errors import LifecycleError

Run = Callable[..., Any]

counts_cancellations = pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks count cancellations since Python 3.11")


class Failing:
    """An application whose worker fails when it is told."""

    def __init__(self, *declarations: Any, error: BaseException | None = None) -> None:
        self.may_fail = asyncio.Event()
        self.error = error or LookupError("beyond help")
        self.lines: list[str] = []
        self.app = App(
            *declarations,
            hook(on_stop=lambda: self.lines.append("stopped")),
            worker(self.work, restart="never"),
        )

    async def work(self) -> None:
        await self.may_fail.wait()
        raise self.error

    async def fail(self) -> None:
        """Fails, and waits for what cannot come."""
        self.may_fail.set()
        await asyncio.Event().wait()


class Database:
    """Has a teardown that waits."""


def entered(app: App, way: str) -> AbstractAsyncContextManager[Any]:
    """The ways to have a block."""
    return {"app": app, "listen": app.listen(port=0), "unbound": app.unbound(), "test": app.test()}[way]


@pytest.mark.parametrize("way", ["app", "listen", "unbound", "test"])
def test_a_failure_ends_the_block_and_is_what_it_raises(run: Run, way: str) -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(LookupError, match="beyond help") as raised:  # noqa: PT012
            async with entered(failing.app, way):
                try:
                    await failing.fail()
                except asyncio.CancelledError:
                    failing.lines.append("cancelled")
                    raise
        assert failing.lines == ["cancelled", "stopped"]
        assert raised.value.__notes__[0].startswith("worker `Failing.work` (")
        await asyncio.sleep(0)

    run(main())


@counts_cancellations
def test_the_task_is_as_before_when_the_block_has_ended(run: Run) -> None:
    async def main() -> None:
        failing, task = Failing(), asyncio.current_task()
        assert task is not None
        with pytest.raises(LookupError):
            async with failing.app:
                await failing.fail()
        assert task.cancelling() == 0
        async with asyncio.timeout(10):
            await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_nothing_is_taken_back_before_the_block_has_ended(run: Run, kind: str) -> None:
    class Database:
        is_open = True

    def database() -> Iterator[Database]:
        database = Database()
        yield database
        database.is_open = False

    async def database_async() -> AsyncIterator[Database]:
        database = Database()
        yield database
        database.is_open = False

    database.__annotations__["return"] = Iterator[Database]
    database_async.__annotations__["return"] = AsyncIterator[Database]

    async def main() -> None:
        failing = Failing(provide(database if kind == "sync" else database_async))
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app as app:
                made = await app.resolve(Database)
                try:
                    await failing.fail()
                finally:
                    for _ in range(10):
                        await asyncio.sleep(0)
                    assert made.is_open
                    assert failing.lines == []
                    assert await app.resolve(Database) is made
        assert not made.is_open

    run(main())


@pytest.mark.parametrize("error", [FatalError("licence"), KeyboardInterrupt(), SystemExit(3)])
def test_whatever_a_worker_ends_the_application_by_ends_the_block(error: BaseException) -> None:
    async def main() -> None:
        failing = Failing(error=error)
        async with failing.app:
            await failing.fail()

    with pytest.raises(type(error)):
        asyncio.run(main())


def test_restarts_that_are_exhausted_end_the_block(run: Run) -> None:
    async def fails() -> None:
        raise LookupError("again")

    async def main() -> None:
        with pytest.raises(LookupError, match="again"):
            async with App(worker(fails, backoff=0, jitter=0, max_restarts=2)):
                await asyncio.Event().wait()

    run(main())


def test_a_worker_that_is_given_up_does_not_end_the_block(run: Run) -> None:
    async def fails() -> None:
        raise LookupError

    async def main() -> None:
        async with App(worker(fails, restart="never", on_exhausted="degrade")) as app:
            while not app.is_degraded:
                await asyncio.sleep(0)
            await asyncio.sleep(0)

    run(main())


@pytest.mark.parametrize("asks", ["block", "worker"])
def test_a_stop_that_is_asked_for_lets_the_block_go_on(run: Run, asks: str) -> None:
    begun = asyncio.Event()

    async def stops(app: App) -> None:
        await begun.wait()
        if asks == "worker":
            app.stop()

    async def main() -> None:
        lines = []
        async with App(worker(stops)) as app:
            begun.set()
            if asks == "block":
                app.stop()
            await app.wait()
            await asyncio.sleep(0)
            lines.append("went on")
        assert lines == ["went on"]

    run(main())


def test_what_fails_in_a_stop_that_was_asked_for_is_raised_at_the_end_of_the_block(run: Run) -> None:
    def fail() -> None:
        raise LookupError("stop")

    async def main() -> None:
        lines = []
        with pytest.raises(LookupError, match="stop"):  # noqa: PT012
            async with App(hook(on_stop=fail)) as app:
                app.stop()
                await app.wait()
                lines.append("went on")
        assert lines == ["went on"]

    run(main())


def test_an_error_of_the_block_that_ends_is_raised_beside_the_failure(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(LifecycleError, match="the application failed, and so did the block") as raised:  # noqa: PT012
            async with failing.app:
                try:
                    await failing.fail()
                finally:
                    raise KeyError("block")
        assert [type(error) for error in raised.value.exceptions] == [LookupError, KeyError]

    run(main())


def test_a_block_that_takes_no_notice_is_told_of_the_failure_at_its_end(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app:
                try:
                    await failing.fail()
                except asyncio.CancelledError:
                    failing.lines.append("ignored")
                await asyncio.sleep(0)
        assert "ignored" in failing.lines
        await asyncio.sleep(0)

    run(main())


def test_a_failure_that_the_block_brings_about_in_its_last_step_is_raised(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app as app:
                failing.may_fail.set()
                for _ in range(3):
                    # What a constructor that is asked for at once does: the commands are done in the block's own step.
                    app._running().pump_at_once()
                    await asyncio.sleep(0)

    run(main())


@counts_cancellations
def test_a_cancellation_that_the_block_never_saw_is_taken_back(run: Run) -> None:
    async def main() -> None:
        failing, task = Failing(), asyncio.current_task()
        assert task is not None
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app as app:
                container = app._running()
                failing.may_fail.set()
                while container.run.stage == "running":
                    await asyncio.sleep(0)
                    container.pump()
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    run(main())


# How long it may take.


@pytest.mark.parametrize("lifetimes", [Lifetimes(), Lifetimes(stop_step_timeout=None, stop_timeout=None)])
def test_a_block_that_does_not_end_is_waited_for_no_longer_than_a_drain(
    run: Run, caplog: pytest.LogCaptureFixture, lifetimes: Lifetimes
) -> None:
    async def main() -> None:
        failing = Failing()
        failing.app.lifetimes, failing.app.timeouts = lifetimes, Timeouts(drain=0.01)
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app as app:
                try:
                    await failing.fail()
                finally:
                    await app.wait()
        assert "its block did not end in 0.01 s; the stop goes on beside it" in caplog.text

    run(main())


class Unwinding(Failing):
    """One whose block takes its time, on a clock of the test's."""

    def __init__(self, *declarations: Any, drain: float | None = 15, **lifetimes: Any) -> None:
        super().__init__(*declarations)
        self.app.lifetimes, self.app.timeouts = Lifetimes(**lifetimes), Timeouts(drain=drain)
        self.app._clock = self.clock = ManualClock()
        self.unwinding, self.may_end = asyncio.Event(), asyncio.Event()

    async def block(self) -> None:
        async with self.app:
            try:
                await self.fail()
            finally:
                self.unwinding.set()
                await self.may_end.wait()
                self.lines.append("block ended")


def test_what_stops_behind_the_block_has_all_of_its_time(run: Run) -> None:
    async def main() -> None:
        stopping, closing, goes_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def database() -> AsyncIterator[Database]:
            yield Database()
            closing.set()
            await goes_on.wait()
            unwinding.lines.append("closed")

        async def on_stop(_: Database) -> None:
            stopping.set()
            await goes_on.wait()
            unwinding.lines.append("hook stopped")

        unwinding = Unwinding(provide(database), hook(on_stop=on_stop), stop_step_timeout=5)
        task = asyncio.ensure_future(unwinding.block())
        await unwinding.unwinding.wait()
        await until(unwinding.app, unwinding.clock, 6)
        assert unwinding.lines == []
        unwinding.may_end.set()
        now = 6
        for waited_for in (stopping, closing):
            goes_on.clear()
            await waited_for.wait()
            now += 4
            await until(unwinding.app, unwinding.clock, now)
            goes_on.set()
        with pytest.raises(LookupError):
            await task
        assert unwinding.lines == ["block ended", "hook stopped", "stopped", "closed"]

    run(main())


def test_the_wait_for_a_block_is_within_the_time_of_the_whole_stop(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        unwinding = Unwinding(drain=None, stop_step_timeout=None, stop_timeout=6, grace=1)
        task = asyncio.ensure_future(unwinding.block())
        await unwinding.unwinding.wait()
        await until(unwinding.app, unwinding.clock, 3.9)
        assert unwinding.lines == []
        await until(unwinding.app, unwinding.clock, 4.1)
        assert unwinding.lines == ["stopped"]
        assert "its block did not end" in caplog.text
        unwinding.may_end.set()
        with pytest.raises(LookupError):
            await task

    run(main())


def test_a_second_signal_ends_the_wait_for_a_block(run: Run) -> None:
    async def main() -> None:
        unwinding = Unwinding()
        task = asyncio.ensure_future(unwinding.block())
        await unwinding.unwinding.wait()
        unwinding.app._running().cut_short()
        await unwinding.app.wait()
        assert unwinding.lines == ["stopped"]
        unwinding.may_end.set()
        with pytest.raises(LookupError):
            await task

    run(main())


def test_a_block_is_cancelled_before_the_delay_of_the_stop(run: Run) -> None:
    async def main() -> None:
        unwinding = Unwinding(pre_stop_delay=3)
        task = asyncio.ensure_future(unwinding.block())
        unwinding.may_end.set()
        await unwinding.unwinding.wait()
        await until(unwinding.app, unwinding.clock, 2.9)
        assert unwinding.lines == ["block ended"]
        await until(unwinding.app, unwinding.clock, 3)
        with pytest.raises(LookupError):
            await task
        assert unwinding.lines == ["block ended", "stopped"]

    run(main())


def test_a_server_goes_on_until_the_block_has_ended(run: Run) -> None:
    async def main() -> None:
        failing = Failing()

        @failing.app.get("/")
        async def handler() -> str:
            return "still there"

        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app.test() as client:
                try:
                    await failing.fail()
                finally:
                    assert (await client.get("/")).text == "still there"

    run(main())


@pytest.mark.parametrize("order", ["levels", "dependencies"])
def test_the_block_ends_before_workers_are_stopped(run: Run, order: Any) -> None:
    async def main() -> None:
        async def other() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                unwinding.lines.append("worker ended")

        unwinding = Unwinding(worker(other), order=order)
        task = asyncio.ensure_future(unwinding.block())
        await unwinding.unwinding.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        unwinding.may_end.set()
        with pytest.raises(LookupError):
            await task
        assert unwinding.lines[0] == "block ended"
        assert sorted(unwinding.lines[1:]) == ["stopped", "worker ended"]

    run(main())


# The end of the program.


def run_to_its_end(main: Coroutine[Any, Any, None]) -> None:
    """Runs a program as `asyncio.run` does, which cancels every task at its end; one that hangs then has failed."""

    async def bounded() -> None:
        asyncio.get_running_loop().call_later(PATIENCE, sys.exit, "the program hangs")
        await main

    asyncio.run(bounded())


def test_a_program_ends_while_a_block_unwinds() -> None:
    blocks = []

    async def main() -> None:
        failing = Failing()
        unwinding = asyncio.Event()
        blocks.append(failing.lines)

        async def block() -> None:
            async with failing.app:
                try:
                    await failing.fail()
                finally:
                    unwinding.set()
                    await asyncio.Event().wait()

        task = asyncio.ensure_future(block())
        await unwinding.wait()
        assert not task.done()

    run_to_its_end(main())
    assert blocks == [["stopped"]]


def test_a_block_that_cancels_all_other_tasks_is_still_waited_for() -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app:
                try:
                    await failing.fail()
                finally:
                    for task in asyncio.all_tasks() - {asyncio.current_task()}:
                        task.cancel()
                    for _ in range(10):
                        await asyncio.sleep(0)
                    failing.lines.append("block ended")
        assert failing.lines == ["block ended", "stopped"]

    run_to_its_end(main())


# The picture.


def test_the_block_is_in_the_picture_of_an_application_that_runs_for_one(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def listeners(app: App) -> dict[str, Any]:
        return {node["label"]: node.get("state") for node in app.explain()["nodes"] if node["kind"] == "listener"}

    async def main() -> None:
        app = App()
        running = asyncio.ensure_future(app.run_until_signal())
        while not app.is_ready:
            await asyncio.sleep(0)
        assert listeners(app) == {}
        app.stop()
        await running
        assert listeners(app) == {}
        with caplog.at_level(logging.INFO, "hostloop.lifecycle"):
            async with app:
                assert listeners(app) == {"block": "up"}
        assert "block" not in caplog.text
        async with app.unbound():
            assert listeners(app) == {"block": "up", "http": "up"}

    run(main())


# Somebody else's cancellation.


@pytest.mark.parametrize("first", ["failure", "outside"])
def test_a_cancellation_from_outside_is_not_taken_for_the_failures(run: Run, caplog: pytest.LogCaptureFixture, first: str) -> None:
    async def main() -> None:
        failing = Failing()
        begun, unwinding, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def block() -> None:
            async with failing.app:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    unwinding.set()
                    await may_end.wait()

        task = asyncio.ensure_future(block())
        await begun.wait()
        if first == "failure":
            failing.may_fail.set()
        else:
            task.cancel()
        await unwinding.wait()
        if first == "failure":
            task.cancel()
        else:
            failing.may_fail.set()
            while failing.app.is_ready:
                await asyncio.sleep(0)
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert failing.lines == ["stopped"]
        assert "beyond help" in caplog.text

    run(main())


@counts_cancellations
def test_a_cancellation_in_the_same_instant_is_not_lost(run: Run) -> None:
    async def main() -> None:
        failing = Failing()

        begun = asyncio.Event()

        async def block() -> None:
            async with failing.app:
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(block())
        await begun.wait()
        failing.may_fail.set()
        while failing.app.is_ready:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


@counts_cancellations
def test_a_timeout_around_the_block_stays_a_timeout(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with asyncio.timeout(None) as timeout, failing.app:
                try:
                    await failing.fail()
                finally:
                    timeout.reschedule(0)
                    await asyncio.Event().wait()

    run(main())


def test_cancellations_before_the_block_are_nobodys_business(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        caught: list[BaseException] = []

        async def cleaning_up() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                try:
                    async with failing.app:
                        await failing.fail()
                except LookupError as error:
                    caught.append(error)
                raise

        task = asyncio.ensure_future(cleaning_up())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert caught == [failing.error]

    run(main())


# What stands in the block.


def test_task_groups_and_scopes_in_the_block_end_with_it() -> None:
    async def main() -> None:
        failing = Failing()
        lines = []

        async def child() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                lines.append("child ended")

        with pytest.raises(LookupError):  # noqa: PT012
            async with failing.app, anyio.create_task_group() as group:
                group.start_soon(child)
                await asyncio.sleep(0)
                await failing.fail()
        assert lines == ["child ended"]

    asyncio.run(main())


def test_only_the_task_that_has_entered_is_cancelled(run: Run) -> None:
    async def main() -> None:
        failing = Failing()
        others_may_end = asyncio.Event()

        async def other() -> str:
            await others_may_end.wait()
            return "ended well"

        async def enter() -> None:
            await failing.app.__aenter__()

        # As a fixture does: who enters is gone when it fails.
        await asyncio.create_task(enter())
        task = asyncio.ensure_future(other())
        failing.may_fail.set()
        await failing.app.wait()
        others_may_end.set()
        assert await task == "ended well"
        with pytest.raises(LookupError):
            await failing.app.__aexit__(None, None, None)

    run(main())


@counts_cancellations
def test_who_has_entered_is_as_before_when_another_task_has_left(run: Run) -> None:
    async def main() -> None:
        failing, task = Failing(), asyncio.current_task()
        assert task is not None
        await failing.app.__aenter__()
        with pytest.raises(asyncio.CancelledError):
            await failing.fail()
        with pytest.raises(LookupError):
            await asyncio.create_task(failing.app.__aexit__(None, None, None))
        assert task.cancelling() == 0

    run(main())


def test_a_task_that_ends_without_leaving_is_not_waited_for(run: Run) -> None:
    async def main() -> None:
        failing = Failing()

        async def enter() -> None:
            await failing.app.__aenter__()
            await failing.fail()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(enter())
        await failing.app.wait()
        with pytest.raises(LookupError):
            await failing.app.__aexit__(None, None, None)

    run(main())


def test_a_failure_right_behind_the_start_lets_no_block_begin(run: Run) -> None:
    async def fails() -> None:
        raise LookupError("at once")

    async def main() -> None:
        lines = []
        with pytest.raises(LookupError, match="at once"):  # noqa: PT012
            async with App(worker(fails, restart="never")):
                lines.append("begun")
                await asyncio.Event().wait()
        assert lines in ([], ["begun"])

    run(main())


def test_a_failure_while_the_block_is_left_already_cancels_nobody(run: Run) -> None:
    async def main() -> None:
        stopping = asyncio.Event()

        async def slow() -> None:
            stopping.set()
            for _ in range(10):
                await asyncio.sleep(0)

        async def fails() -> None:
            await stopping.wait()
            raise LookupError("too late to matter")

        async with App(hook(on_stop=slow), worker(fails, restart="never")):
            await asyncio.sleep(0)

    run(main())


def test_blocks_of_one_application_in_several_loops_are_each_their_own() -> None:
    async def other(app: App) -> None:
        async with app:
            await app.wait()

    async def main() -> None:
        app = App()
        async with app:
            stopping = asyncio.ensure_future(asyncio.to_thread(asyncio.run, other(app)))
            while len(app._containers) < 2:
                await asyncio.sleep(0.001)
            [elsewhere] = [container for loop, container in app._containers.items() if loop is not asyncio.get_running_loop()]
            elsewhere.loop.call_soon_threadsafe(elsewhere.stop)
            await stopping
            assert app.is_ready
        assert app._containers == {}

    asyncio.run(main())
