"""The servers of one application, as its container starts and stops them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..lifecycle.container import Container
    from .server import Server

__all__ = ["Servers"]


LAST_ANSWERS = 0.5
"""Seconds for answers to leave when a drain is cut short."""


class Servers:
    """Opens servers when everything else has started, and drains them before anything else stops."""

    def __init__(self, make: Callable[[Container], Server]) -> None:
        self._make = make
        self._container: asyncio.Future[Container] = asyncio.get_running_loop().create_future()
        self._wanted: list[tuple[Callable[[Server], None], asyncio.Future[Server]]] = []
        self._open: list[Server] = []
        self._is_hurried = False
        self._cut: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def want(self, bind: Callable[[Server], None]) -> asyncio.Future[Server]:
        """Has a server opened by `listen`, and bound to its addresses by `bind`."""
        future: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
        self._wanted.append((bind, future))
        return future

    @asynccontextmanager
    async def beside(self, bind: Callable[[Server], None]) -> AsyncIterator[Server]:
        """Opens a server beside those that are open, and drains it at the end of the block."""
        server = self._opened(await asyncio.shield(self._container), bind)
        try:
            yield server
            server.drain()
            await server.wait()
        finally:
            await self.close(server)

    def _opened(self, container: Container, bind: Callable[[Server], None]) -> Server:
        server = self._make(container)
        self._open.append(server)
        bind(server)
        return server

    async def close(self, server: Server) -> None:
        """Closes a server, which need not have drained."""
        await server.close()
        if server in self._open:
            self._open.remove(server)

    async def close_all(self) -> None:
        """Closes what is still open."""
        for server in list(self._open):
            await self.close(server)

    # What the container calls.

    async def listen(self, container: Container) -> None:
        """Opens the servers that are wanted."""
        for bind, future in self._wanted:
            future.set_result(self._opened(container, bind))
        self._container.set_result(container)

    async def drain(self, timeout: float | None) -> None:
        """Stops accepting, waits for what is under way, at most this many seconds, and closes."""
        if not self._is_hurried:
            for server in self._open:
                server.drain(timeout)
            await self._drained()
        await asyncio.gather(*(self.close(server) for server in list(self._open)))

    async def _drained(self) -> None:
        left: set[asyncio.Future[Any]] = {asyncio.ensure_future(server.wait()) for server in self._open}
        while left and not self._cut.done():
            done, _ = await asyncio.wait({*left, self._cut}, return_when=asyncio.FIRST_COMPLETED)
            left -= done
        if left:
            # What is answered in a handler's place has a moment to leave. Connections that linger are closed.
            _, left = await asyncio.wait(left, timeout=LAST_ANSWERS)
        for wait in left:
            wait.cancel()

    def cut_short(self) -> None:
        """Ends the wait of `drain`."""
        for server in self._open:
            server.drain(0)
        if not self._cut.done():
            self._cut.set_result(None)

    def hurry(self) -> None:
        """Has `drain` wait for nothing."""
        self._is_hurried = True

    def swap(self) -> None:
        """Gives requests from now on the values that are current."""
        for server in self._open:
            server.swap()
