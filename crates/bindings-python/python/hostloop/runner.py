"""Running a coroutine in an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["run_in_loop"]

T = TypeVar("T")

log = logging.getLogger("hostloop")

LAST_WORDS = 5.0
"""Seconds that tasks have to end after their cancellation. `asyncio.Runner` would wait for ever."""


def run_in_loop(main: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None) -> T:
    """Runs `main` in a new loop, and ends what it left behind."""
    loop = loop_factory() if loop_factory is not None else asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            loop.run_until_complete(cancel_all())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def cancel_all() -> None:
    """Cancels every other task, and waits for them as long as is reasonable."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    ended, stuck = await asyncio.wait(tasks, timeout=LAST_WORDS)
    for task in stuck:
        log.error("task %s ignored its cancellation for %s s and was abandoned", task.get_name(), LAST_WORDS)
    for task in ended:
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed while it was cancelled", task.get_name(), exc_info=task.exception())
