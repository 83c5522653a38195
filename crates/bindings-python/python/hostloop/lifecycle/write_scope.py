"""The functions of `resolve` and `get`, as they are written: each value is made once in its scope, whoever asks.

    async def resolve(s0):
        p0 = s0.values
        n5 = p0[0]
        if n5 is UNSET:
            n5 = p0[0] = f5(v2)
        return n5

`s0`, `s1` are the scopes of the chain, from the longest to the one that is asked; `p0`, `p1` the lists of their values. What waits
is made at once by the task that has entered the scope, and leaves it; for other tasks it is made by a task of its own, so that
whoever gives up harms nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..errors import ClosedError, ConflictError
from .building import BUILDING, UNSET, Building, join, make, unbuilt
from .compile import Writer, enter_lines, indent, is_bounded
from .held import never
from .recipe import Style
from .wiring import Wiring

__all__ = ["ScopeWriter", "home_of"]


def home_of(wiring: Wiring, node: int, chain: tuple[int, ...]) -> int | None:
    """The place in a chain of the scope that a node lives in: the outermost that is not longer. None if none was entered."""
    depth = wiring.nodes[node].depth
    return next((place for place, entered in enumerate(chain) if entered >= depth), None)


class ScopeWriter(Writer):
    """Writes one function."""

    def __init__(self, wiring: Wiring, chain: tuple[int, ...], *, is_async: bool) -> None:
        super().__init__(wiring)
        self._chain = chain
        self._last = len(chain) - 1
        self._is_async = is_async
        self._home = self._last
        """The scope for which something is made just now."""
        self._homes: set[int] = set()
        self._roots: list[int] = []
        self.names.update(
            UNSET=UNSET,
            BUILDING=BUILDING,
            Building=Building,
            ConflictError=ConflictError,
            join=join,
            make=make,
            never=never,
            unbuilt=unbuilt,
        )

    def write_needs(self, roots: Iterable[int]) -> None:
        self._roots = list(roots)
        super().write_needs(self._roots)
        self._home = self._last

    def check_entered(self, node: int) -> None:
        """Refuses a node whose scope was not entered."""
        found = self.wiring.nodes[node]
        if found.depth > self._chain[-1]:
            scope = self.wiring.scopes[found.depth]
            raise ClosedError(f"`{found.label}` lives as long as the {scope}; ask for it inside that scope")

    def function(self, result: str) -> list[str]:
        """Writes the whole function, which returns `result`."""
        outermost = min(self._homes, default=self._last)
        head = [f"s{home} = s{home + 1}.parent" for home in range(self._last - 1, outermost - 1, -1)]
        head += [f"p{home} = s{home}.values" for home in sorted(self._homes)]
        body = [*head, *self.lines, f"return {result}"]
        return [f"{'async ' if self._is_async else ''}def resolve(s{self._last}):", *indent(body)]

    def write_scoped(self, node: int) -> None:
        home = home_of(self.wiring, node, self._chain)
        assert home is not None
        self._homes.add(home)
        self._home = home
        slot = f"p{home}[{self.wiring.places[node]}]"
        look = f"(n{node} := {slot})"
        if self.wiring.nodes[node].kind == "context":
            self.lines += [f"if {look} is UNSET:", f"    raise s{home}.not_given({node})"]
        elif self._waits(node):
            self._write_async(node, home, slot, look)
        else:
            self._in_block(f"if {look} is UNSET:", lambda: self._write_sync(node, home, slot))

    def _waits(self, node: int) -> bool:
        """Whether making a node, with what is made for it alone, takes waiting."""
        found = self.wiring.nodes[node]
        needs = (self.wiring.behind(dep) for dep in found.deps if dep is not None and dep >= 0)
        return found.is_async or any(self._waits(need) for need in needs if self.wiring.nodes[need].is_transient)

    def _write_sync(self, node: int, home: int, slot: str) -> None:
        if self.wiring.nodes[node].recipe.style.is_held:
            self._write_held(node, f"n{node}", home)
            self.lines.append(f"{slot} = n{node}")
        else:
            call = self.call(node)
            self.lines.append(f"n{node} = {slot} = {call}")

    def _write_async(self, node: int, home: int, slot: str, look: str) -> None:
        if not self._is_async:
            self.lines += [f"if {look} is UNSET or n{node}.__class__ is Building:", f"    {self._refusal(node)}"]
            return
        if is_bounded(self.wiring, node):
            self.lines.append(f"if {look} is UNSET or n{node}.__class__ is Building:")
        else:
            condition = f"if {look} is UNSET and task_of(loop) is s{home}.task:"
            self._in_block(condition, lambda: self._write_inline(node, home, slot))
            self.lines.append(f"elif n{node} is UNSET or n{node}.__class__ is Building:")
        self.lines.append(f"    n{node} = await join(s{home}, {node})")

    def _write_inline(self, node: int, home: int, slot: str) -> None:
        recipe = self.wiring.nodes[node].recipe
        # What is made for it alone may wait too: by then, others must see that it is being made.
        before, self.lines = self.lines, []
        call = self.call(node)
        making, self.lines = self.lines, before
        if recipe.style.is_held:
            making += enter_lines(recipe.style, call, f"n{node}", "g", node)
        else:
            making.append(f"n{node} = {'await ' if recipe.style.is_async else ''}{call}")
        caught = [f"unbuilt(p{home}, {self.wiring.places[node]}, error)", "raise"]
        self.lines += [f"{slot} = BUILDING", "try:", *indent(making), "except BaseException as error:", *indent(caught)]
        if recipe.style.is_held:
            self._write_exit(node, home)
        self.lines += [f"if {slot} is not BUILDING:", f"    {slot}.made(n{node})", f"{slot} = n{node}"]

    def write_call(self, node: int, name: str) -> None:
        style = self.wiring.nodes[node].recipe.style
        if style.is_async and not self._is_async:
            self.lines.append(self._refusal(node))
        elif (style.is_async and style.is_held) or is_bounded(self.wiring, node):
            self.lines.append(f"{name} = await make(s{self._home}, {node})")
        elif style.is_held:
            self._write_held(node, name, self._home)
        else:
            call = self.call(node)
            self.lines.append(f"{name} = {'await ' if style is Style.AWAIT else ''}{call}")

    def _write_held(self, node: int, name: str, home: int) -> None:
        recipe = self.wiring.nodes[node].recipe
        call = self.call(node)
        self.lines += enter_lines(recipe.style, call, name, "g", node)
        self._write_exit(node, home)

    def _write_exit(self, node: int, home: int) -> None:
        self.names[f"r{node}"] = self.wiring.nodes[node].recipe
        self.lines.append(f"s{home}.exits.append((g, r{node}))")

    def lazy(self, node: int) -> str:
        return f"s{self._home}.lazy({node})"

    def if_there(self, node: int) -> str:
        node = self.wiring.behind(node)
        home = home_of(self.wiring, node, self._chain)
        if self.wiring.nodes[node].lives_with_app:
            return f"*s{self._last}.there({node})"
        if home is None or node not in self.wiring.places:
            return ""
        self._homes.add(home)
        return f"*s{home}.there({node})"

    def _refusal(self, node: int) -> str:
        """Refuses to make what waits, for somebody who cannot wait."""
        self.names[f"e{node}"] = self.wiring.why_not(self._roots, node)
        return f"raise ConflictError(e{node})"

    def _in_block(self, condition: str, write: Callable[[], None]) -> None:
        before, self.lines = self.lines, []
        write()
        self.lines = [*before, condition, *indent(self.lines)]
