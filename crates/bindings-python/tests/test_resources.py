"""A resource is entered and left by one task, in the context and the loop of its application."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from start_stop_parts import Database, Links, Settings

from hostloop import App, provide, worker

Run = Callable[..., Any]


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
