"""Workers are run, watched and run again, on a clock of the test's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hostloop import App, FatalError, Lifetimes, Stop, WorkerHandle, hook, provide, worker
from hostloop._core import ManualClock
from hostloop.errors import ConflictError, NotProvidedError, StepError, StepTimeout

Run = Callable[..., Any]


class Database:
    """What workers need."""


class Clocked:
    """An application on a clock of the test's."""

    def __init__(self, *declarations: Any, **lifetimes: Any) -> None:
        self.app = App(*declarations, lifetimes=Lifetimes(**lifetimes))
        self.clock = self.app._clock = ManualClock()

    async def at(self, seconds: float) -> None:
        """Lets everything happen that happens until then."""
        await self.settle()
        self.clock.move_to(seconds)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            if self.app._only is not None:
                self.app._only.pump()
            await asyncio.sleep(0)


class Runs:
    """A worker that fails as often as it is told, then hangs."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.attempts = 0
        self.lines: list[str] = []

    async def run(self) -> None:
        self.attempts += 1
        if self.ends:
            end = self.ends.pop(0)
            if end is not None:
                raise end
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.lines.append("cancelled")
            raise


async def forever() -> None:
    await asyncio.Event().wait()


def failing(times: int) -> list[Exception]:
    return [LookupError(str(number)) for number in range(times)]


def test_a_worker_that_fails_is_run_again_after_ever_longer_waits(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        runs = Runs(*failing(3))
        clocked = Clocked(worker(runs.run, jitter=0))
        async with clocked.app:
            waits = [(0.2, 2), (0.6, 3), (1.4, 4)]
            for second, attempts in waits:
                await clocked.at(second - 0.01)
                assert runs.attempts == attempts - 1
                await clocked.at(second)
                assert runs.attempts == attempts
        assert runs.lines == ["cancelled"]

    run(main())
    assert caplog.text.count("LookupError") >= 3
    assert "worker `Runs.run` (" in caplog.text


def test_after_too_many_failures_the_application_stops_with_the_last(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*failing(10))
        clocked = Clocked(worker(runs.run, jitter=0, backoff=0.1, factor=1, max_restarts=2))
        with pytest.raises(LookupError, match="2") as raised:  # noqa: PT012
            async with clocked.app as app:
                for tenth in range(1, 5):
                    await clocked.at(tenth / 10)
                await app.wait()
        assert runs.attempts == 3
        assert "after 2 restarts" in raised.value.__notes__[0]

    run(main())


def test_a_worker_that_returns_at_once_for_ever_is_exhausted(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*[None] * 100)
        clocked = Clocked(worker(runs.run, restart="always", jitter=0, backoff=0))
        with pytest.raises(StepError, match=r"worker `Runs.run` \(.*\) returned 6 times"):  # noqa: PT012
            async with clocked.app as app:
                await clocked.at(1)
                await app.wait()
        assert runs.attempts == 6

    run(main())


def test_a_normal_return_is_the_end_of_its_work(run: Run) -> None:
    async def main() -> None:
        runs = Runs(None)
        clocked = Clocked(worker(runs.run))
        async with clocked.app as app:
            await clocked.at(100)
            assert runs.attempts == 1
            assert app.is_ready

    run(main())


def test_with_always_a_normal_return_is_followed_by_another_run(run: Run) -> None:
    async def main() -> None:
        runs = Runs(None)
        clocked = Clocked(worker(runs.run, restart="always", jitter=0))
        async with clocked.app:
            await clocked.at(0.2)
            assert runs.attempts == 2

    run(main())


@pytest.mark.parametrize("options", [{"restart": "never"}, {"max_restarts": 0}])
def test_a_failure_may_be_the_end_at_once(run: Run, options: Any) -> None:
    async def main() -> None:
        clocked = Clocked(worker(Runs(LookupError("once")).run, **options))
        with pytest.raises(LookupError, match="once"):  # noqa: PT012
            async with clocked.app as app:
                await clocked.settle()
                await app.wait()

    run(main())


def test_what_is_beyond_help_is_not_tried_again(run: Run) -> None:
    async def main() -> None:
        runs = Runs(FatalError("the licence has expired"))
        clocked = Clocked(worker(runs.run))
        with pytest.raises(FatalError, match="the licence"):  # noqa: PT012
            async with clocked.app as app:
                await clocked.at(10)
                await app.wait()
        assert runs.attempts == 1

    run(main())


def test_an_application_may_go_on_without_a_worker_and_say_so(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*failing(10))
        clocked = Clocked(worker(runs.run, on_exhausted="degrade", max_restarts=0))
        async with clocked.app as app:
            await clocked.settle()
            assert app.is_degraded
            assert app.is_ready
            state = next(node["state"] for node in app.explain()["nodes"] if node["kind"] == "worker")
            assert state == "exhausted"

    run(main())


def test_what_is_after_an_exhausted_worker_may_be_run_anew_with_it(run: Run) -> None:
    async def main() -> None:
        source, reader, other = Runs(*failing(1)), Runs(), Runs()

        async def read() -> None:
            await reader.run()

        clocked = Clocked(
            feed := worker(source.run, name="source", on_exhausted="restart_dependents", max_restarts=0),
            worker(read, name="reader", after=[feed]),
            worker(other.run, name="other"),
        )
        async with clocked.app:
            await clocked.at(1)
            assert (source.attempts, reader.attempts, other.attempts) == (2, 2, 1)
            assert reader.lines == ["cancelled"]

    run(main())


def test_a_stop_while_it_waits_to_be_run_again_never_runs_it(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*failing(1))
        clocked = Clocked(worker(runs.run, jitter=0))
        async with clocked.app:
            await clocked.at(0.1)
        clocked.clock.move_to(10)
        await clocked.settle()
        assert runs.attempts == 1

    run(main())


def test_a_worker_that_has_ended_is_run_again_by_hand_and_not_twice(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*failing(1))
        declared = worker(runs.run, jitter=0)
        clocked = Clocked(declared)
        async with clocked.app as app:
            await clocked.at(0.1)
            app.restart(declared)
            await clocked.at(10)
            assert runs.attempts == 2
            with pytest.raises(ConflictError, match=r"worker `Runs.run` is running, and the application running"):
                app.restart(declared)
            with pytest.raises(NotProvidedError, match="`forever` is no worker of this application"):
                app.restart(forever)

    run(main())


def test_workers_stop_before_what_they_need_and_after_what_is_after_them(run: Run) -> None:
    lines = []

    def ends(name: str) -> Any:
        async def work(database: Database) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                lines.append(name)

        return work

    async def database() -> AsyncIterator[Database]:
        yield Database()
        lines.append("database")

    async def main() -> None:
        first = worker(ends("first"), name="first")
        async with App(provide(database), first, worker(ends("second"), name="second", after=[first])):
            await asyncio.sleep(0)
        assert lines == ["second", "first", "database"]

    run(main())


def test_a_worker_that_takes_a_stop_is_asked_and_not_cancelled(run: Run) -> None:
    lines = []

    async def polite(stop: Stop) -> None:
        assert not stop.is_set()
        await stop.wait()
        assert stop.is_set()
        lines.append("ended")

    async def main() -> None:
        async with App(worker(polite)):
            await asyncio.sleep(0)
        assert lines == ["ended"]

    run(main())


def test_a_worker_that_goes_on_is_cancelled_then_abandoned(run: Run) -> None:
    lines = []
    may_end = asyncio.Event()

    async def stubborn(stop: Stop) -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                lines.append("cancelled")

    async def main() -> None:
        clocked = Clocked(worker(stubborn, stop_timeout=3), grace=0.5)
        await clocked.app.__aenter__()
        await clocked.settle()
        stopping = asyncio.ensure_future(clocked.app.__aexit__(None, None, None))
        await clocked.at(3)
        assert lines == ["cancelled"]
        await clocked.at(3.5)
        with pytest.raises(Exception, match=r"worker `stubborn` \(.*and ignored its cancellation"):
            await stopping
        may_end.set()
        await clocked.settle()

    run(main())


def test_a_cancellation_is_no_failure(run: Run) -> None:
    tasks = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await asyncio.Event().wait()

    async def main() -> None:
        clocked = Clocked(worker(work))
        async with clocked.app as app:
            await clocked.settle()
            tasks[0].cancel()
            await clocked.at(10)
            assert len(tasks) == 1
            assert app.is_ready

    run(main())


def test_what_fails_while_it_stops_is_told_and_not_run_again(run: Run) -> None:
    runs = []

    async def work() -> None:
        runs.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("at the end")

    async def main() -> None:
        with pytest.raises(LookupError, match="at the end"):
            async with App(worker(work)):
                await asyncio.sleep(0)
        assert runs == [1]

    run(main())


def gated(may_be: asyncio.Event) -> Callable[..., Awaitable[None]]:
    async def work(handle: WorkerHandle) -> None:
        await may_be.wait()
        handle.ready()
        await asyncio.Event().wait()

    return work


def test_the_start_waits_until_a_worker_is_ready(run: Run) -> None:
    async def main() -> None:
        may_be = asyncio.Event()
        clocked = Clocked(worker(gated(may_be), ready=True, timeout=5))
        starting = asyncio.ensure_future(clocked.app.__aenter__())
        await clocked.at(4)
        assert not starting.done()
        may_be.set()
        await clocked.settle()
        await starting
        assert clocked.app.is_ready
        await clocked.app.__aexit__(None, None, None)

    run(main())


def test_a_worker_that_is_not_ready_in_time_undoes_the_start(run: Run) -> None:
    lines = []

    async def main() -> None:
        clocked = Clocked(worker(gated(asyncio.Event()), ready=True, timeout=5), hook(on_stop=lambda: lines.append("hook")))
        starting = asyncio.ensure_future(clocked.app.__aenter__())
        await clocked.at(5)
        with pytest.raises(StepTimeout, match=r"worker `.*work` \(.*\) was not ready after 5.00 s"):
            await starting
        assert lines == ["hook"]

    run(main())


def test_a_worker_that_does_not_tick_is_cancelled_and_run_again(run: Run) -> None:
    attempts = []

    async def work(handle: WorkerHandle) -> None:
        attempts.append(handle.attempt)
        if handle.attempt == 1:
            await asyncio.Event().wait()
        while True:
            handle.tick()
            await asyncio.sleep(0)

    async def main() -> None:
        clocked = Clocked(worker(work, watchdog=2, jitter=0))
        async with clocked.app:
            await clocked.at(2)
            await clocked.at(2.2)
            for second in range(3, 20):
                await clocked.at(second)
            assert attempts == [1, 2]

    run(main())


def test_waits_and_exhaustion_are_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        clocked = Clocked(worker(Runs(*failing(5)).run, max_restarts=1, jitter=0, on_exhausted="degrade"))
        with caplog.at_level(logging.WARNING, "hostloop.lifecycle"):
            async with clocked.app:
                await clocked.at(1)

    run(main())
    texts = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert any(level == "WARNING" and text.startswith("worker backing off Runs.run (") for level, text in texts)
    assert any(level == "ERROR" and text.startswith("worker exhausted Runs.run (") for level, text in texts)


def test_the_memory_of_failures_is_bounded(run: Run) -> None:
    async def main() -> None:
        runs = Runs(*failing(3000))
        options: Any = {"backoff": 0, "max_restarts": 10_000}
        async with App(worker(runs.run, **options)) as app:
            while runs.ends:
                await asyncio.sleep(0)
            assert len(app._running().errors._kept) <= 1024

    logging.getLogger("hostloop.lifecycle").disabled = True
    try:
        run(main())
    finally:
        logging.getLogger("hostloop.lifecycle").disabled = False
