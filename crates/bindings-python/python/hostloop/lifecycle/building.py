"""Values of a scope that take waiting: made once however many ask, and given up when nobody asks any more.

The task that has entered the scope makes them itself: its code is compiled, and meanwhile `BUILDING` stands in the value's place.
For any other task they are made by a task of their own. Whoever comes meanwhile waits on the `Building` that then stands there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..errors import ClosedError, ConflictError, DeadlockError, StepTimeout
from .declare import Provide
from .held import enter, enter_async
from .owner import Owner

if TYPE_CHECKING:
    from .recipe import Recipe
    from .scope import Scope
    from .wiring import Wiring

__all__ = ["BUILDING", "UNSET", "Building", "give_up", "join", "make", "unbuilt"]


class Unset:
    """Stands for a value that was not made."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = Unset()

AGAIN: Any = object()
"""What those who wait are told if who made the value was cancelled: the next of them makes it."""


class Building:
    """A value that is being made by a task, and who waits for it."""

    __slots__ = ("is_own", "node", "task", "waiting")

    def __init__(self, node: int = -1, task: asyncio.Task[Any] | None = None) -> None:
        self.node = node
        self.task = task
        self.is_own = False
        """Whether the task is there for this alone."""
        self.waiting: list[asyncio.Future[Any]] = []

    def made(self, value: Any) -> None:
        """Gives the value to all who wait."""
        for future in self.waiting:
            if not future.done():
                future.set_result(value)

    def failed(self, error: BaseException) -> None:
        """Tells all who wait why there is none. A cancellation is of who made it alone."""
        if isinstance(error, asyncio.CancelledError):
            self.made(AGAIN)
            return
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


BUILDING: Any = Building()
"""Stands for one that the scope's own task makes, as long as nobody waits for it."""

awaited: dict[asyncio.Task[Any], Building] = {}
"""What each task waits for, for finding who would wait for itself."""


async def join(scope: Scope, node: int) -> Any:
    """Returns the value of a node that takes waiting: has it made, or waits with those who wait for it already."""
    place = scope.wiring.places[node]
    while True:
        found = scope.values[place]
        if found is BUILDING:
            found = scope.values[place] = Building(node, scope.task)
        elif found is UNSET:
            found = scope.values[place] = begin(scope, node, place)
        elif found.__class__ is not Building:
            return found
        value = await wait(found, scope.wiring)
        if value is not AGAIN:
            return value


async def make(scope: Scope, node: int) -> Any:
    """Makes a value for the one who asks, in a task of its own."""
    return await wait(begin(scope, node, None), scope.wiring)


def unbuilt(values: list[Any], place: int, error: BaseException) -> None:
    """Notes that the scope's own task could not make a value."""
    building = values[place]
    values[place] = UNSET
    if building is not BUILDING:
        building.failed(error)


async def wait(building: Building, wiring: Wiring) -> Any:
    """Waits for a value. With the last who waits gone, a task that is there for it alone is cancelled."""
    task = asyncio.current_task()
    assert task is not None
    refuse_circle(task, building, wiring)
    future = task.get_loop().create_future()
    building.waiting.append(future)
    awaited[task] = building
    try:
        return await future
    finally:
        del awaited[task]
        building.waiting.remove(future)
        if future.cancelled() and not building.waiting and building.is_own and building.task is not None:
            building.task.cancel()


def refuse_circle(task: asyncio.Task[Any], building: Building, wiring: Wiring) -> None:
    """Refuses to let a task wait for what waits for it."""
    way = [building]
    while way[-1].task is not task:
        following = awaited.get(way[-1].task) if way[-1].task is not None else None
        if following is None:
            return
        way.append(following)
    first = way[-1].node
    shown = " -> ".join(wiring.name(node) for node in (first, *(step.node for step in way)))
    raise DeadlockError(f"`{wiring.nodes[first].label}` would wait for itself: {shown}")


def begin(scope: Scope, node: int, place: int | None) -> Building:
    """Has a value made by a task of its own."""
    recipe = scope.wiring.nodes[node].recipe
    if scope.is_closed:
        raise ClosedError(f"`{recipe.label}` cannot be made: its scope is closed")
    if scope.is_sync and recipe.style.is_held and recipe.style.is_async:
        raise ConflictError(f"{recipe.name} takes waiting to be taken back; enter the scope with `async with`")
    building = Building(node)
    building.is_own = True
    building.task = task = scope.begin(build(scope, building, place))
    scope.more.making.add(task)
    return building


def give_up(scope: Scope) -> None:
    """Cancels what tasks make in a scope that closes. Who waits for it is told at once."""
    for value in scope.values:
        if value.__class__ is Building and value.is_own:
            value.failed(ClosedError(f"`{scope.wiring.nodes[value.node].label}` cannot be made: its scope is closed"))
    for task in scope.more.making:
        task.cancel()


async def build(scope: Scope, building: Building, place: int | None) -> None:
    """Makes a value; if it is held, keeps it and leaves it too: all in one task."""
    declared, task = scope.wiring.nodes[building.node].declaration, building.task
    assert isinstance(declared, Provide)
    assert task is not None
    # A scope that is closed has other ones.
    recipe, values = declared.recipe, scope.values
    try:
        with Deadline(task, declared.timeout, recipe.name):
            made = await scope.make_call(building.node)
            value = await entered(recipe, made)
    except GeneratorExit:
        raise
    except BaseException as error:
        if place is not None:
            values[place] = UNSET
        building.failed(error)
        return
    finally:
        scope.more.making.discard(task)
    if place is not None:
        values[place] = value
    owner = Owner(recipe, made, declared.stop_timeout)
    if recipe.style.is_held:
        scope.exits.append((owner, recipe))
    building.made(value)
    if recipe.style.is_held:
        await owner.keep()


async def entered(recipe: Recipe, made: Any) -> Any:
    """The value of what a call has returned."""
    if not recipe.style.is_held:
        return await made if recipe.style.is_async else made
    if recipe.style.is_async:
        return await enter_async(recipe.style, made, recipe.name)
    return enter(recipe.style, made, recipe.name)


class Deadline:
    """Cancels a task that takes too long, and says so."""

    def __init__(self, task: asyncio.Task[Any], seconds: float | None, name: str) -> None:
        self._task = task
        self._seconds = seconds
        self._name = name
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._timer = self._task.get_loop().call_later(self._seconds, self._expire)

    def _expire(self) -> None:
        self._is_over = True
        self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_over and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise StepTimeout(f"{self._name} did not end in {self._seconds} s")
