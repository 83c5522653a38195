"""The native layer under `hostloop`. Use that."""

import builtins
from asyncio import AbstractEventLoop, Future, Task
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Protocol, final, type_check_only

from .http.options import Limits, Timeouts
from .lifecycle.options import Lifetimes, Policy

__all__ = [
    "Client",
    "Exchange",
    "Graph",
    "Head",
    "Host",
    "ManualClock",
    "Plan",
    "Routes",
    "Run",
    "Watcher",
    "parse_address",
    "quote_path",
]

@type_check_only
class Hooks(Protocol):
    """What a host calls."""

    def ended(self, task: Task[Any], ignores_disconnect: bool, /) -> object: ...
    def received(self, token: int, data: bytes, /) -> object: ...
    def writable(self, token: int, /) -> object: ...
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

@final
class Graph:
    """Nodes and what each needs, before the check."""

    def __new__(cls, scopes: Sequence[str]) -> Graph: ...
    def key(self, label: str) -> int:
        """Makes a key. The label is what texts call it."""

    def named(self, base: int, name: str) -> int:
        """Makes a key for values of another that have this name."""

    def conforms(self, key: int, to: int) -> None:
        """Notes that a value of one key could be given for another, for the texts of mistakes."""

    def module(self, name: str, parent: int) -> int:
        """Makes a module inside another; 0 is the root."""

    def add(
        self,
        kind: str,
        label: str,
        source: str,
        *,
        provides: int | None = None,
        scope: str = "inherited",
        module: int = 0,
        private: bool = False,
        is_async: bool = False,
        sync_only: bool = False,
        overriding: bool = False,
        built_in: bool = False,
        needs: Sequence[tuple[str, int, bool, bool, tuple[int, bool] | None]] = ...,
        after: Sequence[int] = ...,
        start_timeout: float | None = None,
        stop_timeout: float | None = None,
        policy: Policy | None = None,
    ) -> int:
        """Adds a node, and returns its number. `scope` is a scope's name, `transient` or `inherited`. Times are seconds."""

    def alias(self, key: int, target: int) -> int:
        """Adds another key for what a node provides."""

    def seal(self) -> Plan:
        """Checks the graph, and makes the plan that runs. Raises WiringError with every mistake."""

@final
class Plan:
    """A checked graph."""

    def nodes(self) -> list[tuple[str, str, str, int, bool, bool, bool, bool, int, list[int | None]]]:
        """Every node, by its number. Collections that were needed stand after those that were declared."""

    def order(self) -> list[int]:
        """The numbers of the nodes, each after what it needs."""

    def warnings(self) -> list[tuple[str, str, list[tuple[str, str]], str, str]]:
        """What is odd about the graph."""

    def find(self, key: int) -> int:
        """The node that a key gives to the root module. Raises NotProvidedError, which says what to do."""

    def find_all(self, key: int) -> list[int]:
        """All nodes of a key that the root module sees."""

    def explain(self, format: str) -> str:
        """The graph before it runs, as `json`, `dot`, `mermaid` or `html`."""

@final
class ManualClock:
    """A clock for tests: it stands still until it is moved."""

    def __new__(cls) -> ManualClock: ...
    @property
    def seconds(self) -> float:
        """The seconds that it shows."""

    def move_to(self, seconds: float) -> None:
        """Moves it to this second, if that is later."""

@final
class Run:
    """The machine that starts, watches and stops what a plan describes. It calls nothing: the container takes commands, does them,
    and answers each."""

    def __new__(cls, plan: Plan, lifetimes: Lifetimes, drain_timeout: float | None, clock: ManualClock | None = None) -> Run: ...
    @property
    def stage(self) -> str:
        """What the run does now: `new`, `building`, ... `closed`."""

    @property
    def is_ready(self) -> bool:
        """Whether the application takes requests."""

    @property
    def is_degraded(self) -> bool:
        """Whether a worker has been given up."""

    def start(self) -> None:
        """Starts the application. Raises ConflictError if it was started before."""

    def stop(self, code: int) -> None:
        """Stops the application."""

    def signal(self, number: int) -> None:
        """Takes a signal: the first stops, the second cuts the stop short, the third ends the process."""

    def poll(self) -> float | None:
        """Acts on every deadline that has come, and returns the seconds until the next."""

    def take_commands(self) -> list[tuple[Any, ...]]:
        """What is to be done, in order: tuples of a name and its arguments."""

    def take_events(self) -> list[tuple[float, str, int | None, float | None, str]]:
        """What happened, in order."""

    def began(self, op: int) -> None:
        """Notes that a command is begun only now, after others of its batch."""

    def complete(self, op: int, outcome: str, error: int = 0) -> bool:
        """Answers a command with `done`, `held`, `failed`, `fatal` or `cancelled`, and returns whether it was still waited for."""

    def request(self, node: int, requester: int | None = None) -> tuple[Any, Any, Any]:
        """Asks for the value of a node of the application's scope, for a constructor or for somebody else.

        Returns what it is, or the ticket that will be settled, or the failure; of the three, two are None.
        """

    def abandon(self, ticket: int) -> None:
        """Gives up what was asked for."""

    def add_hook(
        self, op: int, label: str, source: str, start_timeout: float | None = None, stop_timeout: float | None = None
    ) -> int:
        """Adds a hook for the node that a command has constructed, and returns its number. Raises ConflictError after the start."""

    def worker_ready(self, op: int) -> None:
        """Notes that a worker is ready."""

    def worker_tick(self, op: int) -> None:
        """Notes that a worker is alive."""

    def restart(self, node: int) -> None:
        """Runs a worker that has ended. Raises ConflictError if it runs."""

    def reload(self, nodes: Sequence[int]) -> int:
        """Makes new values of these nodes and of all that holds them, and returns the number of the reload."""

    def explain(self, format: str) -> str:
        """The graph as it is now, as `json`, `dot`, `mermaid` or `html`."""

@final
class Watcher:
    """Calls `changed(path)` for each watched path that changes, from a thread of its own, until it is closed."""

    def __new__(cls, changed: Callable[[str], object]) -> Watcher: ...
    def watch(self, path: str) -> None:
        """Watches a file, or a folder with all that is in it, wherever links lead."""

    def close(self) -> None:
        """Ends the watching, and its thread."""

def parse_address(text: str) -> str:
    """Reads an address as people write it, and writes it as it is shown."""

def quote_path(path: str) -> str:
    """Percent-encodes what may not stand in a path by itself."""
