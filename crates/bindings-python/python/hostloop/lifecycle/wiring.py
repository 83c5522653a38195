"""From declarations to a plan, and what the plan's numbers stand for.

The native graph checks everything in one pass and runs no code of the user's. What it returns is copied into lists once; container
and compiler read those.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .._core import Graph, Plan
from ..errors import InvalidError, NotProvidedError, WiringError
from .declare import APP, INHERITED, TRANSIENT, Context, Declaration, Group, Hook, Invoke, Provide, Supply, Worker
from .keys import Key, Wanted, read_wanted
from .recipe import Parameter, Recipe
from .source import label_of

__all__ = ["Handler", "Node", "Wiring", "provided_keys", "wire"]


@dataclass(frozen=True, eq=False)
class Handler(Declaration):
    """What answers requests, and the parameters that the graph meets."""

    parameters: tuple[Parameter, ...] = ()
    is_sync_only: bool = False


@dataclass(frozen=True, eq=False)
class Listener(Declaration):
    """What takes requests."""


@dataclass(frozen=True, eq=False)
class BlockNode(Declaration):
    """The block that an application runs for: begun when all else is up, and the first to end."""


@dataclass(slots=True)
class Node:
    """One node of a plan."""

    index: int
    kind: str
    label: str
    source: str
    depth: int
    """The place of its scope: 0 is the application's."""
    is_transient: bool
    is_async: bool
    is_reached: bool
    is_replaced: bool
    level: int
    deps: list[int | None]
    """What each of its needs is met by: a node, `-1 - node` if lazily, or None."""
    declaration: Declaration | None = None

    @property
    def recipe(self) -> Recipe:
        """How its value is made."""
        assert isinstance(self.declaration, (Provide, Invoke, Worker))
        return self.declaration.recipe

    @property
    def is_reloadable(self) -> bool:
        """Whether a value of it can be made anew while the application runs."""
        return self.lives_with_app and not self.is_replaced and self.kind in ("factory", "resource", "decorator")

    @property
    def lives_with_app(self) -> bool:
        """Whether there is one value of it for the whole application."""
        return self.depth == 0 and not self.is_transient


@dataclass
class Wiring:
    """A sealed graph with what its numbers stand for."""

    plan: Plan
    nodes: list[Node]
    order: list[int]
    scopes: tuple[str, ...]
    keys: dict[Key, int]
    numbers: dict[Declaration, int] = field(default_factory=dict)
    """The node of each declaration."""
    probe: Callable[[Any], NotProvidedError] = field(default=lambda _: NotProvidedError(), repr=False)
    """What to say of a type that no node provides or needs."""
    looked_up: dict[Any, int | tuple[int, ...]] = field(default_factory=dict)
    """What annotations were found to stand for."""
    soft: set[int] = field(default_factory=set)
    """Collections that take what is there."""
    places: dict[int, int] = field(default_factory=dict)
    """Of nodes that are made once in a shorter scope, the place of their value in the list of each scope."""

    def __post_init__(self) -> None:
        scoped = [node.index for node in self.nodes if node.depth > 0 and not node.is_transient and node.kind != "alias"]
        self.places = {node: place for place, node in enumerate(scoped)}
        for node in self.nodes:
            for parameter, dep in zip(parameters_of(node.declaration), node.deps, strict=False):
                if parameter.wanted is not None and parameter.wanted.is_soft and dep is not None:
                    self.soft.add(self.behind(dep))

    def find(self, annotation: Any) -> int:
        """Finds the node that a type, a named type or one of its other keys stands for. Raises `NotProvidedError`."""
        key = read_wanted(annotation).key
        if key not in self.keys:
            raise self.probe(annotation)
        return self.behind(self.plan.find(self.keys[key]))

    def is_block(self, node: int) -> bool:
        """Whether a node is the block that the application runs for."""
        return isinstance(self.nodes[node].declaration, BlockNode)

    def look_up(self, annotation: Any) -> int | tuple[int, ...]:
        """The node that an annotation stands for, or those of a `list[...]`. Each is read once. Raises `NotProvidedError`."""
        if annotation not in self.looked_up:
            members = self.members(annotation)
            self.looked_up[annotation] = self.find(annotation) if members is None else tuple(members)
        return self.looked_up[annotation]

    def worker(self, wanted: Any) -> int:
        """Finds the node of a worker, by its declaration or function. Raises `NotProvidedError`."""
        for declaration, number in self.numbers.items():
            if isinstance(declaration, Worker) and (declaration is wanted or declaration.recipe.function is wanted):
                return number
        shown = wanted.name if isinstance(wanted, Declaration) else label_of(wanted)
        raise NotProvidedError(f"`{shown}` is no worker of this application; give what worker(...) returned, or its function")

    def members(self, annotation: Any) -> list[int] | None:
        """The nodes of a `list[...]` that nothing provides as such; None if it is no such list."""
        wanted = read_wanted(annotation)
        if wanted.member is None or (wanted.key in self.keys and self.is_provided(wanted.key)):
            return None
        return [self.behind(node) for node in self.plan.find_all(self.keys[wanted.member])] if wanted.member in self.keys else []

    def is_provided(self, key: Key) -> bool:
        """Whether something provides this very key."""
        try:
            self.plan.find(self.keys[key])
        except NotProvidedError:
            return False
        return True

    def behind(self, node: int) -> int:
        """Follows other keys to the node whose value they are."""
        while self.nodes[node].kind == "alias":
            target = self.nodes[node].deps[0]
            assert target is not None
            node = target
        return node

    def way(self, roots: Iterable[int], is_end: Callable[[int], bool], is_there: Callable[[int], bool]) -> list[int]:
        """The shortest way from one of these nodes to an end, through what is needed at once and not there; empty if none leads."""
        came_from: dict[int, int | None] = {self.behind(root): None for root in roots}
        left = deque(came_from)
        while left:
            node = left.popleft()
            if is_end(node):
                return list(reversed(list(steps_back(node, came_from))))
            needs = (self.behind(dep) for dep in self.nodes[node].deps if dep is not None and dep >= 0)
            for need in needs:
                if need not in came_from and not is_there(need):
                    came_from[need] = node
                    left.append(need)
        return []

    def why_not(self, roots: Iterable[int], waits: int) -> str:
        """Why something cannot be had without waiting."""
        way = self.way(roots, lambda node: node == waits, lambda _: False) or [waits]
        shown = " -> ".join(map(self.name, way))
        wanted, last = self.nodes[way[0]].label, self.nodes[waits].label
        return f"`{wanted}` cannot be had without waiting: `{last}` is made asynchronously ({shown}); use `await ...resolve(...)`"

    def name(self, node: int) -> str:
        """A node's label and place, as paths have it."""
        source = self.nodes[node].source
        return f"{self.nodes[node].label} ({source})" if source else self.nodes[node].label


def wire(declarations: Sequence[Declaration], overrides: Sequence[Declaration], scopes: tuple[str, ...]) -> Wiring:
    """Checks declarations and makes their plan. Raises `WiringError` with every mistake."""
    writer = Writer(declarations, overrides, scopes)
    with suppress(WiringError):
        return writer.sealed()
    # Which types could stand for which is only of use to texts, and takes a look at every pair.
    writer = Writer(declarations, overrides, scopes)
    writer.note_conforming()
    return writer.sealed()


def provided_keys(declarations: Iterable[Declaration]) -> set[Key]:
    """Every key that declarations provide to the root module."""
    keys: set[Key] = set()
    for declaration in flattened(declarations):
        if isinstance(declaration, Supply) or (isinstance(declaration, Provide) and not declaration.is_private):
            keys.update(declaration.keys)
        elif isinstance(declaration, Context):
            keys.add(declaration.key)
    return keys


def flattened(declarations: Iterable[Declaration]) -> Iterator[Declaration]:
    """Declarations without the groups around them."""
    for declaration in declarations:
        if isinstance(declaration, Group):
            yield from flattened(declaration.members)
        else:
            yield declaration


def steps_back(node: int, came_from: Mapping[int, int | None]) -> Iterator[int]:
    """A node, and those by which it was found."""
    step: int | None = node
    while step is not None:
        yield step
        step = came_from[step]


class Writer:
    """Writes declarations into a native graph."""

    def __init__(self, declarations: Sequence[Declaration], overrides: Sequence[Declaration], scopes: tuple[str, ...]) -> None:
        self._graph = Graph(scopes)
        self._scopes = scopes
        self._keys: dict[Key, int] = {}
        self._numbers: dict[Declaration, int] = {}
        self._aliases: list[tuple[Key, int]] = []
        placed = [*self._placed(declarations, 0), *((declaration, 0, True) for declaration in flattened(overrides))]
        for number, (declaration, _, _) in enumerate(placed):
            if declaration in self._numbers:
                raise InvalidError(f"{declaration.name} is given twice; give each declaration once")
            self._numbers[declaration] = number
        self._declared = [declaration for declaration, _, _ in placed]
        for declaration, module, is_override in placed:
            self._add(declaration, module, is_override)
        for key, node in self._aliases:
            self._graph.alias(self._key(key), node)

    def sealed(self) -> Wiring:
        """Seals the graph."""
        plan = self._graph.seal()
        nodes = [Node(index, *row) for index, row in enumerate(plan.nodes())]
        for node, declaration in zip(nodes, self._declared, strict=False):
            node.declaration = declaration
        return Wiring(plan, nodes, plan.order(), self._scopes, dict(self._keys), self._numbers, self._say_missing)

    def note_conforming(self) -> None:
        """Tells the graph which types could be given for which."""
        types = [(key, number) for key, number in self._keys.items() if isinstance(key.type, type) and key.name is None]
        for key, number in types:
            for other, wanted in types:
                if number != wanted and other.type is not object and could_be(key.type, other.type):
                    self._graph.conforms(number, wanted)

    def _say_missing(self, annotation: Any) -> NotProvidedError:
        wanted = read_wanted(annotation)
        self._graph.add("invoke", "resolve", "", scope=APP, needs=[self._need("", wanted)])
        self.note_conforming()
        try:
            self._graph.seal()
        except WiringError as error:
            mistake = error.mistakes[-1]
            return NotProvidedError(f"nothing provides `{wanted.key.label}`; {mistake.fix}")
        return NotProvidedError(f"nothing provides `{wanted.key.label}`")

    def _placed(self, declarations: Iterable[Declaration], module: int) -> Iterator[tuple[Declaration, int, bool]]:
        """Each declaration with the module that it is of."""
        for declaration in declarations:
            if isinstance(declaration, Group):
                inner = self._graph.module(declaration.label, module) if declaration.is_module else module
                yield from self._placed(declaration.members, inner)
            else:
                yield declaration, module, False

    def _add(self, declaration: Declaration, module: int, is_override: bool) -> None:
        kind, options = NODES[type(declaration)](self, declaration)
        if is_override and not isinstance(declaration, (Supply, Provide)):
            raise InvalidError(f"override is given {declaration.name}, which provides nothing; give it supply(...) or provide(...)")
        number = self._graph.add(kind, declaration.label, declaration.source, module=module, overriding=is_override, **options)
        assert number == self._numbers[declaration]

    def _value(self, declaration: Supply) -> tuple[str, dict[str, Any]]:
        options = {"scope": APP, "built_in": declaration.is_built_in}
        return "value", {**options, **self._provides(declaration, declaration.keys)}

    def _factory(self, declaration: Provide) -> tuple[str, dict[str, Any]]:
        recipe = declaration.recipe
        options = {
            "needs": self._needs(recipe.parameters),
            "is_async": recipe.style.is_async,
            "private": declaration.is_private,
            "start_timeout": declaration.timeout,
            "stop_timeout": declaration.stop_timeout,
            **self._provides(declaration, declaration.keys),
        }
        if declaration.is_decorator:
            return "decorator", {**options, "scope": INHERITED}
        return "resource" if recipe.style.is_held else "factory", {**options, "scope": declaration.scope}

    def _context(self, declaration: Context) -> tuple[str, dict[str, Any]]:
        return "context", {"scope": declaration.scope, "built_in": True, "provides": self._key(declaration.key)}

    def _invoke(self, declaration: Invoke) -> tuple[str, dict[str, Any]]:
        needs = self._needs(declaration.recipe.parameters)
        return "invoke", {"scope": APP, "needs": needs, "start_timeout": declaration.timeout}

    def _hook(self, declaration: Hook) -> tuple[str, dict[str, Any]]:
        calls = [call for call in (declaration.start, declaration.stop) if call is not None]
        needs = [need for call in calls for need in self._needs(call.parameters)]
        times = {"start_timeout": declaration.timeout, "stop_timeout": declaration.stop_timeout}
        return "hook", {"scope": APP, "needs": needs, **times}

    def _worker(self, declaration: Worker) -> tuple[str, dict[str, Any]]:
        return "worker", {
            "scope": APP,
            "needs": self._needs(declaration.recipe.parameters),
            "policy": declaration.policy,
            "after": [self._before(declaration, other) for other in declaration.after],
            "start_timeout": declaration.timeout,
            "stop_timeout": declaration.stop_timeout,
        }

    def _listener(self, _: Listener) -> tuple[str, dict[str, Any]]:
        return "listener", {"scope": APP}

    def _block(self, _: BlockNode) -> tuple[str, dict[str, Any]]:
        listeners = [number for declaration, number in self._numbers.items() if isinstance(declaration, Listener)]
        return "listener", {"scope": APP, "after": listeners}

    def _handler(self, declaration: Handler) -> tuple[str, dict[str, Any]]:
        needs = self._needs(declaration.parameters)
        return "handler", {"scope": self._scopes[-1], "needs": needs, "sync_only": declaration.is_sync_only}

    def _provides(self, declaration: Declaration, keys: tuple[Key, ...]) -> dict[str, int]:
        first, *others = keys
        self._aliases.extend((key, self._numbers[declaration]) for key in others)
        return {"provides": self._key(first)}

    def _before(self, declaration: Worker, other: Any) -> int:
        for candidate, number in self._numbers.items():
            if candidate is other or (isinstance(candidate, (Hook, Worker)) and other in functions_of(candidate)):
                return number
        shown = other.name if isinstance(other, Declaration) else repr(other)
        raise InvalidError(f"worker: {declaration.name} is after {shown}, which is no worker or hook of this application; add it")

    def _needs(self, parameters: Iterable[Parameter]) -> list[Any]:
        return [self._need(parameter.name, parameter.wanted) for parameter in parameters if parameter.wanted is not None]

    def _need(self, name: str, wanted: Wanted) -> Any:
        members = (self._key(wanted.member), wanted.is_soft) if wanted.member is not None else None
        return name, self._key(wanted.key), wanted.is_optional, wanted.is_lazy, members

    def _key(self, key: Key) -> int:
        if key not in self._keys:
            base = self._key(Key(key.type)) if key.name is not None else None
            self._keys[key] = self._graph.key(key.label) if base is None else self._graph.named(base, key.name or "")
        return self._keys[key]


NODES: Mapping[type, Callable[[Writer, Any], tuple[str, dict[str, Any]]]] = {
    Supply: Writer._value,
    Provide: Writer._factory,
    Context: Writer._context,
    Invoke: Writer._invoke,
    Hook: Writer._hook,
    Worker: Writer._worker,
    Listener: Writer._listener,
    BlockNode: Writer._block,
    Handler: Writer._handler,
}
"""How each kind of declaration is written."""


def parameters_of(declaration: Declaration | None) -> list[Parameter]:
    """The parameters that a node's needs are for, in order."""
    if isinstance(declaration, (Provide, Invoke, Worker)):
        return declaration.recipe.wanted
    if isinstance(declaration, Hook):
        return [parameter for call in (declaration.start, declaration.stop) if call is not None for parameter in call.wanted]
    if isinstance(declaration, Handler):
        return [parameter for parameter in declaration.parameters if parameter.wanted is not None]
    return []


def functions_of(declaration: Hook | Worker) -> list[Any]:
    """The functions by which `after` may name a declaration."""
    calls = [declaration.recipe] if isinstance(declaration, Worker) else [declaration.start, declaration.stop]
    return [call.function for call in calls if call is not None]


def could_be(given: type, wanted: type) -> bool:
    """Whether a value of one class could be given where another is asked for."""
    try:
        return issubclass(given, wanted)
    except TypeError:
        # A Protocol that is not for run-time checks.
        return wanted in given.__mro__


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Checks the names of scopes, from the longest to the shortest."""
    names = tuple(scopes)
    if len(names) < 2 or names[0] != APP or names[-1] != "request" or len(set(names)) < len(names):
        raise InvalidError(f'scopes are {list(names)!r}; list each once, from the longest to the shortest: "app", ..., "request"')
    if TRANSIENT in names or INHERITED in names or not all(name.isidentifier() for name in names):
        raise InvalidError(f"scopes are {list(names)!r}; use names other than 'transient' and 'inherited'")
    return names
