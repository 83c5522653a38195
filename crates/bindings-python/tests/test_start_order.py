"""An application starts level by level, and stops in the reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Links, Settings

from hostloop import App, Lifecycle, Lifetimes, hook, invoke, provide, supply, worker
from hostloop.errors import ConflictError, InvalidError

Run = Callable[..., Any]


def test_hooks_start_level_by_level_and_stop_in_the_reverse(run: Run) -> None:
    ledger = Ledger()
    app = App(
        ledger.hook("links", Links),
        ledger.hook("database", Database),
        ledger.hook("settings", Settings),
        ledger.hook("other settings", Settings),
        supply(Settings()),
        provide(Database),
        provide(Links),
    )

    async def main() -> None:
        async with app:
            assert ledger.lines == [
                "start settings",
                "start other settings",
                "started settings",
                "started other settings",
                "start database",
                "started database",
                "start links",
                "started links",
            ]
            ledger.lines.clear()
        assert ledger.lines == ["stop links", "stop database", "stop settings", "stop other settings"]

    run(main())


def test_hooks_may_start_as_soon_as_what_they_need_is_up(run: Run) -> None:
    may_start = asyncio.Event()
    started = []

    async def slow(settings: Settings) -> None:
        await may_start.wait()
        started.append("slow")

    async def quick(links: Links) -> None:
        started.append("quick")
        may_start.set()

    async def main() -> None:
        declarations = [provide(Settings), provide(Database), provide(Links), hook(on_start=slow), hook(on_start=quick)]
        async with App(*declarations, lifetimes=Lifetimes(order="dependencies")):
            assert started == ["quick", "slow"]

    run(main())


def test_everything_is_built_before_anything_starts_and_taken_back_after_all_has_stopped(run: Run) -> None:
    ledger = Ledger()

    async def database() -> AsyncIterator[Database]:
        ledger.lines.append("build")
        yield Database(Settings())
        ledger.lines.append("take back")

    async def work(database: Database) -> None:
        ledger.lines.append("work")
        try:
            await asyncio.Event().wait()
        finally:
            ledger.lines.append("end work")

    async def main() -> None:
        app = App(worker(work), ledger.hook("hook", Database), invoke(ledger.says("invoke")), provide(database))
        async with app:
            await asyncio.sleep(0)
        assert ledger.lines == [
            "build",
            "invoke",
            "start hook",
            "started hook",
            "work",
            "end work",
            "stop hook",
            "take back",
        ]

    run(main())


def test_what_does_not_depend_on_each_other_is_built_at_once(run: Run) -> None:
    both = [asyncio.Event(), asyncio.Event()]

    def meeting(own: int) -> Any:
        async def make() -> Any:
            both[own].set()
            await both[1 - own].wait()
            return object()

        return make

    first, second = type("First", (), {}), type("Second", (), {})

    def uses(one: Any, two: Any) -> None: ...

    uses.__annotations__.update(one=first, two=second)

    async def main() -> None:
        async with App(provide(meeting(0), as_=first), provide(meeting(1), as_=second), invoke(uses)):
            pass

    run(main())


def test_constructors_may_add_hooks_of_their_own(run: Run) -> None:
    ledger = Ledger()

    class Consumer:
        def __init__(self, lifecycle: Lifecycle) -> None:
            lifecycle.hook(on_start=self.subscribe, on_stop=ledger.says("stop"), timeout=5, name="consumer")

        async def subscribe(self) -> None:
            ledger.lines.append("start")

    def uses(consumer: Consumer) -> None: ...

    uses.__annotations__["consumer"] = Consumer

    async def main() -> None:
        async with App(provide(Consumer), invoke(uses)):
            assert ledger.lines == ["start"]
        assert ledger.lines == ["start", "stop"]

    run(main())


def test_a_hook_that_is_added_after_the_start_is_refused(run: Run) -> None:
    kept: list[Lifecycle] = []

    def late(lifecycle: Lifecycle) -> None:
        kept.append(lifecycle)

    async def main() -> None:
        async with App(invoke(late)):
            with pytest.raises(ConflictError, match=r"hook `print` is added after the start; add it in a constructor, or declare"):
                kept[0].hook(on_stop=print)
            with pytest.raises(InvalidError, match="hook has neither on_start nor on_stop"):
                kept[0].hook()

    run(main())


def test_an_application_may_be_started_again(run: Run) -> None:
    ledger = Ledger()
    app = App(ledger.hook("x"))

    async def main() -> None:
        for _ in range(2):
            async with app:
                assert app.is_ready
            assert not app.is_ready
        assert ledger.lines == ["start x", "started x", "stop x"] * 2

    run(main())


def test_starting_twice_is_refused_and_stopping_twice_or_before_does_nothing(run: Run) -> None:
    app = App()
    app.stop()

    async def main() -> None:
        async with app:
            with pytest.raises(ConflictError, match="runs in this loop already; start it once"):
                async with app:
                    pass
            app.stop()
            app.stop(3)
            await app.wait()
        app.stop()

    run(main())
