"""Scopes that are still open when the values of the application are taken back: they are closed before anything that they use.

No task waits for them: `asyncio.run` cancels every task at its end, and those that close scopes are over then too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from .events import log

__all__ = ["Closing"]


class Closing:
    """Tasks that close scopes, and what goes on when all have ended, or when their time is over."""

    def __init__(self, tasks: Iterable[asyncio.Task[None]], timeout: float | None, then: Callable[[], object]) -> None:
        self._tasks = list(tasks)
        self._then: Callable[[], object] | None = then
        self._timer: asyncio.TimerHandle | None = None
        for task in self._tasks:
            task.add_done_callback(self._closed)
        if timeout is not None:
            self._end_within(timeout)

    def cut_short(self, timeout: float) -> None:
        """Cancels what has not ended, and waits only so many seconds from now on."""
        if self._then is None:
            return
        self._end_within(timeout)
        for task in self._tasks:
            task.cancel()

    def end(self) -> None:
        """Goes on, whatever has become of the scopes."""
        then, self._then = self._then, None
        if self._timer is not None:
            self._timer.cancel()
        if then is None:
            return
        for task in self._tasks:
            if not task.done():
                log.error("a scope did not close in time and was abandoned")
            elif not task.cancelled() and (error := task.exception()) is not None:
                log.error("a scope that was still open did not close well", exc_info=error)
        then()

    def _end_within(self, timeout: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(timeout, self.end)

    def _closed(self, _: object) -> None:
        if all(task.done() for task in self._tasks):
            self.end()
