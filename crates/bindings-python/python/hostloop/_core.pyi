"""The native layer under `hostloop`. Use that."""

import builtins
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Protocol, final, type_check_only

from .http.options import Limits, Timeouts

__all__ = ["Client", "Exchange", "Head", "Host", "Routes", "parse_address", "quote_path"]

@type_check_only
class Hooks(Protocol):
    """What a host calls."""

    def ended(self, task: Task[Any], ignores_disconnect: bool, /) -> object: ...
    def received(self, token: int, data: bytes, /) -> object: ...
    def closed(self, token: int, /) -> object: ...
    def drained(self) -> object: ...
    def accessed(self, client: str | None, request: str | None, status: int | None, size: int, seconds: float, /) -> object: ...
    def failed(self, error: Exception, /) -> object: ...

@type_check_only
class Compiled(Protocol):
    """A route, ready to be served."""

    @property
    def start(self) -> Callable[[Exchange], Task[Any] | None]: ...
    @property
    def wants_body(self) -> bool: ...
    @property
    def keeps_first_step(self) -> bool: ...

@final
class Host:
    """One engine with one HTTP server, inside one event loop."""

    def __new__(
        cls, event_loop: AbstractEventLoop, hooks: Hooks, limits: Limits, timeouts: Timeouts, report_access: bool
    ) -> Host: ...
    def attach(self) -> None:
        """Has the loop take turns whenever there is something to do."""

    def detach(self) -> None:
        """Ends what `attach` began."""

    def route(self, method: str, path: str, compiled: Compiled, ignores_disconnect: bool) -> None:
        """Adds a route."""

    def listen(self, address: str, reuse_port: bool) -> str:
        """Binds an address and returns the one that was bound."""

    def listen_fd(self, fd: int) -> str:
        """Takes over a descriptor that listens already, and returns its address."""

    def connect(self, token: int) -> Client:
        """Connects through memory."""

    def drain(self, timeout: float | None = None) -> None:
        """Starts to drain, or brings the deadline forward. Seconds."""

    def close(self) -> None:
        """Ends everything now."""

    def status(self) -> tuple[int, int]:
        """Returns the open connections and the requests under way."""

    def turn(self) -> None:
        """Takes turns of the engine and hands their events to tasks and futures."""

    def first_step(self, callback: Callable[..., object], *args: object, context: Context | None = None) -> object:
        """Stands for `loop.call_soon` while tasks are made."""

@final
class Client:
    """Bytes to and from a server, without a socket."""

    def send(self, bytes: bytes) -> int:
        """Sends the start of the bytes and returns how much that was."""

    def shutdown(self) -> None:
        """Tells the server that nothing more will be sent."""

    def close(self) -> None:
        """Goes away."""

@final
class Exchange:
    """A request, and the way to answer it. Nothing is decoded before it is asked for."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str:
        """The path, percent-decoded as UTF-8. Bytes that are not UTF-8 become U+FFFD."""

    @property
    def target(self) -> str:
        """The path and query as they were sent."""

    @property
    def raw_path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def http_version(self) -> str: ...
    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port, or None where it has none."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields, names in lower case, in the order of their first appearance."""

    @property
    def body(self) -> builtins.bytes | None:
        """The whole body, on routes that ask for it before they are called; elsewhere None."""

    def header(self, name: str) -> str | None:
        """The first field of that name."""

    def param(self, index: int) -> str:
        """A path parameter by its place in the route, percent-decoded. Raises UnicodeDecodeError if it is not UTF-8."""

    def read(self) -> Future[builtins.bytes | None]:
        """Reads on in the body. The future gives the next bytes, or None at the end."""

    def text(self, text: str) -> None:
        """Answers with a text."""

    def json(self, encoded: builtins.bytes) -> None:
        """Answers with JSON that is encoded already."""

    def bytes(self, bytes: builtins.bytes) -> None:
        """Answers with bytes."""

    def no_content(self) -> None:
        """Answers 204."""

    def respond(self, head: Head, body: builtins.bytes) -> None:
        """Answers with any head and body."""

    def start(self, head: Head) -> None:
        """Starts a streamed response."""

    def write(self, bytes: builtins.bytes) -> Future[bool]:
        """Writes the next piece. The future gives True when it has left for the client, False if the client is gone."""

    def finish(self) -> None:
        """Ends a streamed response."""

    def abort(self) -> None:
        """Closes the connection, so that the client sees an incomplete response."""

@final
class Routes:
    """Methods and paths, before there is a server for them."""

    def __new__(cls) -> Routes: ...
    def insert(self, name: str, path: str) -> None:
        """Adds a route. Raises ConflictError if it is given twice, InvalidError if it cannot be read or told from another."""

@final
class Head:
    """The status and header fields of a response."""

    def __new__(cls, status: int, headers: Sequence[tuple[str, str]]) -> Head: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[str, str]]: ...

def parse_address(text: str) -> str:
    """Reads an address as people write it, and writes it as it is shown."""

def quote_path(path: str) -> str:
    """Percent-encodes what may not stand in a path by itself."""
