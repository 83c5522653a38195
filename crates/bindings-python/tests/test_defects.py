"""What escapes in hostloop itself ends the application with that error: nobody waits for ever."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from hostloop import App, Lifetimes, hook, invoke, provide, worker
from hostloop.errors import ClosedError
from hostloop.lifecycle import driver
from hostloop.lifecycle.container import Container

Run = Callable[..., Any]

PATIENCE = 20
"""Seconds after which what should have ended has not."""


class Defect(Exception):
    """A defect of hostloop's."""


class Settings:
    """Has a teardown."""


class Database:
    """Has one that waits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Links:
    """Is made only when it is asked for."""


def app_with(lines: list[str]) -> App:
    """An application with one of each."""

    def settings() -> Iterator[Settings]:
        yield Settings()
        lines.append("settings left")

    async def database(settings: Settings) -> AsyncIterator[Database]:
        yield Database(settings)
        lines.append("database left")

    async def use(database: Database) -> None:
        await asyncio.sleep(0)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            lines.append("worker ended")

    return App(
        provide(settings),
        provide(database),
        provide(Links),
        invoke(use),
        hook(on_start=use, on_stop=lambda: lines.append("hook stopped")),
        worker(work),
    )


async def bounded(main: Coroutine[Any, Any, None]) -> None:
    """Cancels what hangs. Here in its own task: what asks the process to end leaves others behind."""
    task = asyncio.current_task()
    assert task is not None
    patience = asyncio.get_running_loop().call_later(PATIENCE, task.cancel)
    try:
        await main
    finally:
        patience.cancel()


def break_down(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException, *, after: int = 0) -> None:
    """Has a part of the container fail, once it has done well so often."""
    done = 0
    real = getattr(Container, name)

    def fails(*arguments: Any, **named: Any) -> Any:
        nonlocal done
        done += 1
        if done > after:
            raise error
        return real(*arguments, **named)

    monkeypatch.setattr(Container, name, fails)


@pytest.mark.parametrize("kind", [Defect, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("_construct", []),
        ("_start_hook", ["database left", "settings left"]),
        ("_run_worker", ["hook stopped", "database left", "settings left"]),
        ("_listen", []),
        ("_started", ["worker ended", "hook stopped", "database left", "settings left"]),
        ("_happened", []),
    ],
)
def test_a_command_that_cannot_be_done_ends_the_start_with_its_error(
    monkeypatch: pytest.MonkeyPatch, name: str, left: list[str], kind: type[BaseException]
) -> None:
    lines: list[str] = []
    app = app_with(lines)

    @app.get("/")
    async def handler() -> None: ...

    error = kind("defect")

    async def main() -> None:
        async with app:
            lines.append("never")

    break_down(monkeypatch, name, error)
    with pytest.raises(kind) as raised:
        asyncio.run(bounded(main()))
    assert raised.value is error or kind is not Defect
    assert "never" not in lines
    assert [line for line in lines if line in left] == left


def test_the_error_says_that_it_is_a_defect_and_is_logged(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with pytest.raises(Defect) as raised:
            async with app_with([]):
                pass
        assert "the command `construct` of hostloop itself failed; please report this" in raised.value.__notes__

    break_down(monkeypatch, "_construct", Defect())
    run(main())
    assert "the command `construct` of hostloop itself failed; the application stops" in caplog.text


def test_an_event_that_cannot_be_told_ends_the_start(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def fails(event: Any, _: Any) -> None:
        if event[1] == "hook started":
            raise Defect

    async def main() -> None:
        with pytest.raises(Defect):
            async with app_with(lines):
                lines.append("never")
        assert lines == ["hook stopped", "database left", "settings left"]

    monkeypatch.setattr(driver, "report", fails)
    run(main())


@pytest.mark.parametrize("name", ["_pull", "_poll"])
@pytest.mark.parametrize("after", range(12))
def test_a_machine_that_cannot_be_asked_any_more_ends_everything(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> None:
    lines: list[str] = []
    app = app_with(lines)

    async def main() -> None:
        async with app:
            # As long as it has begun: this asks the machine until it breaks.
            while True:
                app._running().wake()
                await asyncio.sleep(0)

    break_down(monkeypatch, name, Defect(), after=after)
    with pytest.raises(Defect):
        asyncio.run(bounded(main()))
    assert app._containers == {}


def test_what_is_held_is_left_though_the_machine_cannot_be_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    async def main() -> None:
        with pytest.raises(Defect):  # noqa: PT012
            async with app_with(lines) as app:
                await asyncio.sleep(0)
                break_down(monkeypatch, "_pull", Defect())
                app._running().wake()
                await asyncio.Event().wait()
        assert lines == ["worker ended", "database left", "settings left"]

    run(main())


def test_who_waits_for_a_value_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        asking: list[asyncio.Task[Any]] = []
        with pytest.raises(Defect):  # noqa: PT012
            async with app_with([]) as app:
                await asyncio.sleep(0)
                break_down(monkeypatch, "_pull", Defect())
                asking.append(asyncio.ensure_future(app.resolve(Links)))
                await asyncio.Event().wait()
        with pytest.raises(ClosedError, match="the application has failed and ended; its log says why"):
            await asking[0]

    run(main())


@pytest.mark.parametrize("name", ["_swap", "_finalize", "_drain", "_stopped", "_stop_hook", "_stop_worker", "_forget"])
def test_a_command_that_cannot_be_done_later_ends_the_application(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    app = app_with([])
    app.lifetimes = Lifetimes(stop_step_timeout=0.01, grace=0.01)

    @app.get("/")
    async def handler() -> None: ...

    async def main() -> None:
        async with app:
            await app.resolve(Links)
            await app.reload(Links)
            if name == "_swap":
                await asyncio.Event().wait()

    break_down(monkeypatch, name, Defect())
    with pytest.raises(Defect):
        asyncio.run(bounded(main()))
    assert app._containers == {}


def test_a_task_of_hostloops_that_fails_ends_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with app_with([]):
            await asyncio.Event().wait()

    break_down(monkeypatch, "_keep", Defect())
    with pytest.raises(Defect):
        asyncio.run(bounded(main()))


def test_a_defect_while_it_runs_ends_the_block(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    async def main() -> None:
        with pytest.raises(Defect):  # noqa: PT012
            async with app_with(lines) as app:
                await asyncio.sleep(0)
                break_down(monkeypatch, "_construct", Defect())
                with pytest.raises(Defect):
                    await app.resolve(Links)
                await asyncio.Event().wait()
        assert lines == ["worker ended", "hook stopped", "database left", "settings left"]

    run(main())


@pytest.mark.parametrize("slow", ["block", "worker", "teardown"])
def test_a_program_ends_while_everything_is_broken_off(monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    lines: list[str] = []

    async def main() -> None:
        ending = asyncio.Event()

        async def end(what: str) -> None:
            if what == slow:
                ending.set()
                await asyncio.Event().wait()

        async def database() -> AsyncIterator[Database]:
            yield Database(Settings())
            lines.append("leaving")
            await end("teardown")

        async def work(_: Database) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await end("worker")

        async def service() -> None:
            async with App(provide(database), worker(work), lifetimes=Lifetimes(stop_step_timeout=None, grace=PATIENCE)) as app:
                await asyncio.sleep(0)
                break_down(monkeypatch, "_pull", Defect())
                app._running().wake()
                try:
                    await asyncio.Event().wait()
                finally:
                    await end("block")

        asyncio.get_running_loop().call_later(PATIENCE, sys.exit, "the program hangs")
        task = asyncio.ensure_future(service())
        await ending.wait()
        assert not task.done()

    asyncio.run(main())
    assert lines == ["leaving"]


# What is no defect of hostloop's.


@pytest.mark.parametrize("where", ["filter", "handler"])
def test_a_users_logging_that_fails_is_printed_and_nothing_else(run: Run, capsys: pytest.CaptureFixture[str], where: str) -> None:
    class Fails(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise LookupError("full")

    def fails(_: logging.LogRecord) -> bool:
        raise LookupError("full")

    async def main() -> None:
        runs = 0
        again = asyncio.Event()

        async def works() -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise ValueError
            again.set()
            await asyncio.Event().wait()

        async with App(worker(works, backoff=0, jitter=0)) as app:
            await again.wait()
            assert app.is_ready

    log, handler = logging.getLogger("hostloop.lifecycle"), Fails()
    log.addHandler(handler) if where == "handler" else log.addFilter(fails)
    try:
        run(main())
    finally:
        log.removeHandler(handler)
        log.removeFilter(fails)
    assert "LookupError: full" in capsys.readouterr().err


def test_lines_of_the_log_say_where_they_were_written(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise LookupError

    async def main() -> None:
        async with App(worker(fails, restart="never", on_exhausted="degrade")) as app:
            while not app.is_degraded:
                await asyncio.sleep(0)

    run(main())
    [record] = [record for record in caplog.records if record.exc_info]
    assert (record.filename, record.funcName) == ("activities.py", "_work")
