"""Readiness goes first, then the listener, then workers, hooks and values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import programs
import pytest
import wire
from start_stop_parts import Database, Ledger, Settings

from hostloop import App, Timeouts, hook, provide, worker
from hostloop.errors import StepError, StepTimeout

Run = Callable[..., Any]


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
