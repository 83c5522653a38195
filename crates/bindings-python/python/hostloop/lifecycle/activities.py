"""What runs: hooks, workers, and the listener that takes requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from .declare import Hook
from .events import log
from .handles import Stop, WorkerHandle
from .recipe import Recipe
from .values import Values

__all__ = ["Activities", "Listener"]


class Listener(Protocol):
    """What takes requests."""

    async def listen(self, container: Any) -> None:
        """Begins to take requests."""

    async def drain(self, timeout: float | None) -> None:
        """Stops taking them, and waits for those under way, at most this many seconds."""

    def cut_short(self) -> None:
        """Ends the wait of `drain`."""

    def hurry(self) -> None:
        """Has `drain` wait for nothing."""

    def swap(self) -> None:
        """Uses the values that are current from now on."""


class Activities(Values):
    """Starts and stops what runs."""

    def __init__(self, listener: Listener, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.listener = listener
        self._stops: dict[int, Stop] = {}
        """Of workers that are asked to end before they are cancelled."""
        self._drains: set[int] = set()

    def complete(self, op: int, outcome: str, error: BaseException | None = None) -> bool:
        self._stops.pop(op, None)
        return super().complete(op, outcome, error)

    def _cancel(self, op: int, reason: str) -> None:
        if op in self._drains:
            self._cancelled.discard(op)
            self.listener.cut_short()
        else:
            super()._cancel(op, reason)

    def _abandon(self, op: int) -> None:
        self._stops.pop(op, None)
        super()._abandon(op)

    # Hooks.

    def _start_hook(self, op: int, hook: int, node: int, arguments: list[int]) -> None:
        declared = self.wiring.nodes[node].declaration
        if hook in self._added:
            self._run_hook(op, node, self._added[hook][0])
        elif isinstance(declared, Hook) and declared.start is not None:
            given = arguments[: len(declared.start.wanted)]
            self._run_hook(op, node, partial(self.called, op, declared.start, given))
        else:
            self.complete(op, "done")

    def _stop_hook(self, op: int, hook: int, node: int, arguments: list[int]) -> None:
        declared = self.wiring.nodes[node].declaration
        if hook in self._added:
            self._run_hook(op, node, self._added[hook][1])
        elif isinstance(declared, Hook) and declared.stop is not None:
            given = arguments[len(declared.start.wanted) if declared.start is not None else 0 :]
            self._run_hook(op, node, partial(self.called, op, declared.stop, given))
        else:
            self.complete(op, "done")

    def _run_hook(self, op: int, node: int, call: Callable[[], Any] | None) -> None:
        if call is None:
            self.complete(op, "done")
        else:
            self.call(op, f"hook {self.wiring.nodes[node].label}", call)

    # Workers.

    def _run_worker(self, op: int, node: int, attempt: int, arguments: list[int]) -> None:
        if self.is_dropped(op):
            return
        recipe = self.wiring.nodes[node].recipe
        stop = Stop()
        if any(parameter.special is Stop for parameter in recipe.parameters):
            self._stops[op] = stop
        handle = WorkerHandle(attempt, partial(self._ready, op), partial(self.run.worker_tick, op))
        call = partial(self.called, op, recipe, arguments, Stop=stop, WorkerHandle=handle)
        self.do(op, f"worker {recipe.label}", self._work(op, recipe, call))

    async def _work(self, op: int, recipe: Recipe, call: Callable[[], Any]) -> None:
        try:
            await call()
        except GeneratorExit:
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                log.error("worker %s failed", recipe.name, exc_info=error)
            self.failed(op, error)
        else:
            self.complete(op, "done")

    def _ready(self, op: int) -> None:
        self.run.worker_ready(op)
        self.wake()

    def _stop_worker(self, op: int) -> None:
        if op in self._stops:
            self._stops[op].set()
        elif op in self.tasks:
            self.tasks[op].cancel()

    def restart(self, node: int) -> None:
        """Runs a worker that has ended. Raises `ConflictError` if it runs."""
        self.run.restart(node)
        self.wake()

    # The listener.

    def _listen(self, op: int, _node: int) -> None:
        self.call(op, "listen", partial(self.listener.listen, self))

    def _drain(self, op: int, _node: int, timeout: float | None) -> None:
        self._drains.add(op)
        self.call(op, "drain", partial(self.listener.drain, timeout))
