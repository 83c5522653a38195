"""Routes as straight-line Python.

A handler's plan (where each parameter comes from, whether it is awaited) is known when the server starts. Each route becomes
two functions of a few lines: `start` is called with a request's exchange and makes its task; `run` is the task. What is compiled
is what a careful person would write by hand.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidError
from . import answer
from .parameters import Parameter, parameters_of
from .request import Query, Request, parse_query
from .values import Refused, body_decoder, body_faults, converter, diagnose, fault

__all__ = ["Route", "compile_route"]

HAS_EAGER_TASKS = sys.version_info >= (3, 12)

PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")


@dataclass(frozen=True)
class Route:
    """One route of an application."""

    method: str
    path: str
    handler: Callable[..., Any]
    is_inline: bool = False
    ignores_disconnect: bool = False

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
        return parameters_of(self.handler, self.path_names, self.name)


@dataclass(frozen=True)
class Compiled:
    """A route, ready to be served."""

    start: Callable[[Any], Any]
    wants_body: bool
    keeps_first_step: bool
    """`start` makes a task and runs nothing else, so that the host may take the task's first step at once."""


def compile_route(route: Route, loop: asyncio.AbstractEventLoop, run_in_thread: Callable[..., Any]) -> Compiled:
    """Compiles a route for one event loop."""
    parameters = route.parameters()
    names: dict[str, Any] = {
        "CancelledError": asyncio.CancelledError,
        "Request": Request,
        "Query": Query,
        "answer": answer.answer,
        "fail": answer.fail,
        "forsake": answer.forsake,
        "handler": route.handler,
        "loop": loop,
        "parse_query": parse_query,
        "path_names": route.path_names,
        "refuse": refusing(parameters),
        "route": route,
        "run_in_thread": run_in_thread,
        "Task": asyncio.Task,
    }
    source = write_route(route, parameters, names, loop)
    filename = f"<hostloop {route.name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    exec(compile(source, filename, "exec"), names)
    keeps_first_step = not is_direct(route) and makes_plain_tasks(loop) and not HAS_EAGER_TASKS
    return Compiled(names["start"], any(parameter.source == "body" for parameter in parameters), keeps_first_step)


def write_route(route: Route, parameters: list[Parameter], names: dict[str, Any], loop: asyncio.AbstractEventLoop) -> str:
    """Writes the source of `start` and `run`."""
    body = [*write_parameters(parameters, names), *write_call(route, parameters)]
    if is_direct(route):
        return "\n".join(["def start(x):", *indent(body)])
    return "\n".join(["async def run(x):", *indent(body), "def start(x):", f"    return {write_task(route, loop)}"])


def write_task(route: Route, loop: asyncio.AbstractEventLoop) -> str:
    """A real task: with the loop's own factory if it has one, and begun at once where this Python can."""
    if not makes_plain_tasks(loop):
        return f"loop.create_task(run(x), name={route.name!r})"
    eager = ", eager_start=True" if HAS_EAGER_TASKS else ""
    return f"Task(run(x), loop=loop, name={route.name!r}{eager})"


def makes_plain_tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether tasks may be made without asking the loop: it has no factory, and does not watch for slow steps."""
    return loop.get_task_factory() is None and not loop.get_debug()


def write_parameters(parameters: list[Parameter], names: dict[str, Any]) -> list[str]:
    """One line for each parameter; if any of them fails, the request is refused with all that is wrong."""
    lines = [f"{local(parameter)} = {write_value(parameter, names)}" for parameter in parameters]
    if not any(parameter.source != "request" for parameter in parameters):
        return lines
    if any(parameter.source == "query" for parameter in parameters):
        lines.insert(0, "q = Query(parse_query(x.query_string))")
    return ["try:", *indent(lines), "except Exception as error:", "    refuse(x, error)", "    return"]


def write_value(parameter: Parameter, names: dict[str, Any]) -> str:
    name = parameter.name
    if parameter.source == "request":
        return "Request(x, path_names)"
    if parameter.source == "body":
        names[f"decode_{name}"] = body_decoder(parameter.annotation)
        names[f"default_{name}"] = parameter.default
        decoded = f"decode_{name}(x.body)"
        return decoded if parameter.is_required else f"{decoded} if x.body else default_{name}"
    convert = converter(parameter)
    names[f"convert_{name}"] = convert
    convert_text = (lambda text: f"convert_{name}({text})") if convert else (lambda text: text)
    if parameter.source == "path":
        return convert_text(f"x.param({parameter.index})")
    if parameter.is_required:
        return convert_text(f"q.getall({name!r}) or q[{name!r}]" if parameter.is_list else f"q[{name!r}]")
    names[f"default_{name}"] = parameter.default
    got = f"q.getall({name!r})" if parameter.is_list else f"q[{name!r}]"
    return f"{convert_text(got)} if {name!r} in q else default_{name}"


def write_call(route: Route, parameters: list[Parameter]) -> list[str]:
    """The call of the handler, and the answer. A text is answered here, everything else by its type."""
    keyword = [f"{parameter.name}={local(parameter)}" for parameter in parameters if parameter.is_keyword_only]
    positional = [local(parameter) for parameter in parameters if not parameter.is_keyword_only]
    arguments = ", ".join([*positional, *keyword])
    after = ["    if pending is not None:", "        await pending"]
    if is_direct(route):
        call = f"handler({arguments})"
        after = ["    if pending is not None:", "        return Task(pending, loop=loop)"]
    elif is_coroutine(route.handler):
        call = f"await handler({arguments})"
    elif is_generator(route.handler):
        call = f"handler({arguments})"
    else:
        call = f"await run_in_thread(handler, {arguments})"
    return [
        "try:",
        f"    result = {call}",
        "    if result.__class__ is str:",
        "        x.text(result)",
        "        return",
        "    pending = answer(x, result, run_in_thread)",
        *after,
        "except CancelledError:",
        "    forsake(x, route)",
        "    raise",
        "except BaseException as error:",
        "    fail(x, error, route)",
    ]


def is_coroutine(handler: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def is_generator(handler: Callable[..., Any]) -> bool:
    return inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler)


def is_direct(route: Route) -> bool:
    """Whether the handler is called without a task of its own."""
    return route.is_inline and not is_coroutine(route.handler)


def local(parameter: Parameter) -> str:
    return f"p_{parameter.name}"


def indent(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def refusing(parameters: list[Parameter]) -> Callable[[Any, Exception], None]:
    """Makes the function that answers a request whose values are wrong, with all that is wrong with them."""
    checked = [(parameter, converter(parameter)) for parameter in parameters if parameter.source in ("path", "query")]
    bodies = [(parameter, body_decoder(parameter.annotation)) for parameter in parameters if parameter.source == "body"]

    def refuse(x: Any, error: Exception) -> None:
        query = Query(parse_query(x.query_string))
        faults = []
        for parameter, convert in checked:
            try:
                found = diagnose(parameter, raw_value(x, query, parameter), convert)
            except UnicodeDecodeError:
                found = fault(parameter.source, parameter.name, x.raw_path, "percent-encoded UTF-8")
            if found is not None:
                faults.append(found)
        for parameter, decode in bodies:
            if x.body or parameter.is_required:
                faults.extend(body_faults(decode, x.body))
        answer.fail(x, Refused(*faults).as_http() if faults else error, None)

    return refuse


def raw_value(x: Any, query: Query, parameter: Parameter) -> Any:
    if parameter.source == "path":
        return x.param(parameter.index)
    return query.getall(parameter.name) if parameter.is_list else query.get(parameter.name)
