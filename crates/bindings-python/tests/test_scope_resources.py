"""A resource of a scope is entered and left by one task, and may have a time for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from scope_parts import Account, Session, Slow, app_with

from hostloop import provide
from hostloop.errors import StepTimeout

Run = Callable[..., Any]


# Where resources are entered and left.


async def with_a_cancel_scope() -> AsyncIterator[Session]:
    with anyio.CancelScope():
        yield Session()


async def with_a_task_group() -> AsyncIterator[Session]:
    async with anyio.create_task_group() as group:
        group.start_soon(asyncio.sleep, 0)
        yield Session()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("make", [with_a_cancel_scope, with_a_task_group])
@pytest.mark.parametrize("where", ["own task", "other task"])
def test_a_cancel_scope_may_span_the_yield_whoever_asks(make: Any, where: str) -> None:
    async def main() -> None:
        async with app_with(provide(make, scope="request")) as app, app.scope() as scope:
            call = scope.resolve(Account)
            assert isinstance(await (call if where == "own task" else asyncio.ensure_future(call)), Account)

    asyncio.run(main())


@pytest.mark.parametrize("where", ["own task", "other task"])
def test_a_resource_is_left_by_the_task_that_has_entered_it(run: Run, where: str) -> None:
    tasks = []

    async def session() -> AsyncIterator[Session]:
        tasks.append(asyncio.current_task())
        yield Session()
        tasks.append(asyncio.current_task())

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            call = scope.resolve(Account)
            await (call if where == "own task" else asyncio.ensure_future(call))
        entered, left = tasks
        assert entered is left
        assert (entered is asyncio.current_task()) == (where == "own task")

    run(main())


# Times.


def test_making_a_value_may_have_a_time(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request", timeout=0.01)) as app, app.scope() as scope:
            with pytest.raises(StepTimeout, match=r"`Slow.make` \(.*\) did not end in 0.01 s"):
                await scope.resolve(Account)
        assert slow.ended == ["cancelled"]

    run(main())


def test_taking_a_value_back_may_have_a_time(run: Run) -> None:
    ended = []

    async def session() -> AsyncIterator[Session]:
        yield Session()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        async with app_with(provide(session, scope="request", stop_timeout=0.01)) as app:
            with pytest.raises(StepTimeout, match=r"the teardown of `session` \(.*\) did not end in 0.01 s"):
                async with app.scope() as scope:
                    await scope.resolve(Account)
        assert ended == ["cancelled"]

    run(main())
