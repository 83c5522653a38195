"""An application is stopped while it starts, from within, and while it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Settings

from hostloop import App, hook, invoke, provide
from hostloop.errors import StoppedError

Run = Callable[..., Any]


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
