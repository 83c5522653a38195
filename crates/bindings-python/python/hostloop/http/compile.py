"""Routes as straight-line Python.

A handler's plan (where each parameter comes from, whether it is awaited) is known when the server starts. Each route becomes
two functions of a few lines: `start` is called with a request's exchange and makes its task; `run` is the task. What is compiled
is what a careful person would write by hand.

What the graph provides for the whole application is a name in the namespace of `run`. When it is swapped, a new `run` is made for
the new values; `start` stays what it is, and runs the one that is current. The namespace of an old one lives as long as it runs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from ..errors import InvalidError
from ..lifecycle.compile import load
from .inject import Injection, Provided
from .parameters import Parameter, parameters_of
from .write import HAS_EAGER_TASKS, RouteWriter, is_direct, makes_plain_tasks

__all__ = ["Route", "compile_route"]

PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")


@dataclass(frozen=True)
class Route:
    """One route of an application."""

    method: str
    path: str
    handler: Callable[..., Any]
    is_inline: bool = False
    ignores_disconnect: bool = False
    provided: Provided = field(default_factory=Provided)

    @property
    def name(self) -> str:
        """Its method and path, as logs and tasks show it."""
        return f"{self.method} {self.path}"

    @property
    def path_names(self) -> tuple[str, ...]:
        """The names of the path's parameters, in order."""
        return tuple(PARAMETER.findall(self.path))

    def parameters(self) -> list[Parameter]:
        """Reads the handler's parameters. Raises `InvalidError` for one that no request can give."""
        for name in self.path_names:
            if self.path_names.count(name) > 1:
                raise InvalidError(f"path `{self.path}` has two parameters named `{name}`; rename one")
        return parameters_of(self.handler, self.path_names, self.name, self.provided)


@dataclass(frozen=True)
class Compiled:
    """A route, ready to be served."""

    start: Callable[[Any], Any]
    wants_body: bool
    keeps_first_step: bool
    """`start` makes a task and runs nothing else, so that the host may take the task's first step at once."""
    swap: Callable[[], None]
    """Gives requests from now on the values that are current."""


def compile_route(
    route: Route, loop: asyncio.AbstractEventLoop, run_in_thread: Callable[..., Any], injection: Injection | None = None
) -> Compiled:
    """Compiles a route for one event loop and, with `injection`, for the graph that its handler is a node of."""
    parameters = route.parameters()
    writer = RouteWriter(route, parameters, loop, run_in_thread, injection)
    code = load(route.name, writer.write())
    wants_body = any(parameter.source == "body" for parameter in parameters)
    if is_direct(route):
        namespace = writer.namespace()
        exec(code, namespace)
        # It is done before anything could be swapped, so that its names may change.
        return Compiled(namespace["start"], wants_body, False, lambda: namespace.update(writer.namespace()))
    stable: dict[str, Any] = {"Task": asyncio.Task, "loop": loop}

    def renew() -> Any:
        namespace = writer.namespace()
        exec(code, namespace)
        # A namespace that held its own functions would live on when nobody runs them any more.
        stable["run"] = namespace.pop("run")
        return namespace.pop("start")

    start = FunctionType(renew().__code__, stable, "start")
    return Compiled(start, wants_body, makes_plain_tasks(loop) and not HAS_EAGER_TASKS, renew)
