"""The threads of handlers that are not `async`.

They are daemons. The interpreter waits at its exit for the threads of `concurrent.futures`: one call that never returns would keep
the process for ever.

A call waits until a thread takes it, runs, and is reported to the loop. Whoever gets it out of `_waiting`, a single step of the
interpreter's, has taken it or dropped it. `_arrivals` has an entry for each call that came, so a thread may find that the call was
dropped. Everything else belongs to the loop's thread, and no call takes a lock but that of `_arrivals`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any

from ..errors import ClosedError

__all__ = ["Call", "Threads"]


class Call(asyncio.Future[Any]):
    """A call of `function`, and the future of its result."""

    thread: str | None = None
    """The name of the thread that has taken it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], drop: Callable[[Call], None]) -> None:
        super().__init__(loop=loop)
        self.function = function
        self._drop = drop

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancels the future. A call that waits is dropped, one that runs runs on."""
        self._drop(self)
        return super().cancel(msg)


class Threads:
    """At most `most` threads, which are started when they are needed and kept until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._started = 0
        self._waiting: OrderedDict[Call, Callable[[], Any]] = OrderedDict()
        self._arrivals: SimpleQueue[bool] = SimpleQueue()
        self._unreported: set[Call] = set()
        self._next_report: asyncio.Future[None] | None = None
        self._is_closed = False

    # On the loop.

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Call:
        """Calls `function` in a thread, in a copy of the context."""
        if self._is_closed:
            raise ClosedError("the server is closed and has no threads any more")
        if len(self._unreported) >= self._started < self._most:
            self._start()
        call = Call(self._loop, function, self._drop)
        self._unreported.add(call)
        self._waiting[call] = partial(copy_context().run, function, *args, **kwargs)
        self._arrivals.put(True)
        return call

    async def finish(self, seconds: float) -> list[Call]:
        """Waits for every call, also for those that are made meanwhile. Returns the ones that run on after `seconds`."""
        deadline = self._loop.time() + seconds
        while self._unreported and (left := deadline - self._loop.time()) > 0:
            self._next_report = self._loop.create_future()
            await asyncio.wait([self._next_report], timeout=left)
        return [call for call in self._unreported if call.thread is not None]

    def close(self) -> None:
        """Cancels the calls that wait. Each thread ends after the call that it runs."""
        self._is_closed = True
        for call in list(self._waiting):
            call.cancel()
        for _ in range(self._started):
            self._arrivals.put(False)

    def _start(self) -> None:
        Thread(target=self._serve, name=f"hostloop-handler_{self._started}", daemon=True).start()
        self._started += 1

    def _drop(self, call: Call) -> None:
        if self._waiting.pop(call, None) is not None:
            self._forget(call)

    def _reported(self, call: Call, result: Any, error: BaseException | None) -> None:
        self._forget(call)
        if call.done():
            return
        if error is None:
            call.set_result(result)
        else:
            call.set_exception(error)

    def _forget(self, call: Call) -> None:
        self._unreported.discard(call)
        if self._next_report is not None and not self._next_report.done():
            self._next_report.set_result(None)

    # In a thread.

    def _serve(self) -> None:
        name = current_thread().name
        while self._arrivals.get():
            try:
                call, work = self._waiting.popitem(last=False)
            except KeyError:
                continue
            call.thread = name
            try:
                self._loop.call_soon_threadsafe(self._reported, call, *outcome(work))
            except RuntimeError:
                return  # The loop is closed, nobody waits any more.
            # While a thread waits, it keeps nothing of its last request.
            del call, work


def outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What came of it: a result or an error."""
    try:
        return work(), None
    except StopIteration as error:
        # A coroutine that awaited it would seem to have returned.
        failure = RuntimeError("a function in a thread raised StopIteration")
        failure.__cause__ = error
        return None, failure
    except BaseException as error:
        return None, error
