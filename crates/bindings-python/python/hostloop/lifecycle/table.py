"""What gives values in the scopes of one kind: a compiled function for each type that was asked for.

`table[T]` is the function that `scope.resolve(T)` calls, `table.getters[T]` that of `scope.get(T)`. A function is compiled when its
type is asked for the first time, and made for one generation. The chain of a table says which scopes are entered, around its own
and including it, by depth; a node of a scope that was skipped lives in the next one inside.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ClosedError, NotProvidedError
from .building import UNSET
from .compile import Writer, load
from .mark import Mark
from .source import show_type
from .tasks import task_of
from .write_scope import ScopeWriter, home_of

if TYPE_CHECKING:
    from .container import Container
    from .scope import Scope

__all__ = ["NEW", "Table"]

Resolver = Callable[["Scope"], Coroutine[Any, Any, Any]]
Getter = Callable[["Scope"], Any]


@dataclass(frozen=True)
class ByNumber:
    """Asks for a node that was found already, whoever may see it."""

    node: int


class Table(dict[Any, Resolver]):
    """The functions of `resolve`, by type."""

    def __init__(self, container: Container, mark: Mark, chain: tuple[int, ...]) -> None:
        super().__init__()
        self.container = container
        self.chain = chain
        self.getters: dict[Any, Getter] = Getters(self)
        self.scopes = container.scopes
        self.blank = container.blank
        self.waits = container.waits
        """Whether anything in a scope takes waiting, so that it matters which task has entered it."""
        self.loop = container.loop
        self.closed = Refusing("its scope is closed", self)
        """What a closed scope has instead: it must not keep a generation."""
        self._mark = mark
        self._makers: dict[int, Resolver] = {}
        self._places: dict[Any, int] = {}
        self._inner: dict[int, Table] = {}

    def inner(self, depth: int) -> Table:
        """Returns the table of a scope inside."""
        if depth not in self._inner:
            self._inner[depth] = Table(self.container, self._mark, (*self.chain, depth))
        return self._inner[depth]

    def place(self, wanted: Any) -> int:
        """Finds where a value that is given with the scope is kept."""
        if wanted not in self._places:
            wiring = self.container.wiring
            node = wiring.find(wanted)
            if node not in wiring.places or home_of(wiring, node, self.chain) != len(self.chain) - 1:
                scope = wiring.scopes[self.chain[-1]]
                label = wiring.nodes[node].label
                raise NotProvidedError(f'`{label}` does not live in the scope "{scope}", so it cannot be given to it')
            self._places[wanted] = wiring.places[node]
        return self._places[wanted]

    def maker(self, node: int) -> Resolver:
        """Compiles the function that makes the call of one node, after all that it needs."""
        if node not in self._makers:
            writer = self._writer(is_async=True)
            writer.write_needs(dep for dep in self.container.wiring.nodes[node].deps if dep is not None and dep >= 0)
            result = writer.call(node)
            if missing := self._missing(writer):
                return self._prepared(lambda: self.maker(node), missing)
            self._makers[node] = self._function(writer, result, f"make {self.container.wiring.nodes[node].label}")
        return self._makers[node]

    def __missing__(self, wanted: Any) -> Resolver:
        writer = self._writer(is_async=True)
        result = self._write(writer, wanted)
        if missing := self._missing(writer):
            return self._prepared(lambda: self[wanted], missing)
        self[wanted] = self._function(writer, result, f"resolve {show_type(wanted)}")
        return self[wanted]

    def _prepared(self, resolver: Callable[[], Resolver], missing: list[int]) -> Resolver:
        """Has values of the application made first that nothing had needed before."""

        async def prepare(scope: Scope) -> Any:
            for node in missing:
                await self.container.ask(node)
            return await resolver()(scope)

        return prepare

    def make_getter(self, wanted: Any) -> Getter:
        """Compiles the function of `get` for a type."""
        writer = self._writer(is_async=False)
        result = self._write(writer, wanted)
        for node in self._missing(writer):
            self.container.get(node)
        getter: Getter = self._function(writer, result, f"get {show_type(wanted)}")
        return getter

    def _writer(self, *, is_async: bool) -> ScopeWriter:
        writer = ScopeWriter(self.container.wiring, self.chain, is_async=is_async)
        writer.names.update(task_of=task_of, loop=self.loop)
        return writer

    def _write(self, writer: ScopeWriter, wanted: Any) -> str:
        """Writes what is asked for, and returns its name."""
        wiring = self.container.wiring
        members = None if isinstance(wanted, ByNumber) else wiring.members(wanted)
        roots = members if members is not None else [wanted.node if isinstance(wanted, ByNumber) else wiring.find(wanted)]
        for node in roots:
            writer.check_entered(node)
        writer.write_needs(roots)
        named = [writer.value(node) for node in roots]
        return named[0] if members is None else f"[{', '.join(named)}]"

    def _missing(self, writer: Writer) -> list[int]:
        return [node for node in writer.values if self._mark.peek(node) is UNSET]

    def _function(self, writer: ScopeWriter, result: str, name: str) -> Any:
        names = self._mark.namespace(writer)
        exec(load(name, writer.function(result)), names)
        # The namespace must not hold its own function: it lives as long as somebody runs it.
        return names.pop("resolve")


class Getters(dict[Any, Getter]):
    """The functions of `get`, by type."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = weakref.proxy(table)

    def __missing__(self, wanted: Any) -> Getter:
        self[wanted] = self._table.make_getter(wanted)
        return self[wanted]


class Refusing(Table):
    """The table of a scope that gives no values."""

    def __init__(self, why: str, table: Table | None = None) -> None:
        dict.__init__(self)
        self._why = why
        self.getters = RefusingGetters(self)
        self.closed = self
        if table is not None:
            self.container, self.chain = table.container, table.chain
            self.scopes, self.blank = table.scopes, table.blank

    def __missing__(self, wanted: Any) -> Resolver:
        raise self.refused(wanted)

    def refused(self, wanted: Any) -> ClosedError:
        """Why there is no such value."""
        return ClosedError(f"`{show_type(wanted)}` cannot be had: {self._why}")


class RefusingGetters(dict[Any, Getter]):
    """The getters of a scope that gives no values."""

    def __init__(self, table: Refusing) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, wanted: Any) -> Getter:
        raise self._table.refused(wanted)


NEW = Refusing("its scope is not entered; use `async with`")
"""The table of every scope that is not entered yet."""
