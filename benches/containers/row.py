"""One row of the table: what is measured, and how."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Literal

Unit = Literal["cpu", "wall"]
Measured = Callable[["Row"], Awaitable[None]]


class Row:
    """Runs something often enough to be measured, and keeps how long once takes."""

    def __init__(self, unit: Unit, seconds: float) -> None:
        self._clock = time.process_time_ns if unit == "cpu" else time.perf_counter_ns
        self._seconds = seconds
        self._count = 0
        self.nanoseconds = 0.0

    @asynccontextmanager
    async def measure(self) -> AsyncIterator[Iterator[None]]:
        """Gives turns until the time is over. What is done before and after is not measured."""
        begin = self._clock()
        yield self._turns()
        self.nanoseconds = (self._clock() - begin) / self._count

    def _turns(self) -> Iterator[None]:
        end = time.perf_counter() + self._seconds
        while time.perf_counter() < end:
            # A look at the clock costs as much as a small object: one for many turns.
            for _ in range(batch := max(1, self._count // 8)):
                yield
            self._count += batch


class Rows:
    """The rows that a participant has, by name."""

    def __init__(self) -> None:
        self.all: dict[str, tuple[Unit, Measured]] = {}

    def add(self, name: str, unit: Unit = "cpu") -> Callable[[Measured], Measured]:
        def keep(measured: Measured) -> Measured:
            self.all[name] = (unit, measured)
            return measured

        return keep


def rows() -> Rows:
    return Rows()
