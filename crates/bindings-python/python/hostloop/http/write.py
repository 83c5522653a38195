"""The source of a route: `start` and `run`, as a careful person would write them by hand."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..lifecycle.compile import indent
from ..lifecycle.held import never, twice
from ..lifecycle.scope import end_scope, enter_scope
from . import answer
from .inject import Injection, end, end_async, handler_writer
from .parameters import Parameter
from .request import Query, Request, parse_query
from .values import Refused, body_decoder, body_faults, converter, diagnose, fault

if TYPE_CHECKING:
    from .compile import Route

__all__ = ["HAS_EAGER_TASKS", "RouteWriter", "is_direct", "makes_plain_tasks"]

HAS_EAGER_TASKS = sys.version_info >= (3, 12)


class RouteWriter:
    """Writes one route, for one loop."""

    def __init__(
        self,
        route: Route,
        parameters: list[Parameter],
        loop: asyncio.AbstractEventLoop,
        run_in_thread: Callable[..., Any],
        injection: Injection | None,
    ) -> None:
        self._route = route
        self._parameters = parameters
        self._loop = loop
        self._injection = injection
        self._graph = handler_writer(injection, parameters, can_wait=not is_direct(route)) if injection is not None else None
        self._names: dict[str, Any] = {
            "CancelledError": asyncio.CancelledError,
            "Request": Request,
            "Query": Query,
            "Task": asyncio.Task,
            "answer": answer.answer,
            "end": end,
            "end_async": end_async,
            "end_scope": end_scope,
            "enter_scope": enter_scope,
            "fail": answer.fail,
            "forsake": answer.forsake,
            "handler": route.handler,
            "hold": answer.hold,
            "loop": loop,
            "never": never,
            "parse_query": parse_query,
            "path_names": route.path_names,
            "refuse": refusing(parameters),
            "route": route,
            "run_in_thread": run_in_thread,
            "settle": answer.settle,
            "twice": twice,
        }

    def write(self) -> list[str]:
        """Writes the source."""
        body = [*self._write_parameters(), *self._write_handling()]
        if is_direct(self._route):
            return ["def start(x):", *indent(body), *self._write_finish()]
        return ["async def run(x):", *indent(body), "def start(x):", f"    return {write_task(self._route, self._loop)}"]

    def namespace(self) -> dict[str, Any]:
        """What the source names, with the values that are current."""
        if self._injection is None or self._graph is None:
            return dict(self._names)
        return {**self._names, **self._injection.namespace(self._graph)}

    # Parameters of the request's.

    def _write_parameters(self) -> list[str]:
        """One line for each parameter; if any of them fails, the request is refused with all that is wrong."""
        own = [parameter for parameter in self._parameters if parameter.source != "graph"]
        lines = [f"{local(parameter)} = {self._write_value(parameter)}" for parameter in own]
        if not any(parameter.source != "request" for parameter in own):
            return lines
        if any(parameter.source == "query" for parameter in own):
            lines.insert(0, "q = Query(parse_query(x.query_string))")
        return ["try:", *indent(lines), "except Exception as error:", "    refuse(x, error)", "    return"]

    def _write_value(self, parameter: Parameter) -> str:
        name, names = parameter.name, self._names
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

    # The call of the handler, and the answer.

    def _write_handling(self) -> list[str]:
        if self._graph is None or not self._graph.is_closed_at_end:
            return self._write_simple()
        return [
            *self._graph.begin_lines(),
            "try:",
            *indent(self._write_making()),
            f"    result = {self._write_call()}",
            "    pending = None",
            "    if result.__class__ is not str:",
            "        result, pending = settle(x, result, run_in_thread)",
            "        if pending is not None:",
            f"            {self._write_pending()}",
            *indent(self._graph.leave_lines()),
            *self._write_failing(),
            "try:",
            "    if result.__class__ is str:",
            "        x.text(result)",
            "    elif pending is None:",
            "        answer(x, result, run_in_thread)",
            "except Exception as error:",
            "    fail(x, error, route)",
        ]

    def _write_simple(self) -> list[str]:
        """Of what has nothing to close. A text is answered here, everything else by its type."""
        after = ["    if pending is not None:", "        await pending"]
        if is_direct(self._route):
            pending = "pending" if self._graph is None else "hold(pending, mark)"
            after = ["    if pending is not None:", f"        return Task({pending}, loop=loop)"]
        return [
            "try:",
            *indent(self._write_making()),
            f"    result = {self._write_call()}",
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

    def _write_making(self) -> list[str]:
        """What is made for the request."""
        if self._graph is None:
            return []
        lines = self._graph.lines
        if self._graph.takes_request:
            own = next((local(parameter) for parameter in self._parameters if parameter.source == "request"), None)
            lines = [f"request = {own or 'Request(x, path_names)'}", *lines]
        return lines

    def _write_call(self) -> str:
        given = self._graph.given if self._graph is not None else {}
        arguments = [
            f"{parameter.name}={given.get(parameter.name, local(parameter))}"
            if parameter.is_keyword_only
            else given.get(parameter.name, local(parameter))
            for parameter in sorted(self._parameters, key=lambda parameter: parameter.is_keyword_only)
        ]
        route, joined = self._route, ", ".join(arguments)
        if is_direct(route) or is_generator(route.handler):
            return f"handler({joined})"
        if is_coroutine(route.handler):
            return f"await handler({joined})"
        return f"await run_in_thread(handler, {joined})"

    def _write_pending(self) -> str:
        """What is done with a stream: the scope is open until it is sent."""
        if not is_direct(self._route):
            return "await pending"
        return f"return Task(finish({self._finish_arguments()}), loop=loop)"

    def _finish_arguments(self) -> str:
        assert self._graph is not None
        return ", ".join(["x", "pending", "mark", *(made for made, _ in self._graph.exits)])

    def _write_finish(self) -> list[str]:
        """Of a handler without a task, what sends a stream and closes what was open for it."""
        if self._graph is None or not self._graph.is_closed_at_end:
            return []
        body = ["try:", "    await pending", *indent(self._graph.leave_lines()), *self._write_failing()]
        return [f"async def finish({self._finish_arguments()}):", *indent(body)]

    def _write_failing(self) -> list[str]:
        assert self._graph is not None
        return [
            "except BaseException as error:",
            "    failure = error",
            *indent(self._graph.end_lines()),
            "    if isinstance(failure, CancelledError):",
            "        forsake(x, route)",
            "        raise failure",
            "    fail(x, failure, route)",
            "    return",
        ]


def write_task(route: Route, loop: asyncio.AbstractEventLoop) -> str:
    """A real task: with the loop's own factory if it has one, and begun at once where this Python can."""
    if not makes_plain_tasks(loop):
        return f"loop.create_task(run(x), name={route.name!r})"
    eager = ", eager_start=True" if HAS_EAGER_TASKS else ""
    return f"Task(run(x), loop=loop, name={route.name!r}{eager})"


def makes_plain_tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether tasks may be made without asking the loop: it has no factory, and does not watch for slow steps."""
    return loop.get_task_factory() is None and not loop.get_debug()


def is_coroutine(handler: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def is_generator(handler: Callable[..., Any]) -> bool:
    return inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler)


def is_direct(route: Route) -> bool:
    """Whether the handler is called without a task of its own."""
    return route.is_inline and not is_coroutine(route.handler)


def local(parameter: Parameter) -> str:
    return f"p_{parameter.name}"


def refusing(parameters: list[Parameter]) -> Callable[[Any, Exception], None]:
    """Makes the function that answers a request whose values are wrong, with all that is wrong with them."""
    checked = [(parameter, converter(parameter)) for parameter in parameters if parameter.source in ("path", "query")]
    bodies = [(parameter, body_decoder(parameter.annotation)) for parameter in parameters if parameter.source == "body"]

    def faults_of(x: Any) -> list[Any]:
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
        return faults

    def refuse(x: Any, error: Exception) -> None:
        try:
            faults = faults_of(x)
        except Exception as raised:
            # A validator of the user's raised what says nothing of the request.
            error, faults = raised, []
        answer.fail(x, Refused(*faults).as_http() if faults else error, None)

    return refuse


def raw_value(x: Any, query: Query, parameter: Parameter) -> Any:
    if parameter.source == "path":
        return x.param(parameter.index)
    return query.getall(parameter.name) if parameter.is_list else query.get(parameter.name)
