"""The task of an asynchronous resource."""

from __future__ import annotations

import asyncio
from typing import Any

from ..errors import StepTimeout
from .held import leave_async
from .recipe import Recipe

__all__ = ["Owner"]


class Owner:
    """Has a resource left by the task that has entered it. Make one in that task."""

    __slots__ = ("_leaving", "_made", "_recipe", "op", "stop_timeout", "task")

    def __init__(self, recipe: Recipe, made: Any, stop_timeout: float | None = None) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[Any] = task
        self.stop_timeout = stop_timeout
        self.op = 0
        """The command that has the resource left."""
        self._recipe = recipe
        self._made = made
        self._leaving: asyncio.Future[BaseException | None] = task.get_loop().create_future()

    def leave(self, op: int = 0, error: BaseException | None = None) -> None:
        """Has the resource left, by an error or without."""
        self.op = op
        if not self._leaving.done():
            self._leaving.set_result(error)

    async def keep(self) -> None:
        """Waits until the resource is to be left, and leaves it. Raises what its teardown raises."""
        try:
            error = await self._leaving
        except asyncio.CancelledError:
            # The loop ends: this is the last chance.
            error = None
        await leave_async(self._recipe.style, self._made, error, self._recipe.name)

    async def left(self, error: BaseException | None, grace: float) -> None:
        """Has the resource left, and waits for that as long as it may take. Raises what its teardown raises."""
        self.leave(error=error)
        try:
            await asyncio.wait([self.task], timeout=self.stop_timeout)
        finally:
            if not self.task.done():
                self.task.cancel()
        if not self.task.done():
            await asyncio.wait([self.task], timeout=grace)
            raise StepTimeout(f"the teardown of {self._recipe.name} did not end in {self.stop_timeout} s")
        self.task.result()
