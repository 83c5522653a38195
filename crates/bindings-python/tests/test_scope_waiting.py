"""Who waits for a value of a scope may give up, and is told why there is none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from scope_parts import Account, Session, Slow, app_with, keys

from hostloop import App, Scope, provide
from hostloop.errors import DeadlockError

Run = Callable[..., Any]


def test_who_gives_up_harms_nobody_else(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(3)]
            await slow.begun.wait()
            asking[0].cancel()
            asking[2].cancel()
            await asyncio.sleep(0)
            slow.may_end.set()
            assert isinstance(await asking[1], Account)
            assert [task.cancelled() for task in asking] == [True, False, True]
        assert slow.ended == ["made", "left"]

    run(main())


def test_with_the_last_who_waits_gone_it_is_cancelled_and_the_next_has_it_made_anew(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        async with app_with(provide(slow.make, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(2)]
            await slow.begun.wait()
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            while not slow.ended:
                await asyncio.sleep(0)
            assert slow.ended == ["cancelled"]
            slow.may_end.set()
            assert isinstance(await scope.resolve(Account), Account)

    run(main())


def test_who_waits_on_the_scopes_own_task_makes_it_if_that_is_cancelled(run: Run) -> None:
    async def main() -> None:
        slow = Slow()
        app = app_with(provide(slow.make, scope="request"))
        entered: asyncio.Future[Scope] = asyncio.get_running_loop().create_future()
        may_leave = asyncio.Event()

        async def own() -> None:
            async with app.scope() as scope:
                entered.set_result(scope)
                with contextlib.suppress(asyncio.CancelledError):
                    await scope.resolve(Session)
                await may_leave.wait()

        async with app:
            owner = asyncio.ensure_future(own())
            scope = await entered
            await slow.begun.wait()
            other = asyncio.ensure_future(scope.resolve(Session))
            await asyncio.sleep(0)
            owner.cancel()
            slow.begun.clear()
            await slow.begun.wait()
            slow.may_end.set()
            assert isinstance(await other, Session)
            may_leave.set()
            await owner
        assert slow.ended == ["cancelled", "made", "left"]

    run(main())


def test_a_constructor_that_asks_for_itself_is_told_so(run: Run) -> None:
    async def session(app: App) -> Session:
        await app.resolve(Account)
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            with pytest.raises(DeadlockError, match=r"`session` would wait for itself: session \(.*\) -> session"):
                await scope.resolve(Account)
            with pytest.raises(DeadlockError):
                await asyncio.ensure_future(scope.resolve(Account))

    run(main())


def test_two_tasks_that_wait_for_each_other_are_told_so(run: Run) -> None:
    first, second = keys(2)
    begun = asyncio.Event()

    async def one(app: App) -> Any:
        await begun.wait()
        await app.resolve(second)

    async def two(app: App) -> Any:
        begun.set()
        await app.resolve(first)

    async def main() -> None:
        app = App(provide(one, as_=first, scope="request"), provide(two, as_=second, scope="request"))
        async with app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(wanted)) for wanted in (first, second)]
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(error, DeadlockError) for error in errors)

    run(main())
