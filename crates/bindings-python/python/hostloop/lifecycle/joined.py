"""Those who wait for one value: they are one to the run, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["Joined"]


class Joined:
    """Waiters of one request. Each may give up by itself."""

    __slots__ = ("_forget", "_loop", "_waiters", "is_over", "request")

    def __init__(self, request: asyncio.Future[Any], forget: Callable[[], object]) -> None:
        self.request = request
        self.is_over = False
        """Whether the request has ended, and its end was passed on."""
        self._loop = request.get_loop()
        self._forget = forget
        self._waiters: dict[asyncio.Future[Any], None] = {}
        request.add_done_callback(self._pass_on)

    def join(self) -> asyncio.Future[Any]:
        """Returns a future of one's own."""
        waiter: asyncio.Future[Any] = self._loop.create_future()
        self._waiters[waiter] = None
        return waiter

    def leave(self, waiter: asyncio.Future[Any]) -> bool:
        """Gives up, and returns whether nobody waits any more."""
        self._waiters.pop(waiter, None)
        return not self._waiters

    def _pass_on(self, request: asyncio.Future[Any]) -> None:
        self.is_over = True
        self._forget()
        error = None if request.cancelled() else request.exception()
        for waiter in self._waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(request.result())
            else:
                waiter.set_exception(error)
