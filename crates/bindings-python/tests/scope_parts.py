"""What applications of the tests of scopes are made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from hostloop import App, provide, supply


class Settings:
    """Lives as long as the application."""


class Session:
    """Lives shorter."""


class Account:
    """Needs a session."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self.session = session
        self.settings = settings


class Report:
    """Needs both."""

    def __init__(self, account: Account, session: Session) -> None:
        self.account = account
        self.session = session


def app_with(*declarations: Any, **options: Any) -> App:
    """An application with an account that needs a session, which `declarations` provide."""
    return App(supply(Settings()), provide(Account, scope="request"), provide(Report, scope="request"), *declarations, **options)


class Ledger:
    """Writes down what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def resource(self, name: str, *, fails: bool = False, swallows: bool = False) -> Any:
        """A generator that says when it is entered and left."""

        def make() -> Iterator[Any]:
            self.lines.append(f"+{name}")
            try:
                yield Session()
            except BaseException as error:
                self.lines.append(f"!{name} {type(error).__name__}")
                if not swallows:
                    raise
            finally:
                self.lines.append(f"-{name}")
                if fails:
                    raise LookupError(name)

        return make

    def async_resource(self, name: str, *, fails: bool = False) -> Any:
        """An async generator that says when it is entered and left."""

        async def make() -> AsyncIterator[Any]:
            await asyncio.sleep(0)
            self.lines.append(f"+{name}")
            try:
                yield Session()
            except BaseException as error:
                self.lines.append(f"!{name} {type(error).__name__}")
                raise
            finally:
                await asyncio.sleep(0)
                self.lines.append(f"-{name}")
                if fails:
                    raise LookupError(name)

        return make


def keys(count: int) -> list[type]:
    """Types to provide something as."""
    return [type(f"Key{number}", (), {}) for number in range(count)]


class Slow:
    """A session that is made when it may be."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended: list[str] = []

    async def make(self) -> AsyncIterator[Session]:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("made")
        yield Session()
        self.ended.append("left")
