"""An application without its HTTP: what it is made of, and what can be asked of it while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from .._core import ManualClock
from ..errors import ClosedError, ConflictError, InvalidError, LifecycleError, Mistake, StoppedError, mistake_of
from .activities import Listener
from .block import Block
from .container import Container
from .declare import APP, Declaration, Supply, refuse_others
from .events import Event, log
from .keys import Key, unhashable
from .options import Lifetimes
from .outside import NOTHING, Outside, heeded
from .scope import Scope, current_scope, make_scope
from .signals import STOPPING
from .source import show_value
from .table import NEW
from .values import requester
from .watch import Reloads
from .wiring import BlockNode, Wiring, check_scopes, provided_keys, wire

__all__ = ["Assembly"]

A = TypeVar("A", bound="Assembly")
T = TypeVar("T")

get_scope = current_scope.get
get_requester = requester.get

Format = Literal["json", "dot", "mermaid", "html"]


class Assembly:
    """What `App` is without HTTP."""

    def __init__(self, declarations: tuple[Declaration, ...], scopes: Iterable[str], lifetimes: Lifetimes | None) -> None:
        refuse_others("App", declarations)
        self._declarations = declarations
        self._overrides: tuple[Declaration, ...] = ()
        self._overridden: Assembly | None = None
        self._scopes = check_scopes(scopes)
        self._depths = {scope: depth for depth, scope in enumerate(self._scopes)}
        self._provided = provided_keys(declarations)
        self._own = Supply("App", "", self, own_keys(type(self)), is_built_in=True)
        self._block = BlockNode("block")
        self._has_block = False
        """Whether it has run for a block."""
        self._wiring: Wiring | None = None
        self._containers: dict[asyncio.AbstractEventLoop, Container] = {}
        self._only: Container | None = None
        """The container, if there is one alone."""
        self._stacks: dict[asyncio.AbstractEventLoop, AsyncExitStack] = {}
        """What `async with` has entered in each loop."""
        self._clock: ManualClock | None = None
        self._observe: Callable[[Event], None] | None = None
        self.lifetimes = lifetimes or Lifetimes()

    # What subclasses say.

    def _built_in(self) -> list[Declaration]:
        """Declarations that the user does not write."""
        return [self._own, self._block] if self._has_block else [self._own]

    def _make_listener(self) -> Listener:
        """Makes what takes requests in one life of the application."""
        raise NotImplementedError

    @property
    def _drain_timeout(self) -> float | None:
        raise NotImplementedError

    # The plan.

    def _wire(self) -> Wiring:
        """Checks the declarations, unless that was done."""
        if self._wiring is None:
            self._wiring = wire([*self._declarations, *self._built_in()], self._overrides, self._scopes)
            for warning in self._wiring.plan.warnings():
                log.info("%s", warning[-1])
        return self._wiring

    def check(self) -> list[Mistake]:
        """Checks the declarations and routes without calling anything of the user's, and returns what is odd about them.

        Raises `WiringError` with every mistake.
        """
        return [mistake_of(warning) for warning in self._wire().plan.warnings()]

    @overload
    def explain(self) -> dict[str, Any]: ...

    @overload
    def explain(self, format: Format) -> str: ...

    def explain(self, format: Format | None = None) -> dict[str, Any] | str:
        """Describes the graph: what needs what and, of an application that runs, states and how long each step took.

        Returns a dictionary that JSON can hold, or a text: `"json"`, `"dot"` for Graphviz, `"mermaid"`, or `"html"`, one page with
        a drawing that loads nothing.
        """
        container = self._only or self._containers.get(running_loop())
        source = container.run if container is not None else self._wire().plan
        text = source.explain(format or "json")
        return json.loads(text) if format is None else text

    def override(self: A, *declarations: Declaration) -> A:
        """Makes an application in which these take the place of what is provided, with the same routes.

        ```python
        with app.override(supply(FakeMailer(), as_=Mailer)).test() as client:
            ...
        ```

        Decorators of what is replaced are not applied. As a context manager, `with app.override(...):`, it replaces in this
        application itself until the end of the block; what runs already keeps what it has, so that is refused.

        Raises `WiringError` if nothing is there to be replaced.
        """
        refuse_others("override", declarations)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._overridden = self
        other._overrides = (*self._overrides, *declarations)
        other._own = Supply("App", "", other, own_keys(type(self)), is_built_in=True)
        other._wiring, other._containers, other._only, other._stacks = None, {}, None, {}
        other.check()
        return other

    def __enter__(self: A) -> A:
        overridden = self._overridden
        if overridden is None:
            raise InvalidError("an application is started with `async with`; `with` is for app.override(...) and app.test()")
        if overridden._containers:
            raise ConflictError("override: the application runs, and what it has built keeps what it was given; override it before")
        self._before = overridden._overrides
        overridden._overrides, overridden._wiring = self._overrides, None
        return self

    def __exit__(self, *_: object) -> None:
        assert self._overridden is not None
        self._overridden._overrides, self._overridden._wiring = self._before, None

    _before: tuple[Declaration, ...] = ()

    # The life.

    async def __aenter__(self: A) -> A:
        """Starts everything. If the application fails later, the block is cancelled, and ends with the failure."""
        stack = AsyncExitStack()
        await stack.enter_async_context(self._live(self._make_listener(), block=Block()))
        self._stacks[asyncio.get_running_loop()] = stack
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        stack = self._stacks.pop(asyncio.get_running_loop(), None)
        if stack is not None:
            await stack.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _live(self, listener: Listener, outside: Outside = NOTHING, block: Block | None = None) -> AsyncIterator[Container]:
        """Runs the application while the block does: starts everything, and stops everything.

        A `block` of the user's is cancelled if the application fails meanwhile.
        """
        loop = asyncio.get_running_loop()
        if loop in self._containers:
            raise ConflictError("the application runs in this loop already; start it once")
        if block is not None and not self._has_block:
            self._has_block, self._wiring = True, None
        container = Container(self._wire(), self.lifetimes, self._drain_timeout, listener, clock=self._clock, observe=self._observe)
        self._remember(loop, container)
        try:
            with heeded(outside, container):
                await container.start()
                container.block = block
                error: BaseException | None = None
                try:
                    yield container
                except BaseException as raised:
                    error = raised
                try:
                    if block is not None:
                        error = await block.leave(error)
                    await end(container, error)
                    if error is not None:
                        raise error
                finally:
                    # An error holds its traceback, and that this frame.
                    del error
        finally:
            self._remember(loop, None)

    def _remember(self, loop: asyncio.AbstractEventLoop, container: Container | None) -> None:
        if container is None:
            del self._containers[loop]
        else:
            self._containers[loop] = container
        self._only = next(iter(self._containers.values())) if len(self._containers) == 1 else None

    def _running(self) -> Container:
        container = self._only or self._containers.get(running_loop())
        if container is None:
            raise ConflictError("the application does not run here; use it inside `async with app:`, or while it serves")
        return container

    async def run_until_signal(self, *, reload: Reloads | None = None) -> int:
        """Runs the application without HTTP until SIGINT, SIGTERM or `stop`, and returns the code of `stop`.

        A second signal cuts the stop short, a third ends the process at once. `reload` is as in `App.run`.
        """
        try:
            async with self._live(self._make_listener(), Outside(STOPPING, reload)) as container:
                await container.wait()
        except StoppedError as error:
            return error.code
        return container.exit_code

    def stop(self, code: int = 0) -> None:
        """Begins to stop the application, and returns at once: anything that runs in its loop may call it, also constructors.

        `code` is what the process ends with if `run` runs it; the code of the first call holds. An application that does not run
        is left alone. The block of `async with app:` goes on, and learns of the end by `wait`.
        """
        for container in self._containers.values():
            container.stop(code)

    async def wait(self) -> None:
        """Waits until the application has stopped."""
        await self._running().wait()

    @property
    def is_ready(self) -> bool:
        """Whether it is up and not about to stop: for a health check that a load balancer asks."""
        return any(container.run.is_ready for container in self._containers.values())

    @property
    def is_degraded(self) -> bool:
        """Whether it goes on without a worker that has failed too often."""
        return any(container.run.is_degraded for container in self._containers.values())

    # Values.

    @overload
    async def resolve(self, wanted: type[T]) -> T: ...

    @overload
    async def resolve(self, wanted: Any) -> Any: ...

    def resolve(self, wanted: Any) -> Any:
        """Returns the value of a type, `Annotated[T, Named(...)]` or `list[T]`, and has it made if it is not there.

        What lives shorter than the application is looked up in the scope that the caller is in. However many ask at once, a value
        is made once; who gives up harms no other. Raises `NotProvidedError` if nothing provides it, and whatever its constructor
        raises.
        """
        container = self._only or self._running()
        try:
            if get_scope() is None:
                try:
                    return ready(container.known[wanted])
                except KeyError:
                    pass
            node = container.wiring.looked_up.get(wanted)
        except TypeError:
            if refusal := unhashable(wanted):
                raise refusal from None
            raise
        if node in container.joined and get_scope() is None and get_requester() is None:
            return container.wait_with_others(node)
        scope = open_scope(container)
        return scope.resolve(wanted) if scope is not None else resolve_in_app(container, wanted)

    def scope(self, name: str = "request", given: Mapping[Any, Any] | None = None) -> Scope:
        """Makes a scope, to be entered with `async with`, or with `with` if nothing in it is asynchronous.

        It is inside the scope that the caller is in. `given` has the values that come with it, by their types, as declared with
        `context`.
        """
        container = self._only or self._running()
        if given is not None or get_scope() is not None or name not in container.tables:
            return self._scope_inside(container, name, given)
        # What `make_scope` does, without the call.
        scope = Scope()
        scope.table = table = container.tables[name]
        scope.parent = scope._more = None
        scope.values = table.blank[:]
        scope.exits = []
        scope._resolvers = NEW
        return scope

    def _scope_inside(self, container: Container, name: str, given: Mapping[Any, Any] | None) -> Scope:
        depth = self._depths.get(name)
        if not depth:
            known = " or ".join(f'"{scope}"' for scope in self._scopes[1:])
            rest = ", or `async with app:` for the application's" if name == APP else ""
            raise InvalidError(f"scope is {name!r}; use {known}{rest}")
        if given is not None and given.__class__ is not dict and not isinstance(given, Mapping):
            raise InvalidError(
                f'scope "{name}" is given {show_value(given)}; give it values by their types, as declared with context: '
                f'app.scope("{name}", {{User: user}})'
            )
        parent = current_scope.get()
        while parent is not None and (parent.depth >= depth or parent.container is not container):
            parent = parent.parent
        table = container.tables[name] if parent is None else parent.inner(depth)
        return make_scope(table, parent, given)

    async def reload(self, *wanted: Any) -> None:
        """Makes new values of these types, and of all that holds them, and swaps them in at once.

        The new ones are built and started beside the old; requests and scopes that are under way keep the old, which are taken back
        when the last has ended. Calls meanwhile are done together after it. If anything fails it is raised, and the old ones stay.

        Raises `ConflictError` if a type is not made by the application's scope.
        """
        container = self._running()
        await container.reload([container.wiring.find(one) for one in wanted])

    def restart(self, worker: Any) -> None:
        """Runs a worker again that has ended: what `worker(...)` returned, or its function. Raises `ConflictError` if it runs."""
        container = self._running()
        container.restart(container.wiring.worker(worker))


def own_keys(cls: type) -> tuple[Key, ...]:
    """The types that an application can be asked for as: its own class, and those of hostloop's that it extends."""
    bases = [base for base in cls.__mro__ if issubclass(base, Assembly) and base is not Assembly]
    return tuple(Key(base) for base in bases or [cls])


def running_loop() -> Any:
    """The loop that runs here, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def end(container: Container, error: BaseException | None) -> None:
    """Stops everything. Raises what failed then, but does not hide an error that is on its way already."""
    container.stop()
    if error is not None:
        container.hurry()
    failure = await container.down()
    if failure is None or failure is error:
        return
    if error is None or not isinstance(failure, Exception):
        raise failure
    if container.block is not None and container.block.was_cancelled and isinstance(error, Exception):
        raise LifecycleError("the application failed, and so did the block that it ran for", [failure, error])
    log.error("the application did not stop well after %r", error, exc_info=failure)


def open_scope(container: Container) -> Scope | None:
    """The scope that the caller is in, if it is of this container; the next around it if it is closed."""
    scope = current_scope.get()
    while scope is not None and (scope.is_closed or scope.container is not container):
        scope = scope.parent
    return scope


def node_in_app(container: Container, node: int) -> int:
    """Refuses a node that lives shorter than the application."""
    found = container.wiring.nodes[node]
    if found.depth > 0:
        scope = container.wiring.scopes[found.depth]
        raise ClosedError(f"`{found.label}` lives as long as the {scope}; ask for it inside that scope")
    return node


async def ready(value: Any) -> Any:
    """What is there, as something to be awaited."""
    return value


async def resolve_in_app(container: Container, wanted: Any) -> Any:
    found = container.wiring.look_up(wanted)
    if isinstance(found, tuple):
        return await asyncio.gather(*(container.ask(node_in_app(container, node)) for node in found))
    value = await container.ask(node_in_app(container, found))
    if wanted not in container.known:
        container.know(wanted, found, value)
    return value
