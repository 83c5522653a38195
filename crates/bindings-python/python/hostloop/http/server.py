"""One application, served in one event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable
from typing import Any, Protocol

from .._core import Host
from ..errors import AddressError, ClosedError
from ..lifecycle.events import Log
from .compile import Route, compile_route
from .inject import Injection
from .options import Limits, Timeouts
from .threads import Threads

__all__ = ["Server", "resolve"]

log = Log(logging.getLogger("hostloop"))
access = logging.getLogger("hostloop.access")

LAST_WORDS = 5.0
"""Seconds that cancelled handlers have to end, once their connections are closed."""


class Client(Protocol):
    """Who is told what happens to a connection in memory."""

    def received(self, data: bytes) -> None:
        """The server wrote this."""

    def writable(self) -> None:
        """There is room, after the connection did not take everything."""

    def closed(self) -> None:
        """It has ended. Nothing else follows."""


class Server:
    """Serves routes in the running event loop, until it is drained."""

    def __init__(
        self,
        routes: Iterable[tuple[Route, Injection | None]],
        limits: Limits,
        timeouts: Timeouts,
        threads: int,
        access_log: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(self._loop, threads)
        self._drained = self._loop.create_future()
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()
        self._clients: dict[int, Client] = {}
        self._closed = False
        self.addresses: list[str] = []
        """Where it listens: `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`."""
        self._host = Host(self._loop, self, limits, timeouts, access_log)
        self._compiled = []
        for route, injection in routes:
            compiled = compile_route(route, self._loop, self._threads.run, injection)
            self._compiled.append(compiled)
            self._host.route(route.method, route.path, compiled, route.ignores_disconnect)
        self._host.attach()

    @property
    def url(self) -> str:
        """The first address as a URL."""
        if not self.addresses:
            raise ClosedError("the server does not listen; call listen first")
        address = self.addresses[0]
        return address if address.startswith("unix:") else f"http://{address}"

    @property
    def status(self) -> tuple[int, int]:
        """The open connections, and the requests under way."""
        return self._host.status()

    def listen(self, address: str, *, reuse_port: bool = False) -> str:
        """Starts to listen on an address, and returns it as it was bound: port 0 takes any free port."""
        bound = self._host.listen(address, reuse_port)
        self.addresses.append(bound)
        return bound

    def listen_on(self, sock: socket.socket) -> str:
        """Starts to accept on a socket that listens already. The server owns it from now on."""
        bound = self._host.listen_fd(sock.detach())
        self.addresses.append(bound)
        return bound

    def drain(self, timeout: float | None = None) -> None:
        """Stops accepting, and ends once every connection has; the rest is cut short after `timeout` seconds.

        The default is `Timeouts.drain`. A second call can only bring the deadline forward.
        """
        if not self._drained.done():
            self._host.drain(timeout)

    async def wait(self) -> None:
        """Waits until the server has drained."""
        await asyncio.shield(self._drained)

    async def close(self) -> None:
        """Ends what is left: closes connections and cancels handlers.

        Handlers whose client has left and that ignore it have 5 s to end before they are cancelled; then all have 5 s more.
        What runs in a thread even then is abandoned: it ends with the process.
        """
        if self._closed:
            return
        self._closed = True
        self._host.close()
        self._host.turn()
        self._host.detach()
        try:
            await self._last_words()
        finally:
            self._threads.close()

    def swap(self) -> None:
        """Gives requests from now on the values that are current; those under way keep theirs."""
        for compiled in self._compiled:
            compiled.swap()

    def connect(self, token: int, client: Client) -> Any:
        """Opens a connection in memory, and returns the end that the client writes to."""
        self._clients[token] = client
        return self._host.connect(token)

    async def _last_words(self) -> None:
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=LAST_WORDS)
            for task in list(self._finishing):
                task.cancel()
        deadline = self._loop.time() + LAST_WORDS
        if ending := self._cancelled | self._finishing:
            _, stuck = await asyncio.wait(ending, timeout=LAST_WORDS)
            for task in stuck:
                log.error("handler of %s ignored its cancellation for %s s and was abandoned", task.get_name(), LAST_WORDS)
        for call in await self._threads.finish(deadline - self._loop.time()):
            log.error("%r did not return for %s s and was abandoned in thread %s", call.function, LAST_WORDS, call.thread)

    # What the host calls.

    def ended(self, task: asyncio.Task[Any], ignores_disconnect: bool) -> None:
        """A request ended before its task did."""
        if task.done():
            return
        kept = self._finishing if ignores_disconnect else self._cancelled
        kept.add(task)
        task.add_done_callback(kept.discard)
        if not ignores_disconnect:
            task.cancel()

    def received(self, token: int, data: bytes) -> None:
        """The server wrote to a connection in memory."""
        self._clients[token].received(data)

    def writable(self, token: int) -> None:
        """A connection in memory that was full has room."""
        self._clients[token].writable()

    def closed(self, token: int) -> None:
        """A connection in memory ended."""
        self._clients.pop(token).closed()

    def drained(self) -> None:
        """The server's last connection has ended."""
        if not self._drained.done():
            self._drained.set_result(None)

    def accessed(self, client: str | None, request: str | None, status: int | None, size: int, seconds: float) -> None:
        """A response has left. No status means that its client left first."""
        access.info('%s "%s" %s %d %.1fms', client or "-", request or "-", status or "-", size, seconds * 1000)

    def failed(self, error: Exception) -> None:
        """A turn failed. The engine goes on."""
        log.error("the engine reported an error", exc_info=error)


async def resolve(host: str, port: int) -> list[str]:
    """Turns a host's name into addresses. Several, as for `localhost`, all listen on the same port."""
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65_535:
        raise AddressError(f"port {port!r} is not a port; use 0 to 65535, where 0 takes any free one")
    # A name gives the addresses that this machine can use; an address is taken as it is.
    flags = socket.AI_PASSIVE | (0 if is_address(host) else socket.AI_ADDRCONFIG)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        raise AddressError(
            f"host {host!r} has no address: {error.strerror}; use 127.0.0.1, ::1, 0.0.0.0 or a name that resolves"
        ) from None
    hosts = list(dict.fromkeys((family, sockaddr[0]) for family, _, _, _, sockaddr in found))
    return [f"[{name}]:{port}" if family == socket.AF_INET6 else f"{name}:{port}" for family, name in hosts]


def is_address(host: str) -> bool:
    """Whether it is an address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
