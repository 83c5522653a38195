"""What applications of the tests of start and stop are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hostloop import App, Lifetimes, hook
from hostloop._core import ManualClock


class Settings:
    """Needs nothing."""


class Database:
    """Needs settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class Links:
    """Needs the database."""

    def __init__(self, database: Database) -> None:
        self.database = database


class Ledger:
    """Writes down what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def says(self, line: str) -> Callable[[], None]:
        """A function that says something."""
        return lambda: self.lines.append(line)

    def hook(self, name: str, *needs: type, **options: Any) -> Any:
        """A hook that says when it starts and stops, and needs things."""

        async def start(*_: Any) -> None:
            self.lines.append(f"start {name}")
            await asyncio.sleep(0)
            self.lines.append(f"started {name}")

        async def stop() -> None:
            self.lines.append(f"stop {name}")

        return hook(on_start=needing(start, *needs), on_stop=stop, name=name, **options)


def needing(function: Callable[..., Any], *types: type) -> Any:
    """A function that needs these types."""
    if not types:
        return function
    [needed] = types

    async def with_needs(given: Any) -> Any:
        return await function(given)

    with_needs.__annotations__["given"] = needed
    return with_needs


def use(database: Database) -> None:
    """Needs the database."""


async def until(app: App, clock: ManualClock, seconds: float) -> None:
    """Lets everything happen that happens now, moves the clock, and lets the rest happen."""
    for _ in range(20):
        await asyncio.sleep(0)
    clock.move_to(seconds)
    if app._only is not None:
        app._only.pump()
    for _ in range(20):
        await asyncio.sleep(0)


def clocked(*declarations: Any, **lifetimes: Any) -> tuple[App, ManualClock]:
    app = App(*declarations, lifetimes=Lifetimes(**lifetimes))
    app._clock = ManualClock()
    return app, app._clock
