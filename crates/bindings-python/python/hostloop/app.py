"""The application: what users write."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from ._core import Routes
from .errors import InvalidError
from .http.compile import Route
from .http.options import Limits, Timeouts
from .http.server import Server, resolve
from .http.testing import TestClient
from .http.workers import Slot, Supervisor, worker_slot
from .runner import run_in_loop

__all__ = ["App"]

Handler = TypeVar("Handler", bound=Callable[..., Any])
OnDisconnect = Literal["cancel", "ignore"]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class App:
    """An HTTP application.

    ```python
    from hostloop import App

    app = App()

    @app.get("/hello/{name}")
    async def hello(name: str, excited: bool = False) -> str:
        return f"Hello, {name}{'!' if excited else '.'}"

    if __name__ == "__main__":
        app.run(port=8000)
    ```

    `on_disconnect` says what happens to a handler whose client has left: `"cancel"` cancels its task, `"ignore"` lets it end.
    `threads` is how many handlers that are not `async` run at once. `access_log` logs each response to the logger
    `hostloop.access`.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        on_disconnect: OnDisconnect = "cancel",
        threads: int = 40,
        access_log: bool = False,
    ) -> None:
        check_on_disconnect(on_disconnect)
        if type(threads) is not int or threads < 1:
            raise InvalidError(f"threads is {threads!r}; use 1 or more")
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self._on_disconnect: OnDisconnect = on_disconnect
        self._threads = threads
        self._access_log = access_log
        self._routes: list[Route] = []
        self._table = Routes()

    # Routes.

    def route(
        self,
        path: str,
        methods: Iterable[str],
        *,
        inline: bool = False,
        on_disconnect: OnDisconnect | None = None,
    ) -> Callable[[Handler], Handler]:
        """Adds a handler for several methods.

        A handler's parameter is, in this order: a path parameter of that name; `Request`; a body (a structured type, or `bytes`);
        else a query parameter. `async def` runs as a task of its own; `def` runs in a thread, or on the loop itself with `inline`,
        where it must not block.
        """
        methods = [methods] if isinstance(methods, str) else list(methods)
        check_on_disconnect(on_disconnect or self._on_disconnect)
        ignores = (on_disconnect or self._on_disconnect) == "ignore"

        def add(handler: Handler) -> Handler:
            for method in methods:
                self._add(Route(method.upper(), path, handler, inline, ignores))
            return handler

        return add

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for GET, and for HEAD."""
        return self.route(path, ["GET"], **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for POST."""
        return self.route(path, ["POST"], **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for PUT."""
        return self.route(path, ["PUT"], **options)

    def patch(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for PATCH."""
        return self.route(path, ["PATCH"], **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for DELETE."""
        return self.route(path, ["DELETE"], **options)

    def head(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for HEAD alone. A GET handler answers HEAD too."""
        return self.route(path, ["HEAD"], **options)

    def options(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Adds a handler for OPTIONS."""
        return self.route(path, ["OPTIONS"], **options)

    def _add(self, route: Route) -> None:
        route.parameters()
        self._table.insert(route.method, route.path)
        self._routes.append(route)

    # Serving.

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: str | None = None,
        workers: int = 1,
        loop_factory: LoopFactory | None = None,
    ) -> None:
        """Serves until SIGINT or SIGTERM, then drains; a second signal cuts short.

        `workers` processes share the port, under a supervisor that replaces one that dies. `loop_factory` makes the event loop, for
        example `uvloop.new_event_loop`.
        """
        if type(workers) is not int or workers < 1:
            raise InvalidError(f"workers is {workers!r}; use 1 or more")
        if workers == 1:
            run_in_loop(self.serve(host, port, unix=unix, signals=True), loop_factory)
            return
        supervisor = Supervisor(workers, run_in_loop(addresses_of(host, port, unix), loop_factory))
        supervisor.run(lambda: run_in_loop(self._serve_slot(), loop_factory))

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: str | None = None,
        signals: bool = False,
    ) -> None:
        """Serves in the running event loop until cancelled, then drains; a second cancellation cuts short.

        With `signals`, SIGINT and SIGTERM do the same, and `serve` returns.
        """
        async with self.listen(host, port, unix=unix) as server:
            await serve_until_stopped(server, [signal.SIGINT, signal.SIGTERM] if signals else [])

    async def _serve_slot(self) -> None:
        async with self.unbound() as server:
            slot = worker_slot()
            for sock in slot.sockets:
                server.listen_on(sock)
            slot.is_ready()
            await serve_until_stopped(server, [signal.SIGTERM], slot)

    @asynccontextmanager
    async def listen(self, host: str = "127.0.0.1", port: int = 8000, *, unix: str | None = None) -> AsyncIterator[Server]:
        """Serves while the block runs, then drains. `server.url` tells where; port 0 takes any free port."""
        async with self.unbound() as server:
            for address in await addresses_of(host, port, unix):
                if port == 0 and server.addresses:
                    # One free port for all of a name's addresses.
                    address = f"{address.rpartition(':')[0]}:{server.addresses[0].rpartition(':')[2]}"
                server.listen(address)
            yield server

    @asynccontextmanager
    async def unbound(self) -> AsyncIterator[Server]:
        """Makes a server that listens nowhere yet; `server.listen` adds addresses."""
        server = Server(self._routes, self.limits, self.timeouts, self._threads, self._access_log)
        try:
            yield server
            server.drain()
            await server.wait()
        finally:
            await server.close()

    def test(self) -> TestClient:
        """Makes a test client, which needs no socket: `with app.test() as client: client.get("/")`, or `async with`."""
        return TestClient(self)


async def addresses_of(host: str, port: int, unix: str | None) -> list[str]:
    return [f"unix:{os.fspath(unix)}"] if unix is not None else await resolve(host, port)


def check_on_disconnect(value: Any) -> None:
    if value not in ("cancel", "ignore"):
        raise InvalidError(f"on_disconnect is {value!r}; use 'cancel' or 'ignore'")


async def serve_until_stopped(server: Server, signals: list[signal.Signals], slot: Slot | None = None) -> None:
    """Waits for a signal, a cancellation, or the loss of the supervisor; then for the drain."""
    loop = asyncio.get_running_loop()
    stops = 0

    def stop() -> None:
        nonlocal stops
        stops += 1
        if stops == 1:
            if slot is not None:
                slot.is_draining()
                loop.remove_reader(slot.line)
            server.drain()
        else:
            server.drain(0)

    for number in signals:
        loop.add_signal_handler(number, stop)
    if slot is not None:
        loop.add_reader(slot.line, stop)  # readable only when the supervisor is gone
    try:
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                await server.wait()
                break
            except asyncio.CancelledError as error:
                cancelled = error
                stop()
        if cancelled is not None:
            raise cancelled
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
