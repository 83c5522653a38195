"""What every test may ask for: an event loop of each kind, and a way to run a coroutine in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

PATIENCE = 20
"""Seconds after which a test that waits has failed."""


@pytest.fixture(params=LOOPS)
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes an event loop: one of asyncio's, and one of uvloop's."""
    return LOOPS[request.param]


@pytest.fixture
def run(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[Coroutine[Any, Any, T]], T]:
    """Runs a coroutine in a new loop. Whatever is reported to the loop's exception handler fails the test."""

    def run(main: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
        reported: list[dict[str, Any]] = []
        loop = loop_factory()
        loop.set_debug(debug)
        loop.set_exception_handler(lambda _, context: reported.append(context))
        try:
            result = loop.run_until_complete(asyncio.wait_for(main, PATIENCE))
            left = asyncio.all_tasks(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
        assert reported == []
        assert left == set()
        return result

    return run
