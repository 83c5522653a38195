"""A scope is found by the context that it was entered in, and brings values with it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest
from scope_parts import Account, Ledger, Session, Settings, app_with

from hostloop import App, context, provide
from hostloop.errors import ClosedError, NotProvidedError

Run = Callable[..., Any]


# The context.


def test_the_scope_that_a_caller_is_in_is_found_and_restored(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            async with app.scope() as outer:
                first = await app.resolve(Session)
                assert first is await outer.resolve(Session)
                with pytest.raises(KeyError):  # noqa: PT012
                    async with app.scope() as inner:
                        assert await app.resolve(Session) is await inner.resolve(Session) is not first
                        raise KeyError
                assert await app.resolve(Session) is first
            with pytest.raises(ClosedError):
                await app.resolve(Session)

    run(main())


def test_scopes_beside_each_other_are_isolated(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            both = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

            async def block() -> Session:
                async with app.scope() as scope:
                    if both is not None:
                        await both.wait()
                    session = await app.resolve(Session)
                    assert session is await scope.resolve(Session)
                    if both is not None:
                        await both.wait()
                    return await app.resolve(Session)

            first, second = await asyncio.gather(block(), block())
            assert first is not second

    run(main())


def test_a_task_that_outlives_its_scope_is_in_the_one_around_it(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            closed = asyncio.Event()

            async def background() -> None:
                await closed.wait()
                assert isinstance(await app.resolve(Settings), Settings)
                async with app.scope() as own:
                    assert isinstance(await own.resolve(Session), Session)

            async with app.scope():
                task = asyncio.ensure_future(background())
            closed.set()
            await task

    run(main())


def test_a_scope_that_is_left_in_another_context_is_closed_all_the_same(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            scope = app.scope()
            await asyncio.ensure_future(scope.__aenter__())
            await scope.resolve(Session)
            await asyncio.ensure_future(scope.__aexit__(None, None, None))
            assert ledger.lines == ["+s", "-s"]

    run(main())


def test_constructors_of_the_application_see_nothing_of_the_scope_that_asked_first(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def settings() -> Settings:
        seen.append(variable.get())
        return Settings()

    async def main() -> None:
        async with App(provide(settings), provide(Session, scope="request"), provide(Account, scope="request")) as app:  # noqa: SIM117
            async with app.scope() as scope:
                variable.set("of a request")
                await scope.resolve(Account)
        assert seen == ["unset"]

    run(main())


# What comes with a scope.


class User:
    """Comes with the request."""


def test_what_comes_with_a_scope_is_given_when_it_is_entered(run: Run) -> None:
    class Page:
        def __init__(self, user: User) -> None:
            self.user = user

    Page.__init__.__annotations__["user"] = User
    user = User()

    async def main() -> None:
        async with App(context(User), provide(Page, scope="request")) as app:
            async with app.scope("request", {User: user}) as scope:
                assert (await scope.resolve(Page)).user is user
            async with app.scope() as scope:
                with pytest.raises(NotProvidedError, match='`User` comes with the scope "request" and was not given'):
                    await scope.resolve(Page)

    run(main())


def test_what_does_not_live_in_a_scope_cannot_be_given_to_it(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            with pytest.raises(NotProvidedError, match='`Settings` does not live in the scope "request"'):
                async with app.scope("request", {Settings: Settings()}):
                    pass
            with pytest.raises(NotProvidedError, match="nothing provides `User`"):
                async with app.scope("request", {User: User()}):
                    pass

    run(main())
