"""Plays a case of `conformance/lifecycle` in a real container, whose functions are real coroutines on a clock of the test's."""

from __future__ import annotations

import asyncio
from typing import Any

from lifecycle_cases import Case, Clock, Data

from hostloop import Lifetimes
from hostloop._core import ManualClock
from hostloop.errors import HostloopError
from hostloop.lifecycle.container import Container
from hostloop.lifecycle.scope import Scope, make_scope
from hostloop.lifecycle.wiring import wire

MANY = 100_000


class Watched(Container):
    """A container that says what becomes of it."""

    player: Player

    def _started(self) -> None:
        self.player.say("started")
        super()._started()

    def _stopped(self, code: int, failures: list[Any]) -> None:
        self.player.say(f"stopped with {code}" + "".join(f"; {failure[-1]}" for failure in failures))
        super()._stopped(code, failures)

    def _reloaded(self, generation: int, failure: Any) -> None:
        self.player.say("reloaded" if failure is None else failure[-1])
        super()._reloaded(generation, failure)

    def _exit(self, code: int) -> None:
        self.player.say(f"exit with {code}")


class Gate:
    """What takes requests, of a case."""

    def __init__(self, player: Player, node: Data | None) -> None:
        self._player = player
        self._node = node or {"id": "http"}
        self._draining: asyncio.Task[None] | None = None

    async def listen(self, container: Any) -> None:
        await self._player.case.act(self._node, "listen")

    async def drain(self, timeout: float | None) -> None:
        shown = "without end" if timeout is None else f"within {round(timeout, 3):g} s"
        self._player.say(f"drain {self._node['id']} {shown}")
        self._draining = asyncio.ensure_future(self._player.case.act(self._node, "drain"))
        await self._draining

    def cut_short(self) -> None:
        if self._draining is not None:
            self._draining.cancel()

    def swap(self) -> None:
        """Nothing of it is compiled."""


class Player:
    """Plays one case."""

    def __init__(self, data: Data) -> None:
        self.log: list[str] = []
        self.outcomes: list[str] = []
        self.clock = Clock()
        self.manual = ManualClock()
        self.case = Case(data, self.clock, self.say)
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.scopes: dict[str, Scope] = {}
        self.users: list[object] = []

    def say(self, text: str) -> None:
        self.log.append(f"{shown(self.clock.now)} {text}")

    async def play(self) -> None:
        declarations, overrides = self.case.declarations()
        options = dict(self.case.data.get("options", {}))
        drain = options.pop("drain_timeout", 15)
        gate = next((node for node in self.case.data["nodes"] if node.get("kind") == "listener"), None)
        wiring = wire(declarations, overrides, self.case.scopes)
        self.container = Watched(wiring, Lifetimes(**options), drain, Gate(self, gate), clock=self.manual, observe=self.observe)
        self.container.player = self
        self.case.resolve = lambda identity: self.container.ask(self.number(identity))
        for step in self.case.data["steps"]:
            await self.step(step)
            await self.settle()
        self.case.is_over = True
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def observe(self, event: tuple[float, str, int | None, float | None, str]) -> None:
        _, kind, node, _, detail = event
        label = self.container.wiring.nodes[node].label if node is not None else ""
        if kind in ("hook starting", "hook started", "hook stopping", "hook stopped"):
            self.say(f"{kind} {detail}")
        else:
            self.say(f"{kind} {label}".rstrip() + (f": {detail}" if detail and label else f" {detail}" if detail else ""))

    def number(self, identity: str) -> int:
        return next(node.index for node in self.container.wiring.nodes if node.label == identity and node.kind != "alias")

    # Time.

    async def settle(self) -> None:
        """Lets everything happen that happens at this instant."""
        loop: Any = asyncio.get_running_loop()
        for _ in range(MANY):
            self.manual.move_to(self.clock.now)
            self.container.pump()
            await asyncio.sleep(0)
            if not loop._ready and not self.clock.wake_one():
                return
        raise AssertionError(f"{self.case.name}: never at rest")

    async def advance(self, seconds: float) -> None:
        end = round(self.clock.now + seconds, 9)
        while True:
            await self.settle()
            delay = self.container.run.poll()
            self.container.pump()
            deadlines = [self.clock.next, None if delay is None else round(self.clock.now + delay, 9)]
            coming = [deadline for deadline in deadlines if deadline is not None]
            if not coming or min(coming) > end:
                break
            self.clock.now = max(self.clock.now, min(coming))
        self.clock.now = end

    # Steps.

    async def step(self, step: str) -> None:
        try:
            await self.do(step.split())
        except HostloopError as error:
            self.say(str(error))

    async def do(self, words: list[str]) -> None:
        container = self.container
        match words:
            case ["start"] if "start" in self.tasks:
                container.run.start()
            case ["start"]:
                container.run.start()
                container.wake()
                self.tasks["start"] = asyncio.ensure_future(container.wait())
            case ["stop", *code]:
                container.stop(*map(int, code))
            case ["signal"]:
                container.signal(15)
            case ["advance", seconds]:
                await self.advance(float(seconds))
            case [name, "=", "request", node, *scope]:
                self.request(name, node, scope[-1] if scope else "app")
            case ["abandon", name]:
                self.tasks[name].cancel()
            case ["open", name, kind, *outer]:
                await self.open(name, kind, outer[-1] if outer else "app")
            case ["give", node, "in", scope]:
                self.scopes[scope].values[container.wiring.places[self.number(node)]] = object()
            case ["close", name]:
                self.tasks[f"close {name}"] = asyncio.ensure_future(self.close(name, None))
            case ["throw", "in", name]:
                self.tasks[f"close {name}"] = asyncio.ensure_future(self.close(name, RuntimeError("thrown")))
            case ["ready", worker]:
                self.case.handles[worker].ready()
            case ["tick", worker]:
                self.case.handles[worker].tick()
            case ["restart", worker]:
                container.restart(self.number(worker))
            case ["reload", node]:
                self.tasks[f"reload {len(self.tasks)}"] = asyncio.ensure_future(self.reload(node))
            case ["hook", name, "of", _]:
                container.add_hook(2**63, name, "", (None, None), (None, None))
            case ["enter"]:
                self.users.append(container.generation.mark)
            case ["leave"]:
                self.users.pop()
            case _:
                raise AssertionError(f"no step {words}")

    def request(self, name: str, node: str, scope: str) -> None:
        number = self.number(node)
        wanted = self.case.key_type(self.case.node(node).get("provides", node))

        async def ask() -> None:
            try:
                if scope == "app":
                    if self.container.wiring.nodes[number].depth > 0:
                        raise RuntimeError("it lives in a shorter scope")
                    await self.container.ask(number)
                else:
                    await self.scopes[scope].resolve(wanted)
            except asyncio.CancelledError:
                raise
            except BaseException:
                self.outcomes.append(f"{name} = error")
            else:
                self.outcomes.append(f"{name} = value")

        self.tasks[name] = asyncio.ensure_future(ask())

    async def open(self, name: str, kind: str, outer: str) -> None:
        parent = self.scopes.get(outer)
        depth = self.case.scopes.index(kind)
        table = self.container.tables[kind] if parent is None else parent.inner(depth)
        scope = make_scope(table, parent, None)
        await scope.__aenter__()
        self.scopes[name] = scope

    async def close(self, name: str, error: BaseException | None) -> None:
        await self.scopes[name].close(error)

    async def reload(self, node: str) -> None:
        try:
            await self.container.reload([self.number(node)])
        except HostloopError as error:
            if "cannot be" in str(error) or "reload it while" in str(error):
                self.say(str(error))
        except RuntimeError:
            pass


def shown(seconds: float) -> str:
    """A second as the cases have it."""
    return f"{round(seconds, 3):g}"
