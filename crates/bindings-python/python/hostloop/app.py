"""The application: what users write."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from ._core import Routes
from .errors import InvalidError, StoppedError
from .http.compile import Route
from .http.inject import Injection, Provided, check_handler, given_of
from .http.listener import Servers
from .http.options import Limits, Timeouts
from .http.request import Request
from .http.server import Server, resolve
from .http.testing import TestClient
from .http.workers import Supervisor, worker_slot
from .http.write import is_direct
from .lifecycle.assembly import Assembly
from .lifecycle.block import Block
from .lifecycle.container import Container
from .lifecycle.declare import Declaration, context
from .lifecycle.options import Lifetimes
from .lifecycle.outside import NOTHING, Outside, heeded
from .lifecycle.signals import STOPPING
from .lifecycle.source import written_at
from .lifecycle.watch import Reloads
from .lifecycle.wiring import Handler as HandlerNode
from .lifecycle.wiring import Listener, Wiring
from .runner import run_in_loop

__all__ = ["App"]

Handler = TypeVar("Handler", bound=Callable[..., Any])
OnDisconnect = Literal["cancel", "ignore"]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class App(Assembly):
    """An application: what it is made of, and the requests that it answers.

    ```python
    from hostloop import App, provide

    class Greeter:
        def greet(self, name: str) -> str:
            return f"Hello, {name}."

    app = App(provide(Greeter))

    @app.get("/hello/{name}")
    async def hello(name: str, greeter: Greeter) -> str:
        return greeter.greet(name)

    if __name__ == "__main__":
        app.run(port=8000)
    ```

    `declarations` are what `supply`, `provide`, `hook`, `worker` and the like return. `scopes` are the lifetimes that they may
    have, from the longest to the shortest; what is between `"app"` and `"request"` is entered with `app.scope`. `lifetimes` says
    how long the steps of the start and of the stop may take.

    `on_disconnect` says what happens to a handler whose client has left: `"cancel"` cancels its task, `"ignore"` lets it end.
    `threads` is how many handlers that are not `async` run at once. `access_log` logs each response to the logger
    `hostloop.access`.
    """

    def __init__(
        self,
        *declarations: Declaration,
        scopes: Iterable[str] = ("app", "request"),
        lifetimes: Lifetimes | None = None,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        on_disconnect: OnDisconnect = "cancel",
        threads: int = 40,
        access_log: bool = False,
    ) -> None:
        check_on_disconnect(on_disconnect)
        if type(threads) is not int or threads < 1:
            raise InvalidError(f"threads is {threads!r}; use 1 or more")
        super().__init__(declarations, scopes, lifetimes)
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self._on_disconnect: OnDisconnect = on_disconnect
        self._threads = threads
        self._access_log = access_log
        self._routes: list[tuple[Route, HandlerNode]] = []
        self._wired = 0
        """How many routes there were when the wiring was checked."""
        self._table = Routes()
        self._request = context(Request)
        self._listener = Listener("http")
        self._is_served = False
        """Whether it takes requests although it has no route for them."""
        self._for_handlers = Provided(frozenset(self._provided), bool(declarations))

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

        A handler's parameter is, in this order: a path parameter of that name; what the graph provides for that type; `Request`; a
        body (a structured type, or `bytes`); else a query parameter. `async def` runs as a task of its own; `def` runs in a thread,
        or on the loop itself with `inline`, where it must not block.
        """
        methods = [methods] if isinstance(methods, str) else list(methods)
        check_on_disconnect(on_disconnect or self._on_disconnect)
        ignores = (on_disconnect or self._on_disconnect) == "ignore"

        def add(handler: Handler) -> Handler:
            for method in methods:
                self._add(Route(method.upper(), path, handler, inline, ignores, self._for_handlers))
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
        parameters = route.parameters()
        self._table.insert(route.method, route.path)
        given = tuple(given_of(parameter) for parameter in parameters if parameter.source == "graph")
        source = written_at(route.handler)
        node = HandlerNode(route.name, source, given, is_sync_only=is_direct(route))
        self._routes.append((route, node))

    # The graph.

    def _built_in(self) -> list[Declaration]:
        handlers = [node for _, node in self._routes]
        listeners = [self._listener] if handlers or self._is_served else []
        return [*super()._built_in(), self._request, *listeners, *handlers]

    def _wire(self) -> Wiring:
        if self._wired != len(self._routes):
            # An application and its overrides have their routes in common.
            self._wired, self._wiring = len(self._routes), None
        if self._wiring is None:
            wiring, self._wiring = super()._wire(), None
            for route, node in self._routes:
                check_handler(wiring, wiring.numbers[node], can_wait=not is_direct(route))
            self._wiring = wiring
        return self._wiring

    def _make_listener(self) -> Servers:
        return Servers(self._make_server)

    def _make_server(self, container: Container) -> Server:
        numbers = container.wiring.numbers
        routes = [(route, Injection(container, numbers[node])) for route, node in self._routes if node in numbers]
        return Server(routes, self.limits, self.timeouts, self._threads, self._access_log)

    @property
    def _drain_timeout(self) -> float | None:
        return self.timeouts.drain

    # Serving.

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: str | None = None,
        workers: int = 1,
        loop_factory: LoopFactory | None = None,
        reload: Reloads | None = None,
    ) -> None:
        """Starts everything and serves until SIGINT, SIGTERM or `stop`; then drains, and stops everything.

        A second signal cuts that short, a third ends the process at once. The process ends with the code that `stop` was given.

        `workers` processes share the port, under a supervisor that replaces one that dies; each builds and starts what is declared
        for itself. `loop_factory` makes the event loop, for example `uvloop.new_event_loop`.

        `reload` makes values anew when files change, as `App.reload` does: `{Settings: ["settings.toml"]}` those of a type and of
        all that holds it, a list of paths everything that the application has made. Folders are watched with all that is in them.
        Code that has changed is not imported again.
        """
        if type(workers) is not int or workers < 1:
            raise InvalidError(f"workers is {workers!r}; use 1 or more")
        self.check()
        if workers > 1:
            supervisor = Supervisor(workers, run_in_loop(addresses_of(host, port, unix), loop_factory))
            self._reloads = reload
            supervisor.run(lambda: self._run_slot(loop_factory))
        elif code := run_in_loop(self._serve_addresses(host, port, unix, Outside(STOPPING, reload)), loop_factory):
            sys.exit(code)

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        unix: str | None = None,
        signals: bool = False,
        reload: Reloads | None = None,
    ) -> None:
        """Starts everything and serves in the running event loop until cancelled or stopped; then drains, and stops everything.

        A second cancellation cuts that short. With `signals`, SIGINT and SIGTERM do the same, and `serve` returns. `reload` is as
        in `run`.
        """
        await self._serve_addresses(host, port, unix, Outside(STOPPING if signals else (), reload))

    async def _serve_addresses(self, host: str, port: int, unix: str | None, outside: Outside) -> int:
        addresses = await addresses_of(host, port, unix)
        return await self._serve(lambda server: bind(server, addresses), outside)

    _reloads: Reloads | None = None
    """What each of several processes watches."""

    def _run_slot(self, loop_factory: LoopFactory | None) -> None:
        if code := run_in_loop(self._serve_slot(), loop_factory):
            sys.exit(code)

    async def _serve_slot(self) -> int:
        slot = worker_slot()

        def take_over(server: Server) -> None:
            for sock in slot.sockets:
                server.listen_on(sock)
            # Listening is the last step of the start; a client may be answered from now on.
            slot.is_ready()

        return await self._serve(take_over, Outside((signal.SIGTERM,), self._reloads, slot))

    async def _serve(self, bind: Bind, outside: Outside) -> int:
        """Serves until something stops it, and returns the code that the process should end with."""
        try:
            async with self._serving(bind, outside) as (container, server):
                await until_stopped(container, server)
        except StoppedError as error:
            return error.code
        return container.exit_code

    @asynccontextmanager
    async def listen(self, host: str = "127.0.0.1", port: int = 8000, *, unix: str | None = None) -> AsyncIterator[Server]:
        """Starts everything and serves while the block runs, then drains, and stops everything.

        `server.url` tells where; port 0 takes any free port. An application that runs in this loop already serves there too.
        """
        addresses = await addresses_of(host, port, unix)
        async with self._serving(lambda server: bind(server, addresses), block=Block()) as (_, server):
            yield server

    @asynccontextmanager
    async def unbound(self) -> AsyncIterator[Server]:
        """As `listen`, with a server that listens nowhere yet; `server.listen` adds addresses."""
        async with self._serving(lambda _: None, block=Block()) as (_, server):
            yield server

    @asynccontextmanager
    async def _serving(
        self, bind: Bind, outside: Outside = NOTHING, block: Block | None = None
    ) -> AsyncIterator[tuple[Container, Server]]:
        running = self._containers.get(asyncio.get_running_loop())
        servers = running.listener if running is not None else self._make_listener()
        assert isinstance(servers, Servers)
        if running is not None:
            with heeded(outside, running):
                async with servers.beside(bind) as server:
                    yield running, server
            return
        if not (self._is_served or self._routes):
            self._is_served, self._wiring = True, None
        future = servers.want(bind)
        try:
            async with self._live(servers, outside, block) as container:
                yield container, future.result()
        finally:
            await servers.close_all()

    def test(self) -> TestClient:
        """Makes a test client, which needs no socket: `with app.test() as client: client.get("/")`, or `async with`.

        It starts everything that is declared, and stops it at the end.
        """
        return TestClient(self)


Bind = Callable[[Server], None]


def bind(server: Server, addresses: list[str]) -> None:
    """Has a server listen on addresses. One free port is taken for all of a name's."""
    for address in addresses:
        host, _, port = address.rpartition(":")
        if port == "0" and server.addresses:
            address = f"{host}:{server.addresses[0].rpartition(':')[2]}"
        server.listen(address)


async def addresses_of(host: str, port: int, unix: str | None) -> list[str]:
    return [f"unix:{os.fspath(unix)}"] if unix is not None else await resolve(host, port)


def check_on_disconnect(value: Any) -> None:
    if value not in ("cancel", "ignore"):
        raise InvalidError(f"on_disconnect is {value!r}; use 'cancel' or 'ignore'")


async def until_stopped(container: Container, server: Server) -> None:
    """Waits until everything has stopped, which the end of the server's drain brings about too.

    A cancellation stops it, and a second cuts that short.
    """
    ends = [asyncio.ensure_future(container.wait()), asyncio.ensure_future(server.wait())]
    cancelled: asyncio.CancelledError | None = None
    try:
        while not container.is_over:
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                container.stop()
                await container.wait()
            except asyncio.CancelledError as error:
                if cancelled is None:
                    container.stop()
                else:
                    container.cut_short()
                cancelled = error
    finally:
        for end in ends:
            end.cancel()
    if cancelled is not None:
        raise cancelled
