"""A value that is asked for while the application runs is made once, whoever asks and whoever gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from start_stop_parts import Database, Links, Settings

from hostloop import App, provide
from hostloop.errors import ConflictError, DeadlockError

Run = Callable[..., Any]


def test_many_first_requests_for_a_slow_value_make_it_once(run: Run) -> None:
    made = []

    async def database() -> Database:
        made.append("database")
        for _ in range(5):
            await asyncio.sleep(0)
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            links = await asyncio.gather(*(app.resolve(Links) for _ in range(100)))
            assert len(set(map(id, links))) == 1
            assert await app.resolve(Database) is links[0].database
        assert made == ["database"]

    run(main())


def test_who_gives_up_a_value_harms_nobody_else_and_the_last_ends_its_making(run: Run) -> None:
    ended = []
    may_end = asyncio.Event()

    async def database() -> Database:
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            asking = [asyncio.ensure_future(app.resolve(Links)) for _ in range(3)]
            for _ in range(5):
                await asyncio.sleep(0)
            asking[0].cancel()
            await asyncio.sleep(0)
            assert ended == []
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            while not ended:
                await asyncio.sleep(0)
            may_end.set()
            assert isinstance(await app.resolve(Links), Links)

    run(main())


def test_a_value_that_could_not_be_made_is_tried_again(run: Run) -> None:
    failures: list[Exception] = [LookupError("first")]

    async def database() -> Database:
        if failures:
            raise failures.pop()
        return Database(Settings())

    async def main() -> None:
        async with App(provide(database), provide(Links)) as app:
            errors = await asyncio.gather(*(app.resolve(Links) for _ in range(3)), return_exceptions=True)
            assert errors[0] is errors[1] is errors[2]
            assert str(errors[0]) == "first"
            assert isinstance(await app.resolve(Links), Links)

    run(main())


def test_a_constructor_that_would_wait_for_itself_is_told_so(run: Run) -> None:
    async def settings(app: App) -> Settings:
        await app.resolve(Links)
        return Settings()

    async def main() -> None:
        async with App(provide(settings), provide(Database), provide(Links)) as app:
            with pytest.raises(DeadlockError, match=r"`settings` would wait for itself: settings \(.*\) -> "):
                await app.resolve(Links)

    run(main())


def test_values_of_an_application_that_does_not_run_are_refused() -> None:
    async def main() -> None:
        app = App(provide(Settings))
        with pytest.raises(ConflictError, match="the application does not run here; use it inside `async with app:`"):
            await app.resolve(Settings)

    asyncio.run(main())
