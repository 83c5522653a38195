"""Straight-line Python for what is made anew in each request or scope.

What a handler or `resolve` needs is known from the plan. It is written as the calls that a careful person would write by hand, each
after what it needs, each once: no lookup, no lock and no function for each node. Values of the application's scope are names in the
namespace of the compiled code.

    n5 = f5(v2)                    # Session(database)
    g6 = f6(n5)                    # a generator
    for n6 in g6: break
    else: raise never(w6)
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from typing import Any

from .declare import Provide
from .recipe import Parameter, Style
from .wiring import Wiring

__all__ = ["Writer", "indent", "load"]


class Writer:
    """Writes how values are made. What it writes for a node of a shorter scope, subclasses say."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        """What the lines name, apart from values: functions, recipes, defaults."""
        self.values: set[int] = set()
        """Nodes of the application's scope whose values are named: `v5`."""
        self.lazies: set[int] = set()
        """Nodes of the application's scope that are asked for later: `z5`."""
        self._transients = 0

    def write_needs(self, roots: Iterable[int]) -> None:
        """Writes everything of shorter scopes that these nodes need, in order."""
        needed = self._needed(roots)
        for node in self.wiring.order:
            if node in needed:
                self.write_scoped(node)

    def write_scoped(self, node: int) -> None:
        """Writes how a node of a shorter scope is made once in it."""
        raise NotImplementedError

    def scoped(self, node: int) -> str:
        """Names the value of a node of a shorter scope."""
        return f"n{node}"

    def lazy(self, node: int) -> str:
        """Names the handle of a node of a shorter scope that is asked for later."""
        raise NotImplementedError

    def _needed(self, roots: Iterable[int]) -> set[int]:
        """The nodes of shorter scopes that are made once for these, and for what they need."""
        left, seen, needed = list(roots), set(), set()
        while left:
            node = self.wiring.behind(left.pop())
            if node in seen or self.wiring.nodes[node].lives_with_app:
                continue
            seen.add(node)
            if not self.wiring.nodes[node].is_transient:
                needed.add(node)
            if node in self.wiring.soft:
                continue
            left.extend(dep for dep in self.wiring.nodes[node].deps if dep is not None and dep >= 0)
        return needed

    def value(self, node: int) -> str:
        """Names a value. What is transient is made for whom it is named for."""
        node = self.wiring.behind(node)
        found = self.wiring.nodes[node]
        if found.lives_with_app:
            self.values.add(node)
            return f"v{node}"
        if found.declaration is None:
            member = self.if_there if node in self.wiring.soft else self.value
            return f"[{', '.join(member(dep) for dep in found.deps if dep is not None)}]"
        if not found.is_transient:
            return self.scoped(node)
        self._transients += 1
        name = f"n{node}_{self._transients}"
        self.write_call(node, name)
        return name

    def if_there(self, node: int) -> str:
        """Names a value for a list, or nothing if it was not made."""
        raise NotImplementedError

    def write_call(self, node: int, name: str) -> None:
        """Writes how one value is made and, if it is held, remembered for its end."""
        raise NotImplementedError

    def call(self, node: int) -> str:
        """Writes the call of a node's function."""
        recipe = self.wiring.nodes[node].recipe
        self.names[f"f{node}"] = recipe.function
        self.names[f"w{node}"] = recipe.name
        return f"f{node}({self.arguments(recipe.parameters, self.wiring.nodes[node].deps, str(node))})"

    def arguments(self, parameters: Iterable[Parameter], deps: Iterable[int | None], prefix: str) -> str:
        """Writes the arguments of a call."""
        given = iter(deps)
        written = []
        for place, parameter in enumerate(parameters):
            dep = next(given) if parameter.wanted is not None else None
            argument = self.argument(parameter, dep, f"d{prefix}_{place}")
            written.append(f"{parameter.name}={argument}" if parameter.is_keyword_only else argument)
        return ", ".join(written)

    def argument(self, parameter: Parameter, dep: int | None, default: str) -> str:
        """Writes what a parameter is given."""
        if dep is None:
            if parameter.fallback is None:
                return "None"
            self.names[default] = parameter.fallback
            return default
        if dep >= 0:
            return self.value(dep)
        node = self.wiring.behind(-1 - dep)
        if not self.wiring.nodes[node].lives_with_app:
            return self.lazy(node)
        self.lazies.add(node)
        return f"z{node}"


def enter_lines(style: Style, call: str, name: str, made: str, node: int) -> list[str]:
    """How a value is made and held: `made` is what it is left by."""
    if style is Style.MANAGER:
        return [f"m = {call}", f"{name} = m.__enter__()", f"{made} = m"]
    if style is Style.ASYNC_MANAGER:
        return [f"m = {call}", f"{name} = await m.__aenter__()", f"{made} = m"]
    word = "async for" if style is Style.ASYNC_GENERATOR else "for"
    return [f"{made} = {call}", f"{word} {name} in {made}:", "    break", "else:", f"    raise never(w{node})"]


def is_bounded(wiring: Wiring, node: int) -> bool:
    """Whether making or leaving a value has a time of its own."""
    declared = wiring.nodes[node].declaration
    return isinstance(declared, Provide) and (declared.timeout is not None or declared.stop_timeout is not None)


def indent(lines: Iterable[str]) -> list[str]:
    """Moves lines to the right."""
    return [f"    {line}" for line in lines]


def load(name: str, lines: list[str]) -> Any:
    """Compiles lines, so that a traceback shows them."""
    source = "\n".join(lines) + "\n"
    filename = f"<hostloop {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return compile(source, filename, "exec")
