"""The values of the application's scope: made, asked for, and taken back, as the run says.

An asynchronous resource is entered and left by one task, its owner, which waits in between; so a cancel scope or a timeout may span
its `yield`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

from ..errors import ConflictError
from .building import UNSET
from .declare import Supply
from .driver import Driver
from .handles import Lifecycle
from .held import enter, enter_async, leave
from .joined import Joined
from .lazy import Lazy
from .owner import Owner
from .recipe import Parameter, Recipe

__all__ = ["Values"]

requester: ContextVar[tuple[Any, int] | None] = ContextVar("hostloop_requester", default=None)
"""The constructor that runs in this context, with its container: for finding who would wait for itself."""

Calls = tuple["Callable[[], Any] | None", "Callable[[], Any] | None"]
"""The start and the stop of a hook."""


class Values(Driver):
    """Makes values and takes them back."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._instances: dict[int, Any] = {}
        self._nodes: dict[int, int] = {}
        """The node of each instance."""
        self._live: Counter[int] = Counter()
        """How many instances there are of each node."""
        self._held: dict[int, Any] = {}
        """What each held value is left by: its generator or context manager, or its owner."""
        self.joined: dict[int, Joined] = {}
        """Who waits for the value of each node."""
        self.known: dict[Any, Any] = {}
        """Values of the application's scope by what they were asked for as, until something changes."""
        self._current: dict[int, int] = {}
        """The instance that each node of the application's scope has now, once it was asked for."""
        self._lazies: dict[int, Lazy[Any]] = {}
        self._tickets: dict[int, tuple[asyncio.Future[Any], int | None]] = {}
        """Futures of values, and the node that is to be remembered with it."""
        self._added: dict[int, Calls] = {}
        """Hooks that constructors added."""

    # Making.

    def _construct(self, op: int, node: int, instance: int, arguments: list[int]) -> None:
        if self.is_dropped(op):
            return
        self._nodes[instance] = node
        declared = self.wiring.nodes[node].declaration
        if isinstance(declared, Supply):
            self._keep(op, instance, declared.value)
        elif declared is None:
            self._keep(op, instance, [self._instances[argument] for argument in arguments])
        else:
            self._make(op, node, instance, arguments)

    def _make(self, op: int, node: int, instance: int, arguments: list[int]) -> None:
        recipe = self.wiring.nodes[node].recipe
        if recipe.style.is_async:
            make = self._own if recipe.style.is_held else self._await
            self.do(op, f"construct {self.wiring.nodes[node].label}", make(op, instance, recipe, arguments))
            return
        self.run.began(op)
        try:
            made = self.called(op, recipe, arguments)
            value = enter(recipe.style, made, recipe.name) if recipe.style.is_held else made
        except BaseException as error:
            self.failed(op, error)
        else:
            self._keep(op, instance, value, made if recipe.style.is_held else None)

    async def _await(self, op: int, instance: int, recipe: Recipe, arguments: list[int]) -> None:
        requester.set((self, op))
        try:
            value = await self.called(op, recipe, arguments)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failed(op, error)
        else:
            self._keep(op, instance, value)

    async def _own(self, op: int, instance: int, recipe: Recipe, arguments: list[int]) -> None:
        """Enters a resource, waits until it is to be left, and leaves it: all in one task."""
        requester.set((self, op))
        try:
            made = self.called(op, recipe, arguments)
            value = await enter_async(recipe.style, made, recipe.name)
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failed(op, error)
            return
        requester.set(None)
        owner = Owner(recipe, made)
        if not self._keep(op, instance, value, owner):
            # It is too late: what was made is taken back.
            owner.leave(op)
        try:
            await owner.keep()
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failed(owner.op, error)
        else:
            self.complete(owner.op, "done")

    def _keep(self, op: int, instance: int, value: Any, held: Any = None) -> bool:
        """Keeps a value that was made, and returns whether it was still waited for."""
        self._instances[instance] = value
        self._live[self._nodes[instance]] += 1
        if held is not None:
            self._held[instance] = held
        if self.complete(op, "done" if held is None else "held"):
            node = self._nodes[instance]
            if self.wiring.nodes[node].lives_with_app and not self.is_reloading:
                self._current[node] = instance
            return True
        self._drop(instance)
        self._held.pop(instance, None)
        return False

    def called(self, op: int, recipe: Recipe, arguments: list[int], **specials: Any) -> Any:
        """Calls a recipe's function with what the run gives it."""
        given = iter(arguments)
        positional, named = [], {}
        for parameter in recipe.parameters:
            value = self._argument(op, parameter, given, specials)
            if parameter.is_keyword_only:
                named[parameter.name] = value
            else:
                positional.append(value)
        return recipe.function(*positional, **named)

    def _argument(self, op: int, parameter: Parameter, given: Iterator[int], specials: dict[str, Any]) -> Any:
        if parameter.special is Lifecycle:
            return Lifecycle(self, op)
        if parameter.special is not None:
            return specials[parameter.special.__name__]
        argument = next(given) if parameter.wanted is not None else 0
        if argument > 0:
            return self._instances[argument]
        return parameter.fallback if argument == 0 else self.lazy(-1 - argument)

    def add_hook(self, op: int, label: str, source: str, calls: Calls, timeouts: tuple[float | None, float | None]) -> None:
        """Adds a hook for the node that is constructed. Raises `ConflictError` after the start."""
        self._added[self.run.add_hook(op, label, source, *timeouts)] = calls

    # Taking back.

    def _finalize(self, op: int, node: int, instance: int, cause: str, error: int | None) -> None:
        self._drop(instance)
        held = self._held.pop(instance)
        failure = self.errors.get(error) if cause == "error" else None
        if isinstance(held, Owner):
            # The owner's task answers this command.
            self.tasks[op] = held.task
            held.leave(op, failure)
            return
        recipe = self.wiring.nodes[node].recipe
        try:
            leave(recipe.style, held, failure, recipe.name)
        except BaseException as raised:
            self.failed(op, raised)
        else:
            self.complete(op, "done")

    def _forget(self, instances: list[int]) -> None:
        for instance in instances:
            if instance in self._nodes:
                self._drop(instance)

    def _drop(self, instance: int) -> None:
        """Keeps a value no longer."""
        del self._instances[instance]
        node = self._nodes.pop(instance)
        self._live[node] -= 1
        if self._current.get(node) == instance:
            self.known.clear()
            del self._current[node]

    # Asking.

    def current(self) -> dict[int, Any]:
        """Returns every value that the application's scope has now, by node."""
        return {node: self._instances[instance] for node, instance in self._current.items()}

    def peek(self, node: int) -> Any:
        """Returns the value that a node of the application's scope has now, or `UNSET`. Makes nothing."""
        if node not in self._current:
            # Of several instances, the run knows which is current. If there is one, the run makes none.
            if not self._live[node]:
                return UNSET
            self._current[node] = self.run.request(node)[0]
        return self._instances[self._current[node]]

    @property
    def is_reloading(self) -> bool:
        """Whether what is asked for may be of a generation that is not current."""
        raise NotImplementedError

    def know(self, wanted: Any, node: int, value: Any) -> None:
        """Remembers a value that is current for whoever asks for the same again."""
        if self.wiring.nodes[node].lives_with_app and not self.is_reloading and self.peek(node) is value:
            self.known[wanted] = value

    def ask(self, node: int) -> Coroutine[Any, Any, Any]:
        """Gives, when it is awaited, the value of a node of the application's scope, and has it made if it is not there."""
        asking = requester.get()
        op = asking[1] if asking is not None and asking[0] is self else None
        if op is None and self.wiring.nodes[node].lives_with_app:
            return self.wait_with_others(node)
        return self._wait_alone(node, op)

    async def _wait_alone(self, node: int, op: int | None) -> Any:
        future = self._request(node, op)
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up(future)
            raise

    async def wait_with_others(self, node: int) -> Any:
        """Waits for the value of a node of the application's scope as one of many."""
        joined = self.joined.get(node)
        if joined is None or joined.is_over:
            if (value := self.peek(node)) is not UNSET:
                return value
            joined = self.joined[node] = Joined(self._request(node, None), partial(self.joined.pop, node, None))
        waiter = joined.join()
        try:
            return await waiter
        except asyncio.CancelledError:
            if joined.leave(waiter) and not joined.is_over:
                del self.joined[node]
                self._give_up(joined.request)
            raise

    def get(self, node: int) -> Any:
        """Returns the value of a node of the application's scope. It must be there, or take no waiting to be made."""
        value = self.peek(node)
        if value is not UNSET:
            return value
        way = self.wiring.way([node], lambda other: self.wiring.nodes[other].is_async, lambda other: self.peek(other) is not UNSET)
        if way:
            raise ConflictError(self.wiring.why_not([node], way[-1]))
        future = self._request(node, None)
        if not future.done():
            self.pump_at_once()
        if not future.done():
            self._give_up(future)
            label = self.wiring.nodes[node].label
            raise ConflictError(f"`{label}` is being made; have it as a parameter, or use `await ...resolve(...)`")
        return future.result()

    def _request(self, node: int, op: int | None) -> asyncio.Future[Any]:
        future = self.loop.create_future()
        # What a constructor of a new generation is given is not what is current.
        kept = node if op is None and self.wiring.nodes[node].lives_with_app else None
        argument, ticket, failure = self.run.request(node, op)
        if failure is not None:
            future.set_exception(self.errors.of(failure))
        elif argument is not None:
            future.set_result(self._found(argument, kept))
        else:
            self._tickets[ticket] = (future, kept)
        self.wake()
        return future

    def _found(self, instance: int, node: int | None) -> Any:
        if node is not None:
            self._current[node] = instance
        return self._instances[instance]

    def _give_up(self, future: asyncio.Future[Any]) -> None:
        for ticket, (waiting, _) in list(self._tickets.items()):
            if waiting is future:
                del self._tickets[ticket]
                self.run.abandon(ticket)
                self.wake()

    def _settle(self, ticket: int, instance: int, failure: Any) -> None:
        future, node = self._tickets.pop(ticket, (None, None))
        if future is None or future.done():
            return
        if failure is None:
            future.set_result(self._found(instance, node))
        else:
            future.set_exception(self.errors.of(failure))

    def lazy(self, node: int) -> Lazy[Any]:
        """Returns the handle of a value that is asked for later."""
        node = self.wiring.behind(node)
        if node not in self._lazies:
            self._lazies[node] = Lazy(partial(self.ask, node), partial(self.get, node))
        return self._lazies[node]
