"""What the graph gives to handlers, as straight-line Python in their routes.

Values of the application's scope are names. What lives as long as the request is made right before the handler is called, each
once, and left when the response is known: a whole response is sent after that, so that a commit that fails is a 500; a stream is
sent before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InvalidError
from ..lifecycle.compile import Writer, enter_lines, is_bounded
from ..lifecycle.declare import Context
from ..lifecycle.events import log
from ..lifecycle.held import leave, leave_async
from ..lifecycle.keys import Key, Wanted, read_wanted
from ..lifecycle.recipe import Parameter as Given
from ..lifecycle.recipe import Recipe, Style
from ..lifecycle.table import ByNumber
from ..lifecycle.wiring import Handler, Wiring
from .request import Request

if TYPE_CHECKING:
    from ..lifecycle.container import Container
    from .parameters import Parameter

__all__ = ["Injection", "Provided", "check_handler", "end", "end_async", "given_of", "handler_writer"]


@dataclass(frozen=True)
class Provided:
    """What an application declares, for telling which parameters of a handler the graph meets."""

    keys: frozenset[Key] = field(default=frozenset())
    has_declarations: bool = False

    def wanted(self, annotation: Any) -> Wanted | None:
        """Reads what a parameter asks of the graph, if it is provided or can come from nowhere else."""
        wanted = self.read(annotation)
        if wanted is None:
            return None
        keys = [key for key in (wanted.key, wanted.member) if key is not None]
        is_meant = wanted.is_lazy or wanted.is_soft or any(key.name is not None for key in keys)
        return wanted if is_meant or any(key in self.keys for key in keys) else None

    def read(self, annotation: Any) -> Wanted | None:
        """Reads what a parameter asks of the graph, whether it is provided or not."""
        try:
            return read_wanted(annotation)
        except InvalidError:
            return None


@dataclass(frozen=True)
class Injection:
    """A handler in a running container."""

    container: Container
    node: int

    def namespace(self, writer: HandlerWriter) -> dict[str, Any]:
        """What the writer's lines name, with the values that are current."""
        generation = self.container.generation
        return {**generation.mark.namespace(writer), "table": generation.tables[self.container.wiring.scopes[-1]]}


class NeedsScope(Exception):
    """A handler needs what only a scope that can be asked gives: something lazy, or with a time of its own."""


def handler_writer(injection: Injection, parameters: list[Parameter], *, can_wait: bool) -> HandlerWriter | None:
    """Writes what the graph gives to a handler; None if that is nothing."""
    given = [given_of(parameter) for parameter in parameters if parameter.source == "graph"]
    if not given:
        return None
    return written(injection.container.wiring, injection.node, given, can_wait=can_wait)


def check_handler(wiring: Wiring, node: int, *, can_wait: bool) -> None:
    """Raises `InvalidError` for a handler whose needs cannot be met by a request."""
    declared = wiring.nodes[node].declaration
    assert isinstance(declared, Handler)
    written(wiring, node, list(declared.parameters), can_wait=can_wait)


def written(wiring: Wiring, node: int, given: list[Given], *, can_wait: bool) -> HandlerWriter:
    try:
        return HandlerWriter(wiring, node, given)
    except NeedsScope:
        if not can_wait:
            raise InvalidError(
                f"{wiring.name(node)} is inline, and needs lazily or with a timeout what lives as long as the request; "
                "make it `async def`"
            ) from None
        return ScopeHandlerWriter(wiring, node, given)


class HandlerWriter(Writer):
    """Writes what one handler needs, in a straight line."""

    def __init__(self, wiring: Wiring, node: int, parameters: list[Given]) -> None:
        super().__init__(wiring)
        self.exits: list[tuple[str, int]] = []
        """The names of what is to be left, with its node, in the order in which it is entered."""
        self.takes_request = False
        self._node = node
        self.given = self._write(parameters, wiring.nodes[node].deps)
        """What each parameter is given."""

    @property
    def is_closed_at_end(self) -> bool:
        """Whether something is left when the response is known."""
        return bool(self.exits)

    def _write(self, parameters: list[Given], deps: list[int | None]) -> dict[str, str]:
        self.write_needs(dep for dep in deps if dep is not None and dep >= 0)
        pairs = zip(parameters, deps, strict=True)
        return {parameter.name: self.argument(parameter, dep, f"d_{parameter.name}") for parameter, dep in pairs}

    def write_scoped(self, node: int) -> None:
        if self.wiring.nodes[node].kind != "context":
            self.write_call(node, f"n{node}")
        else:
            self.check_request(node)
            self.takes_request = True

    def check_request(self, node: int) -> None:
        """Refuses what comes with a scope, but the request."""
        found = self.wiring.nodes[node]
        if not is_request(self.wiring, node):
            handler, scope = self.wiring.name(self._node), self.wiring.scopes[found.depth]
            raise InvalidError(
                f'{handler} needs `{found.label}`, which is given when the scope "{scope}" is entered; a request gives `Request` '
                f"alone: provide `{found.label}` by a function that takes it"
            )

    def scoped(self, node: int) -> str:
        return "request" if self.wiring.nodes[node].kind == "context" else f"n{node}"

    def write_call(self, node: int, name: str) -> None:
        style = self.wiring.nodes[node].recipe.style
        if is_bounded(self.wiring, node):
            raise NeedsScope
        call = self.call(node)
        if style.is_held:
            made = f"g{len(self.exits)}"
            self.exits.append((made, node))
            self.names[f"r{node}"] = self.wiring.nodes[node].recipe
            self.lines += enter_lines(style, call, name, made, node)
        else:
            self.lines.append(f"{name} = {'await ' if style is Style.AWAIT else ''}{call}")

    def lazy(self, node: int) -> str:
        raise NeedsScope

    def if_there(self, node: int) -> str:
        raise NeedsScope

    def begin_lines(self) -> list[str]:
        """What stands before the attempt."""
        return [f"{' = '.join(made for made, _ in self.exits)} = None"]

    def leave_lines(self) -> list[str]:
        """How everything is left when all went well, the last first."""
        lines: list[str] = []
        for made, node in reversed(self.exits):
            style = self.wiring.nodes[node].recipe.style
            if style is Style.MANAGER:
                lines += [f"m, {made} = {made}, None", "m.__exit__(None, None, None)"]
            elif style is Style.ASYNC_MANAGER:
                lines += [f"m, {made} = {made}, None", "await m.__aexit__(None, None, None)"]
            else:
                word = "async for" if style is Style.ASYNC_GENERATOR else "for"
                lines += [f"{word} _ in {made}:", f"    raise twice(w{node})"]
        return lines

    def end_lines(self) -> list[str]:
        """How everything is left by `failure`, the last first."""
        lines: list[str] = []
        for made, node in reversed(self.exits):
            call = "await end_async" if self.wiring.nodes[node].recipe.style.is_async else "end"
            lines += [f"if {made} is not None:", f"    failure = {call}(r{node}, {made}, failure)"]
        return lines


class ScopeHandlerWriter(HandlerWriter):
    """Writes what one handler needs by asking a scope, as `scope.resolve` does."""

    @property
    def is_closed_at_end(self) -> bool:
        return True

    def _write(self, parameters: list[Given], deps: list[int | None]) -> dict[str, str]:
        for node in self._needed(dep if dep >= 0 else -1 - dep for dep in deps if dep is not None):
            if self.wiring.nodes[node].kind == "context":
                self.check_request(node)
        pairs = zip(parameters, deps, strict=True)
        given = {parameter.name: self.argument(parameter, dep, f"d_{parameter.name}") for parameter, dep in pairs}
        place = next((place for node, place in self.wiring.places.items() if is_request(self.wiring, node)), None)
        if place is not None:
            self.takes_request = True
            self.lines.insert(0, f"s.values[{place}] = request")
        return given

    def value(self, node: int) -> str:
        node = self.wiring.behind(node)
        self.names[f"at{node}"] = ByNumber(node)
        self.lines.append(f"n{node} = await s.resolve(at{node})")
        return f"n{node}"

    def lazy(self, node: int) -> str:
        return f"s.lazy({node})"

    def begin_lines(self) -> list[str]:
        return ["s = enter_scope(table)"]

    def leave_lines(self) -> list[str]:
        return ["await s.close()"]

    def end_lines(self) -> list[str]:
        return ["failure = await end_scope(s, failure)"]


def is_request(wiring: Wiring, node: int) -> bool:
    """Whether a node stands for the request."""
    declared = wiring.nodes[node].declaration
    return isinstance(declared, Context) and declared.key == Key(Request)


def given_of(parameter: Parameter) -> Given:
    """A handler's parameter as the graph knows it."""
    return Given(parameter.name, parameter.wanted, default=parameter.default, is_keyword_only=parameter.is_keyword_only)


def end(recipe: Recipe, made: Any, error: BaseException) -> BaseException:
    """Leaves something by an error, and returns the error to go on with."""
    try:
        leave(recipe.style, made, error, recipe.name)
    except BaseException as raised:
        return worse(error, raised, recipe)
    return error


async def end_async(recipe: Recipe, made: Any, error: BaseException) -> BaseException:
    """Leaves something by an error, and returns the error to go on with."""
    try:
        await leave_async(recipe.style, made, error, recipe.name)
    except BaseException as raised:
        return worse(error, raised, recipe)
    return error


def worse(error: BaseException, raised: BaseException, recipe: Recipe) -> BaseException:
    """Of a handler's error and that of a teardown: the first, unless the other ends the task or the process."""
    if isinstance(error, Exception) and not isinstance(raised, Exception):
        return raised
    log.error("the teardown of %s failed after %r", recipe.name, error, exc_info=raised)
    return error
