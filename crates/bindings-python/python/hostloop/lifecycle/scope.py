"""Scopes that users enter: `async with app.scope("request") as scope`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar, Token
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..errors import ClosedError, ConflictError, InvalidError, NotProvidedError
from .building import UNSET, Building, give_up
from .events import log
from .failures import as_one, note
from .fit import is_no
from .held import leave, leave_async, twice
from .keys import unhashable
from .lazy import Lazy
from .owner import Owner
from .recipe import Recipe
from .source import quoted, show_type, show_value
from .table import NEW, ByNumber, Table
from .tasks import task_of

if TYPE_CHECKING:
    from .container import Container
    from .wiring import Wiring

__all__ = ["Scope", "current_scope", "end_scope", "enter_scope", "make_scope"]

T = TypeVar("T")

current_scope: ContextVar[Scope | None] = ContextVar("hostloop_scope", default=None)
"""The scope that this context is in."""

set_scope, reset_scope = current_scope.set, current_scope.reset


NOBODY: Any = object()
"""Stands for the task of a scope that was entered with `with`: what waits, no task makes at once."""


class More:
    """What most scopes do not need."""

    __slots__ = ("children", "forsaken", "given", "making")

    def __init__(self, given: Mapping[Any, Any] | None = None) -> None:
        self.given = given
        self.children: set[Scope] = set()
        self.making: set[asyncio.Task[Any]] = set()
        """Tasks that make values in it."""
        self.forsaken: ClosedError | None = None
        """Why it was closed in the middle of its block."""


class Scope:
    """One scope: what is made in it is made once, and taken back when it ends.

    `app.scope(...)` makes one; enter it with `async with`, or with `with` if nothing in it is asynchronous. What was made is taken
    back in the reverse order. An error that the block ends by is thrown into generators, and raised again whatever they do; a
    teardown that fails then is logged. If the block ends well, what teardowns raise is raised.
    """

    __slots__ = ("_more", "_resolvers", "_token", "exits", "parent", "table", "task", "values")

    # Set by `make_scope` and `App.scope`: a constructor of its own would be a good part of what a scope costs.
    table: Table
    parent: Scope | None
    task: asyncio.Task[Any] | None
    """The task that has entered it, if that matters."""
    values: list[Any]
    """What was made in it, by the places of `Wiring.places`."""
    exits: list[tuple[Any, Recipe]]
    """What is to be left, in the order in which it was entered."""
    _more: More | None
    _resolvers: Table
    """Its table while it is open."""
    _token: Token[Scope | None]

    # Asking.

    @overload
    async def resolve(self, wanted: type[T]) -> T: ...

    @overload
    async def resolve(self, wanted: Any) -> Any: ...

    def resolve(self, wanted: Any) -> Any:
        """Returns the value of a type, `Annotated[T, Named(...)]` or `list[T]`, and has it made if it is not there.

        Raises `NotProvidedError` if nothing provides it, and `ClosedError` once the scope is closed.
        """
        try:
            return self._resolvers[wanted](self)
        except TypeError:
            if refusal := unhashable(wanted):
                raise refusal from None
            raise

    @overload
    def get(self, wanted: type[T]) -> T: ...

    @overload
    def get(self, wanted: Any) -> Any: ...

    def get(self, wanted: Any) -> Any:
        """Returns a value without waiting. Raises `ConflictError` with the path if making it takes that."""
        try:
            return self._resolvers.getters[wanted](self)
        except TypeError:
            if refusal := unhashable(wanted):
                raise refusal from None
            raise

    # Entering and leaving.

    async def __aenter__(self) -> Scope:
        table = self.table
        if self._more is None and self._resolvers is NEW and not table.container.is_closing:
            table.scopes.add(self)
        else:
            self._enter()
        if table.waits:
            self.task = task_of(table.loop)
        self._resolvers = table
        self._token = set_scope(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._more is None:
                self._resolvers = self.table.closed
                exits = self.exits
                try:
                    while exits:
                        made, recipe = exits.pop()
                        # The two that are common are left right here: another coroutine would cost more than they do.
                        if made.__class__ is AsyncGeneratorType:
                            async for _ in made:
                                await made.aclose()
                                raise twice(recipe.name)
                        elif made.__class__ is GeneratorType:
                            for _ in made:
                                made.close()
                                raise twice(recipe.name)
                        else:
                            await self._leave_one(made, recipe, None)
                except BaseException as raised:
                    await self._leave_rest(noted(raised, recipe), [raised], None)
            else:
                await self.close(error)
                self._refuse_forsaken(error)
        finally:
            if self._more is None:
                self.table.scopes.discard(self)
            else:
                self._siblings.discard(self)
            self.table = closed = self._resolvers
            self.values = closed.blank
            try:  # noqa: SIM105
                reset_scope(self._token)
            except ValueError:
                # It is left in another context than it was entered in, as by a fixture. That one has its own.
                pass

    def __enter__(self) -> Scope:
        table = self.table
        if self._more is None and self._resolvers is NEW and not table.container.is_closing:
            table.scopes.add(self)
        else:
            self._enter()
        if table.waits:
            self.task = NOBODY
        self._resolvers = table
        self._token = set_scope(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._more is None:
                self._resolvers = self.table.closed
                exits = self.exits
                try:
                    while exits:
                        made, recipe = exits.pop()
                        leave(recipe.style, made, None, recipe.name)
                except BaseException as raised:
                    self._leave_rest_at_once(noted(raised, recipe), [raised], None)
            else:
                self._close_at_once(error)
                self._refuse_forsaken(error)
        finally:
            if self._more is None:
                self.table.scopes.discard(self)
            else:
                self._siblings.discard(self)
            self.table = closed = self._resolvers
            self.values = closed.blank
            try:  # noqa: SIM105
                reset_scope(self._token)
            except ValueError:
                pass

    def _forget(self) -> None:
        """Keeps nothing of what was made, nor of the generation that it was made of."""
        self.table = self._resolvers
        self.values = self.table.blank

    def _enter(self) -> None:
        """Checks and notes what most scopes need not."""
        parent, container = self.parent, self.container
        if self._resolvers is not NEW:
            raise ConflictError("a scope is entered twice; make another with app.scope(...)")
        if container.is_closing or (parent is not None and parent.is_closed):
            raise unenterable(self.wiring.scopes[self.depth])
        for wanted, value in (self.more.given or {}).items():
            self.values[self.table.place(wanted)] = value
            if value is not None and (type(wanted) is not type or not isinstance(value, wanted)) and is_no(value, wanted):
                raise self._misfit(wanted, value)
        self._siblings.add(self)

    def _misfit(self, wanted: Any, value: Any) -> InvalidError:
        scope, declared = self.wiring.scopes[self.depth], self.wiring.nodes[self.wiring.find(wanted)]
        name = quoted(declared.label, declared.source)
        return InvalidError(
            f'scope "{scope}" is given {show_value(value)} as {name}, which it is no instance of; give it a '
            f"`{show_type(wanted)}`, or declare a Protocol: context(...)"
        )

    @property
    def _siblings(self) -> set[Scope]:
        """The scopes that are open beside it, and itself."""
        return self.table.scopes if self.parent is None else self.parent.more.children

    async def close(self, error: BaseException | None = None) -> None:
        """Closes the scopes inside, and takes back what was made, by an error or without. Closing it again does nothing."""
        self._resolvers = self.table.closed
        failures: list[BaseException] = []
        if self._more is not None:
            await self._close_inner(self._more, failures)
        try:
            await self._leave_rest(error, failures, error)
        finally:
            self._forget()

    async def forsake(self) -> None:
        """Closes it in the middle of its block, by an error: what is under way there is not complete."""
        await self.close(self._forsaken())

    def _forsaken(self) -> ClosedError:
        name = self.wiring.scopes[self.depth]
        error = ClosedError(f'scope "{name}" was closed before its block had ended: what is around it has ended')
        self.more.forsaken = error
        return error

    def _refuse_forsaken(self, error: BaseException | None) -> None:
        """Has a block not end well whose values were taken back meanwhile."""
        if error is None and self._more is not None and self._more.forsaken is not None:
            raise self._more.forsaken

    async def _close_inner(self, more: More, failures: list[BaseException]) -> None:
        for child in list(more.children):
            try:
                await child.forsake()
            except BaseException as raised:
                failures.append(raised)
        give_up(self)
        while more.making:
            try:
                await asyncio.wait(more.making, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError as raised:
                failures.append(raised)

    async def _leave_rest(self, cause: BaseException | None, failures: list[BaseException], error: BaseException | None) -> None:
        """Leaves everything that is left, the last first, whatever fails; then tells of that."""
        while self.exits:
            made, recipe = self.exits.pop()
            try:
                await self._leave_one(made, recipe, cause)
            except GeneratorExit:
                raise
            except BaseException as raised:
                failures.append(noted(raised, recipe))
                cause = cause or raised
        if failures:
            tell(failures, error)

    async def _leave_one(self, made: Any, recipe: Recipe, cause: BaseException | None) -> None:
        if made.__class__ is Owner:
            await made.left(cause, self.container.lifetimes.grace)
        else:
            await leave_async(recipe.style, made, cause, recipe.name)

    def _close_at_once(self, error: BaseException | None) -> None:
        self._resolvers = self.table.closed
        failures: list[BaseException] = []
        if self._more is not None:
            for child in list(self._more.children):
                try:
                    child._close_at_once(child._forsaken())
                except BaseException as raised:
                    failures.append(raised)
            give_up(self)
        try:
            self._leave_rest_at_once(error, failures, error)
        finally:
            self._forget()

    def _leave_rest_at_once(self, cause: BaseException | None, failures: list[BaseException], error: BaseException | None) -> None:
        while self.exits:
            made, recipe = self.exits.pop()
            try:
                leave(recipe.style, made, cause, recipe.name)
            except BaseException as raised:
                failures.append(noted(raised, recipe))
                cause = cause or raised
        if failures:
            tell(failures, error)

    # What compiled functions and buildings ask for.

    @property
    def container(self) -> Container:
        """What it is a scope of."""
        return self.table.container

    @property
    def wiring(self) -> Wiring:
        """What its nodes are."""
        return self.table.container.wiring

    @property
    def depth(self) -> int:
        """The place of its name in the list of scopes."""
        return self.table.chain[-1]

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be made in it any more."""
        return self._resolvers is self.table.closed

    @property
    def is_sync(self) -> bool:
        """Whether it was entered with `with`."""
        return self.task is NOBODY

    @property
    def more(self) -> More:
        """What most scopes do not need."""
        if self._more is None:
            self._more = More()
        return self._more

    def inner(self, depth: int) -> Table:
        """Returns the table of a scope inside."""
        if self.is_closed:
            raise unenterable(self.wiring.scopes[depth])
        return self.table.inner(depth)

    def begin(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Makes a task that is in this scope."""
        token = current_scope.set(self)
        try:
            return self.container.loop.create_task(call)
        finally:
            current_scope.reset(token)

    def make_call(self, node: int) -> Coroutine[Any, Any, Any]:
        """Has all made that a node needs, and gives what its function returns."""
        return self.table.maker(node)(self)

    def not_given(self, node: int) -> NotProvidedError:
        """The error of a value that comes with the scope, and did not."""
        label, scope = self.wiring.nodes[node].label, self.wiring.scopes[self.wiring.nodes[node].depth]
        return NotProvidedError(
            f'`{label}` comes with the scope "{scope}" and was not given; enter it with app.scope("{scope}", {{{label}: ...}})'
        )

    def there(self, node: int) -> list[Any]:
        """The value of a node, if it was made."""
        place = self.wiring.places.get(node)
        value = self.container.peek(node) if place is None else self.values[place]
        return [] if value is UNSET or value.__class__ is Building else [value]

    def lazy(self, node: int) -> Lazy[Any]:
        """Returns the handle of a value of this scope that is asked for later."""
        wanted = ByNumber(node)
        return Lazy(lambda: self._resolvers[wanted](self), lambda: self._resolvers.getters[wanted](self))


def make_scope(table: Table, parent: Scope | None, given: Mapping[Any, Any] | None) -> Scope:
    """Makes a scope that is not entered yet."""
    scope = Scope()
    scope.table = table
    scope.parent = parent
    scope.values = table.blank[:]
    scope.exits = []
    scope._more = None if given is None and parent is None else More(given)
    scope._resolvers = NEW
    return scope


def enter_scope(table: Table) -> Scope:
    """Makes a scope that is open, and that nobody else can find."""
    scope = make_scope(table, None, None)
    scope.task = task_of(table.loop)
    scope._resolvers = table
    return scope


async def end_scope(scope: Scope, error: BaseException) -> BaseException:
    """Closes a scope by an error, and returns the error to go on with."""
    try:
        await scope.close(error)
    except BaseException as raised:
        return raised
    return error


def unenterable(name: str) -> ClosedError:
    return ClosedError(f'scope "{name}" cannot be entered: what it is inside of is closed or closing')


def noted(raised: BaseException, recipe: Recipe) -> BaseException:
    """Notes whose teardown failed."""
    note(raised, f"the teardown of {recipe.name} failed")
    return raised


def tell(failures: list[BaseException], error: BaseException | None) -> None:
    """Raises what teardowns raised; if the block ended by an error, that is what is raised, and they are logged."""
    if error is None:
        joined = as_one(failures, "the scope did not close well")
        assert joined is not None
        raise joined
    for failure in failures:
        log.error("a teardown failed after %r", error, exc_info=failure)
    for failure in failures:
        if isinstance(error, Exception) and not isinstance(failure, Exception):
            raise failure
