"""What hostloop gives to constructors and workers that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import InvalidError
from .options import seconds
from .source import label_of, written_at

__all__ = ["Lifecycle", "Stop", "WorkerHandle"]


class AddsHooks(Protocol):
    """What a `Lifecycle` hands its hooks to."""

    def add_hook(
        self,
        op: int,
        label: str,
        source: str,
        calls: tuple[Callable[[], Any] | None, Callable[[], Any] | None],
        timeouts: tuple[float | None, float | None],
    ) -> None:
        """Adds a hook for the node that is constructed."""


class Lifecycle:
    """Lets a constructor add hooks of its own: take one as a parameter.

    ```python
    class Consumer:
        def __init__(self, queue: Queue, lifecycle: Lifecycle) -> None:
            lifecycle.hook(on_start=self.subscribe, on_stop=self.unsubscribe, timeout=5)
    ```
    """

    __slots__ = ("_adder", "_op")

    def __init__(self, adder: AddsHooks, op: int) -> None:
        self._adder = adder
        self._op = op

    def hook(
        self,
        *,
        on_start: Callable[[], Any] | None = None,
        on_stop: Callable[[], Any] | None = None,
        timeout: float | None = None,
        stop_timeout: float | None = None,
        name: str | None = None,
    ) -> None:
        """Has these called when the application starts and stops. They take no arguments, and may be `async`.

        Raises `ConflictError` once the application starts: hooks are added while values are made.
        """
        first = on_start or on_stop
        if first is None:
            raise InvalidError("hook has neither on_start nor on_stop; give it one of them")
        seconds("timeout", timeout)
        seconds("stop_timeout", stop_timeout)
        self._adder.add_hook(self._op, name or label_of(first), written_at(first), (on_start, on_stop), (timeout, stop_timeout))


class Stop:
    """Tells a worker that it is to end: take one as a parameter.

    A worker without one is cancelled instead.
    """

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        """Returns whether the worker is to end."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Waits until the worker is to end."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> bool:
        """Waits this many seconds, or until the worker is to end. Returns whether it may go on."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return True
        return False

    def set(self) -> None:
        """Asks the worker to end."""
        self._event.set()


class WorkerHandle:
    """Lets a worker say how it is: take one as a parameter."""

    __slots__ = ("_ready", "_tick", "attempt")

    def __init__(self, attempt: int, ready: Callable[[], None], tick: Callable[[], None]) -> None:
        self._ready = ready
        self._tick = tick
        self.attempt = attempt
        """How often the worker was run, this time included."""

    def ready(self) -> None:
        """Says that the worker is ready: `worker(..., ready=True)` holds up the start until then."""
        self._ready()

    def tick(self) -> None:
        """Says that the worker is alive, for `worker(..., watchdog=...)`."""
        self._tick()
