"""The block of `async with app:`, which ends when the application fails.

It is cancelled as `asyncio.TaskGroup` cancels its own when a task fails: once, and only while it is under way. At its end that
cancellation is taken back, and what comes out is the failure. A cancellation that somebody else has asked for meanwhile goes on.
The stop waits for the block, which may still use what the application gives, but not for long.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from enum import Enum

__all__ = ["Block"]

OURS = "the application has failed"
"""What our cancellation says. Before Python 3.11, tasks do not count cancellations, and this alone tells ours from others."""


class State(Enum):
    """What has become of a block."""

    UNDER_WAY = "under way"
    CANCELLED = "cancelled"
    LEFT = "left"


class Block:
    """What the running task does from now on until it calls `leave`."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._cancellations()
        self._handled = sys.exc_info()[1] if sys.version_info < (3, 11) else None
        """What was being handled when the block began: it is behind every error of the block."""
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._state = State.UNDER_WAY

    def cancel(self) -> bool:
        """Cancels the task, if it is still in the block, and returns whether that was so."""
        if self._state is not State.UNDER_WAY or self._task is None or not self._task.cancel(OURS):
            return False
        self._state = State.CANCELLED
        return True

    async def ended(self, timeout: float | None) -> bool:
        """Waits until the block has ended, at most this many seconds, and returns whether it has."""
        await asyncio.wait([self._end], timeout=timeout)
        return self._end.done()

    @property
    def was_cancelled(self) -> bool:
        """Whether `cancel` has cancelled it."""
        return self._state is State.CANCELLED

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Ends the block, and returns the error that it ended by: `error`, unless that is our cancellation and nothing else."""
        if not self._end.done():
            self._end.set_result(None)
        if self._state is State.UNDER_WAY:
            self._state = State.LEFT
        if not self.was_cancelled or self._task is None or self._task is not asyncio.current_task():
            return error
        if sys.version_info >= (3, 11):
            self._task.uncancel()
        if not isinstance(error, asyncio.CancelledError):
            try:
                # The block may have ended before it was told, or taken no notice.
                await asyncio.sleep(0)
            except asyncio.CancelledError as late:
                return error if self._is_ours(late) else late
            return error
        return None if self._is_ours(error) else error

    def _is_ours(self, error: asyncio.CancelledError) -> bool:
        if sys.version_info >= (3, 11):
            return self._cancellations() <= self._before
        return all(own.args == (OURS,) for own in self._cancellations_behind(error))

    def _cancellations_behind(self, error: BaseException) -> Iterator[asyncio.CancelledError]:
        """A cancellation, and those that it came upon in the block."""
        step: BaseException | None = error
        while step is not None and step is not self._handled:
            if isinstance(step, asyncio.CancelledError):
                yield step
            step = step.__context__

    def _cancellations(self) -> int:
        """How many cancellations of the task nobody has taken back yet."""
        if sys.version_info >= (3, 11) and self._task is not None:
            return self._task.cancelling()
        return 0
