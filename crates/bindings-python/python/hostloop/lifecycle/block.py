"""The block of `async with app:`, which ends when the application fails.

It is cancelled as `asyncio.TaskGroup` cancels its own when a task fails: once, and only while it is under way. At its end that
cancellation is taken back, and what comes out is the failure. A cancellation that somebody else has asked for meanwhile goes on.

To the run, the block is what a listener is: it is up when all else is, and its drain, the first step of a stop, waits until it has
ended. Till then it may use everything that the application gives. No task does that waiting: `asyncio.run` would cancel it when the
program ends.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from enum import Enum

from .events import log

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
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._state = State.UNDER_WAY
        self._then: Callable[[], object] | None = None
        """What waits for the end."""
        self._waiting_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def cancel(self) -> bool:
        """Cancels the task, if it is still in the block, and returns whether that was so."""
        if self._state is not State.UNDER_WAY or self._task is None or not self._task.cancel(OURS):
            return False
        self._state = State.CANCELLED
        # Who has entered it may end without leaving it.
        self._task.add_done_callback(self._has_ended)
        return True

    @property
    def is_unwinding(self) -> bool:
        """Whether it was cancelled and has not ended yet."""
        return self.was_cancelled and not self._end.done()

    def when_ended(self, call: Callable[[], object], timeout: float | None) -> None:
        """Makes a call when the block has ended, or when that takes too long, in the place of any that waits for it already."""
        self._then, self._waiting_since = call, self._loop.time()
        self._end.add_done_callback(self._go_on)
        if self._timer is not None:
            self._timer.cancel()
        if timeout is not None:
            self._timer = self._loop.call_later(timeout, self._go_on)

    def give_up(self) -> None:
        """Has no one wait for the end any longer."""
        self._go_on()

    def _go_on(self, _: object = None) -> None:
        then, self._then = self._then, None
        if self._timer is not None:
            self._timer.cancel()
        if then is None:
            return
        if not self._end.done():
            waited = self._loop.time() - self._waiting_since
            log.error("the application has failed, and its block did not end in %.2f s; the stop goes on beside it", waited)
        then()

    def _has_ended(self, _: object = None) -> None:
        if not self._end.done():
            self._end.set_result(None)

    @property
    def was_cancelled(self) -> bool:
        """Whether `cancel` has cancelled it."""
        return self._state is State.CANCELLED

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Ends the block, and returns the error that it ended by: `error`, unless that is our cancellation and nothing else."""
        self._has_ended()
        if self._state is State.UNDER_WAY:
            self._state = State.LEFT
        if not self.was_cancelled or self._task is None:
            return error
        if sys.version_info >= (3, 11):
            self._task.uncancel()
        if self._task is not asyncio.current_task():
            return error
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
