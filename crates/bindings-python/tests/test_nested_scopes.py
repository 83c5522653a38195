"""Scopes are inside each other, and inside the application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from scope_parts import Account, Ledger, Session, Settings, app_with

from hostloop import App, provide
from hostloop.errors import ClosedError, ConflictError, InvalidError

Run = Callable[..., Any]


NESTED = ("app", "session", "request")


def nested(ledger: Ledger) -> App:
    outer, inner = ledger.resource("outer"), ledger.resource("inner")
    return App(
        provide(outer, as_=Settings, scope="session"),
        provide(inner, as_=Session, scope="request"),
        provide(Account, scope="request"),
        scopes=NESTED,
    )


def test_a_value_of_a_longer_scope_is_made_there_from_a_shorter_one(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("session") as session:
            for _ in range(2):
                async with app.scope("request") as request:
                    account = await request.resolve(Account)
                    assert account.settings is await session.resolve(Settings) is await app.resolve(Settings)
        assert ledger.lines == ["+inner", "+outer", "-inner", "+inner", "-inner", "-outer"] or ledger.lines == [
            "+outer",
            "+inner",
            "-inner",
            "+inner",
            "-inner",
            "-outer",
        ]

    run(main())


def test_a_scope_that_was_skipped_is_stood_in_for_by_the_one_inside(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("request") as request:
            assert (await request.resolve(Account)).settings is await request.resolve(Settings)
        assert sorted(ledger.lines) == ["+inner", "+outer", "-inner", "-outer"]

    run(main())


def test_closing_a_scope_closes_the_scopes_inside_it_first(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app:
            async with app.scope("session") as session:
                await session.resolve(Settings)
                inner = app.scope("request")
                await inner.__aenter__()
                await inner.resolve(Account)
            assert ledger.lines == ["+outer", "+inner", "!inner ClosedError", "-inner", "-outer"]
            with pytest.raises(ClosedError, match="`Account` cannot be had: its scope is closed"):
                await inner.resolve(Account)

    run(main())


def test_closing_a_scope_leaves_the_one_around_it_alone(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with nested(ledger) as app, app.scope("session") as session:
            async with app.scope("request") as request:
                await request.resolve(Account)
            assert "-outer" not in ledger.lines
            await session.resolve(Settings)

    run(main())


def test_no_scope_is_entered_while_the_one_around_it_closes(run: Run) -> None:
    refused = []

    async def main() -> None:
        async def settings() -> AsyncIterator[Settings]:
            yield Settings()
            with pytest.raises(ClosedError, match='scope "request" cannot be entered: what it is inside of is closed or closing'):
                async with app.scope("request"):
                    pass
            refused.append(True)

        app = App(provide(settings, scope="session"), scopes=NESTED)
        async with app, app.scope("session") as session:
            await session.resolve(Settings)
        assert refused == [True]

    run(main())


def test_the_stop_closes_scopes_that_are_still_open_before_what_they_are_made_of(run: Run) -> None:
    ledger = Ledger()

    def inner(settings: Settings) -> Iterator[Session]:
        ledger.lines.append("+inner")
        try:
            yield Session()
        finally:
            ledger.lines.append("-inner")

    async def main() -> None:
        async with App(provide(ledger.resource("app"), as_=Settings), provide(inner, scope="request")) as app:
            scope = app.scope()
            await scope.__aenter__()
            await scope.resolve(Session)
        assert ledger.lines == ["+app", "+inner", "-inner", "-app"]
        with pytest.raises(ClosedError):
            await scope.resolve(Session)

    run(main())


def test_a_scope_is_refused_while_the_application_closes(run: Run) -> None:
    refused = []

    async def main() -> None:
        async def settings() -> AsyncIterator[Settings]:
            yield Settings()
            try:
                async with app.scope():
                    pass
            except ClosedError:
                refused.append(True)

        app = App(provide(settings))
        async with app:
            await app.resolve(Settings)
        assert refused == [True]

    run(main())


def test_closing_twice_does_nothing_and_a_closed_scope_gives_no_values(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="request")) as app:
            async with app.scope() as scope:
                await scope.resolve(Session)
                await scope.close()
                await scope.close()
                with pytest.raises(ClosedError, match="`Session` cannot be had: its scope is closed"):
                    await scope.resolve(Session)
                with pytest.raises(ClosedError):
                    scope.get(Settings)
            await scope.close()
            assert ledger.lines == ["+s", "-s"]

    run(main())


def test_a_scope_is_entered_once_and_before_it_is_asked(run: Run) -> None:
    async def main() -> None:
        async with app_with(provide(Session, scope="request")) as app:
            scope = app.scope()
            with pytest.raises(ClosedError, match="its scope is not entered; use `async with`"):
                await scope.resolve(Session)
            async with scope:
                with pytest.raises(ConflictError, match="entered twice"):
                    await scope.__aenter__()
            with pytest.raises(ConflictError, match="entered twice"):
                await scope.__aenter__()

    run(main())


@pytest.mark.parametrize("name", ["app", "session", 3, None])
def test_a_scope_that_does_not_exist_is_refused(run: Run, name: Any) -> None:
    async def main() -> None:
        async with App() as app:
            with pytest.raises(InvalidError, match=f'scope is {name!r}; use "request"'):
                app.scope(name)

    run(main())


def test_what_lives_shorter_is_refused_outside_its_scope(run: Run) -> None:
    async def main() -> None:
        async with App(provide(Session, scope="request"), scopes=NESTED) as app:
            with pytest.raises(ClosedError, match="`Session` lives as long as the request; ask for it inside that scope"):
                await app.resolve(Session)
            async with app.scope("session") as session:
                with pytest.raises(ClosedError, match="`Session` lives as long as the request"):
                    await session.resolve(Session)

    run(main())


def test_a_scope_needs_an_application_that_runs() -> None:
    with pytest.raises(ConflictError, match="the application does not run here; use it inside `async with app:`"):
        App().scope()
