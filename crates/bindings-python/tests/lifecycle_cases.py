"""The cases of `conformance/lifecycle`, and from their data to declarations whose functions do what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Optional

from hostloop import FatalError, Lazy, Lifecycle, Soft, Stop, WorkerHandle
from hostloop.errors import DeadlockError
from hostloop.lifecycle.declare import Context, Declaration, Group, Hook, Invoke, Provide, Supply, Worker
from hostloop.lifecycle.keys import Key, Named, read_key, read_wanted
from hostloop.lifecycle.options import Policy
from hostloop.lifecycle.recipe import NOTHING, Parameter, Recipe, Style
from hostloop.lifecycle.wiring import Handler, Listener

FOLDER = Path(__file__).resolve().parents[3] / "conformance" / "lifecycle"

Data = dict[str, Any]


def load(file: str) -> list[Data]:
    cases: list[Data] = json.loads((FOLDER / file).read_text())
    return cases


@dataclass
class Clock:
    """Seconds that pass only when they are let."""

    now: float = 0.0
    _sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _count: int = 0

    async def sleep(self, seconds: float | None) -> None:
        """Waits; without end, if it is not said how long."""
        future = asyncio.get_running_loop().create_future()
        if seconds is None:
            await future
        elif seconds > 0:
            self._count += 1
            sleeper = (round(self.now + seconds, 9), self._count, future)
            self._sleepers.append(sleeper)
            try:
                await future
            finally:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)

    @property
    def next(self) -> float | None:
        """When the next sleeper is to be woken."""
        return min(self._sleepers)[0] if self._sleepers else None

    def wake_one(self) -> bool:
        """Wakes the first whose time has come, and returns whether there was one."""
        if self._sleepers and min(self._sleepers)[0] <= self.now:
            sleeper = min(self._sleepers)
            self._sleepers.remove(sleeper)
            sleeper[2].set_result(None)
            return True
        return False


class Case:
    """One case, as declarations."""

    def __init__(self, data: Data, clock: Clock, say: Callable[[str], None]) -> None:
        self.data = data
        self.clock = clock
        self.say = say
        self.scopes = tuple(data.get("scopes", ("app", "request")))
        self.types: dict[str, Any] = {}
        self.times: dict[tuple[str, str], int] = {}
        self.handles: dict[str, WorkerHandle] = {}
        self.deadlocks: list[str] = []
        self.is_over = False
        """Nothing ignores its cancellation any more."""
        self.resolve: Callable[[Any], Any] = lambda _: None
        for node in data["nodes"]:
            self.key_type(provided(node), bases=tuple(self.key_type(other) for other in node.get("conforms", ())))

    @property
    def name(self) -> str:
        """What the case is called."""
        return str(self.data["name"])

    def key_type(self, text: str, bases: tuple[type, ...] = ()) -> Any:
        """A class for each key, and what stands for a named one."""
        base, _, name = text.partition("@")
        if base not in self.types:
            self.types[base] = type(base, bases, {"__module__": "app"})
        return Annotated[self.types[base], Named(name)] if name else self.types[base]

    def node(self, identity: str) -> Data:
        return next(node for node in self.data["nodes"] if node["id"] == identity)

    # Declarations.

    def declarations(self) -> tuple[list[Declaration], list[Declaration]]:
        """What is declared, and what overrides it."""
        made = {node["id"]: self.declaration(node) for node in self.data["nodes"]}
        for node in self.data["nodes"]:
            if node.get("after"):
                made[node["id"]] = replace(made[node["id"]], after=tuple(made[other] for other in node["after"]))  # type: ignore[call-arg]
        plain = [node for node in self.data["nodes"] if not node.get("override")]
        overrides = [made[node["id"]] for node in self.data["nodes"] if node.get("override")]
        placed: list[Declaration] = []
        for module, nodes in groupby(plain, lambda node: str(node.get("module", ""))):
            members = tuple(made[node["id"]] for node in nodes)
            placed.extend([Group(module, "", members, is_module=True)] if module else members)
        return placed, overrides

    def declaration(self, node: Data) -> Declaration:
        kind, label, source = node.get("kind", "factory"), node["id"], node.get("source", "")
        times = (node.get("timeout"), node.get("stop_timeout"))
        key = read_key(self.key_type(provided(node)))
        keys = (key, *(read_key(self.key_type(other)) for other in node.get("as", ())))
        if kind == "value":
            return Supply(label, source, object(), keys)
        if kind == "context":
            return Context(label, source, key=key, scope=node.get("scope", "request"))
        if kind == "invoke":
            return Invoke(label, source, recipe=self.recipe(node, "make"), timeout=times[0])
        if kind == "hook":
            start, stop = self.recipe(node, "start"), replace(self.recipe(node, "stop"), parameters=())
            return Hook(label, source, start, stop, *times)
        if kind == "worker":
            return Worker(
                label, source, recipe=self.worker_recipe(node), policy=policy(node), timeout=times[0], stop_timeout=times[1]
            )
        if kind == "listener":
            return Listener(label, source)
        if kind == "handler":
            parameters = tuple(self.parameters(node))
            return Handler(label, source, parameters=parameters, is_sync_only=node.get("sync_only", False))
        return Provide(
            label,
            source,
            recipe=self.recipe(node, "make"),
            keys=keys,
            scope=node.get("scope", "app"),
            timeout=times[0],
            stop_timeout=times[1],
            is_private=node.get("private", False),
            is_decorator=kind == "decorator",
        )

    def recipe(self, node: Data, call: str) -> Recipe:
        is_resource = node.get("kind") == "resource"
        # What is only checked is as asynchronous as the case says.
        is_async = "steps" in self.data or node.get("async", False)
        style = {
            (True, True): Style.ASYNC_GENERATOR,
            (True, False): Style.GENERATOR,
            (False, True): Style.AWAIT,
            (False, False): Style.CALL,
        }[is_resource, is_async]
        parameters = list(self.parameters(node))
        if any(act.get("hook") for act in acts(node, call)):
            parameters.append(Parameter("lifecycle", None, Lifecycle, is_keyword_only=True))
        function = self.resource(node) if is_resource else self.function(node, call)
        return Recipe(function, style, tuple(parameters), NOTHING, node["id"], node.get("source", ""))

    def worker_recipe(self, node: Data) -> Recipe:
        specials = [Parameter("handle", None, WorkerHandle, is_keyword_only=True)]
        if any(act.get("ignores_stop") for act in acts(node, "run")):
            specials.append(Parameter("stop", None, Stop, is_keyword_only=True))

        async def run(*_: Any, handle: WorkerHandle, stop: Stop | None = None) -> None:
            self.handles[node["id"]] = handle
            await self.act(node, "run")

        return Recipe(run, Style.AWAIT, (*self.parameters(node), *specials), NOTHING, node["id"], node.get("source", ""))

    def parameters(self, node: Data) -> list[Parameter]:
        return [Parameter("", read_wanted(self.annotation(need))) for need in node.get("needs", ())]

    def annotation(self, need: str) -> Any:
        """A need, as the README of the cases says, as an annotation."""
        if need.startswith("?"):
            return Optional[self.annotation(need[1:])]  # noqa: UP045
        if need.startswith("~"):
            return Lazy[self.annotation(need[1:])]  # type: ignore[misc]
        if need.startswith("*~"):
            return Annotated[list[self.key_type(need[2:])], Soft]  # type: ignore[misc]
        if need.startswith("*"):
            return list[self.key_type(need[1:])]  # type: ignore[misc]
        return self.key_type(need)

    # What calls do.

    def function(self, node: Data, call: str) -> Callable[..., Any]:
        async def function(*_: Any, lifecycle: Lifecycle | None = None) -> object:
            await self.make(node, call, lifecycle)
            return object()

        return function

    def resource(self, node: Data) -> Callable[..., AsyncIterator[object]]:
        async def resource(*_: Any, lifecycle: Lifecycle | None = None) -> AsyncIterator[object]:
            await self.make(node, "make", lifecycle)
            try:
                yield object()
            finally:
                await self.told(node, "finaliz", lambda: self.act(node, "close"))

        return resource

    async def make(self, node: Data, call: str, lifecycle: Lifecycle | None) -> None:
        act = acts(node, call)[min(self.times.get((node["id"], call), 0), len(acts(node, call)) - 1)]
        if lifecycle is not None and act.get("hook"):
            lifecycle.hook(on_start=nothing, on_stop=nothing, name=act["hook"])
        if act.get("asks"):
            await self.ask(act["asks"])
        await self.told(node, "construct", lambda: self.act(node, call))

    async def ask(self, identity: str) -> None:
        try:
            await self.resolve(identity)
        except DeadlockError as error:
            # Who waits for the one that was refused is given the same error.
            if str(error) not in self.deadlocks:
                self.deadlocks.append(str(error))
                self.say(str(error))
            raise

    async def told(self, node: Data, word: str, call: Callable[[], Any]) -> None:
        """Tells of what the machine does not see: what happens in shorter scopes."""
        is_seen = node.get("scope", "app") in ("app", "transient")
        if not is_seen:
            self.say(f"{word}ing {node['id']}")
        try:
            await call()
        except BaseException:
            if not is_seen:
                self.say(f"{word if word == 'construct' else 'finalize'} failed {node['id']}")
            raise
        if not is_seen:
            self.say(f"{word}ed {node['id']}")

    async def act(self, node: Data, call: str) -> None:
        """Does what the data says of a call, this time."""
        time = self.times.get((node["id"], call), 0)
        self.times[node["id"], call] = time + 1
        act = acts(node, call)[min(time, len(acts(node, call)) - 1)]
        end = None if act.get("hangs") else self.clock.now + act.get("takes", 0)
        while True:
            try:
                await self.clock.sleep(None if end is None else end - self.clock.now)
                break
            except asyncio.CancelledError:
                if act.get("ignores_cancel") and not self.is_over:
                    continue
                await self.clock.sleep(act.get("unwinds", 0))
                raise
        if act.get("fatal"):
            raise FatalError(f"{node['id']} is beyond help")
        if act.get("fails"):
            raise RuntimeError(f"{node['id']} fails")
        if act.get("cancels"):
            raise asyncio.CancelledError


def nothing() -> None:
    """Both halves of a hook that a constructor adds."""


def provided(node: Data) -> str:
    return str(node.get("provides", node["id"]))


def acts(node: Data, call: str) -> Sequence[Data]:
    said = node.get(call, {})
    return said if isinstance(said, list) else [said]


def policy(node: Data) -> Policy:
    return Policy(
        restart=node.get("restart", "on_failure"),
        on_exhausted=node.get("on_exhausted", "stop_app"),
        ready=node.get("ready", False),
        watchdog=node.get("watchdog"),
        jitter=0.0,
    )


__all__ = ["Case", "Clock", "Data", "Key", "load"]
