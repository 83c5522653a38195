"""A scope in which nothing is asynchronous needs no waiting, and what else is refused is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scope_parts import Account, Ledger, Report, Session, Settings, app_with

from hostloop import App, provide
from hostloop.errors import ConflictError

Run = Callable[..., Any]


def test_a_scope_without_anything_asynchronous_needs_no_waiting(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            with app.scope() as scope:
                account = scope.get(Account)
                assert account.session is scope.get(Session)
                assert [account] == scope.get(list[Account])
            assert ledger.lines == ["+s", "-s"]
            with pytest.raises(KeyError), app.scope() as scope:  # noqa: PT012
                scope.get(Account)
                raise KeyError
            assert ledger.lines[2:] == ["+s", "!s KeyError", "-s"]

    run(main())


def test_what_takes_waiting_cannot_be_had_without_and_the_way_to_it_is_named(run: Run) -> None:
    made = []

    async def settings() -> Settings:
        made.append("settings")
        return Settings()

    async def session() -> Session:
        return Session()

    async def main() -> None:
        async with App(
            provide(settings),
            provide(session, scope="request"),
            provide(Account, scope="request"),
            provide(Report, scope="request"),
        ) as app:
            with app.scope() as scope:
                with pytest.raises(ConflictError) as raised:
                    scope.get(Report)
                assert "cannot be had without waiting" in str(raised.value)
                with pytest.raises(ConflictError, match="`settings` is made asynchronously"):
                    scope.get(Settings)
                await scope.resolve(Settings)
                with pytest.raises(ConflictError, match=r"`session` is made asynchronously .*Report.* -> .*session"):
                    scope.get(Report)
                await scope.resolve(Session)
                assert isinstance(scope.get(Report), Report)
        assert made == ["settings"]

    run(main())


def test_a_resource_that_takes_waiting_to_be_left_is_refused_in_a_scope_that_cannot(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Ledger().async_resource("s"), as_=Session, scope="request")) as app, app.scope():
            pass
        async with app:
            with app.scope() as scope:  # noqa: SIM117
                with pytest.raises(ConflictError, match="takes waiting to be taken back; enter the scope with `async with`"):
                    await scope.resolve(Account)

    run(main())
