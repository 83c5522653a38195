"""From what a handler returned, or raised, to the response."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ClientDisconnected, ClosedError, ConflictError, FullError, HTTPError, StaleError
from ..lifecycle.events import Log
from .response import Response, StreamingResponse, encode_json, problem

if TYPE_CHECKING:
    from .._core import Exchange
    from .compile import Route

__all__ = ["answer", "fail", "forsake", "hold", "settle"]

log = Log(logging.getLogger("hostloop"))

RunInThread = Callable[..., Awaitable[Any]]


class Encoded:
    """JSON that was encoded as long as what it was made of was there."""

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content


def settle(x: Exchange, result: Any, run_in_thread: RunInThread) -> tuple[Any, Any]:
    """Does what must be done with a result while the scope of its request is open.

    A stream is answered by the coroutine that is returned; anything else can be answered when the scope is closed.
    """
    if result is None or isinstance(result, (Response, str)):
        return result, None
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(result), None
    if isinstance(result, (StreamingResponse, AsyncIterator, Iterator)):
        return result, answer(x, result, run_in_thread)
    return Encoded(encode_json(result)), None


async def hold(pending: Any, mark: object) -> None:
    """Sends a stream, and keeps the values that it is made of from being taken back meanwhile."""
    await pending


def answer(x: Exchange, result: Any, run_in_thread: RunInThread) -> Any:
    """Answers with what a handler returned. A stream is answered by the coroutine that is returned."""
    if isinstance(result, Response):
        x.respond(result.head, result.content)
    elif isinstance(result, str):
        x.text(str.__str__(result))
    elif isinstance(result, (bytes, bytearray, memoryview)):
        x.bytes(bytes(result))
    elif result is None:
        x.no_content()
    elif isinstance(result, Encoded):
        x.json(result.content)
    elif isinstance(result, StreamingResponse):
        return stream(x, result, run_in_thread)
    elif isinstance(result, (AsyncIterator, Iterator)):
        return stream(x, StreamingResponse(result), run_in_thread)
    else:
        x.json(encode_json(result))
    return None


async def stream(x: Exchange, response: StreamingResponse, run_in_thread: RunInThread) -> None:
    """Sends a response piece by piece, and waits for the client before it asks for more."""
    content = response.content
    pieces = content if isinstance(content, AsyncIterable) else in_thread(content, run_in_thread)
    x.start(response.head)
    try:
        async for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else bytes(memoryview(piece))
            if data and not await x.write(data):
                raise ClientDisconnected("the client left before the response was complete")
        x.finish()
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def in_thread(content: Iterable[bytes | str], run_in_thread: RunInThread) -> AsyncIterator[bytes | str]:
    """Steps an ordinary iterator in a thread."""
    end = object()
    iterator = iter(content)
    step = None
    try:
        while True:
            step = asyncio.ensure_future(run_in_thread(next, iterator, end))
            if (piece := await asyncio.shield(step)) is end:
                return
            yield piece
    finally:
        close = getattr(iterator, "close", None)
        if close is not None and step is not None:
            # A generator is closed where it ran, and not before its step has ended.
            if step.done():
                await run_in_thread(close)
            else:
                step.add_done_callback(lambda step: (step.exception(), run_in_thread(close)))


def fail(x: Exchange, error: BaseException, route: Route | None) -> None:
    """Answers with what a handler raised: the client learns of an `HTTPError` alone, the log of everything."""
    if isinstance(error, (StaleError, ClosedError, ClientDisconnected)):
        # The request has ended meanwhile: nobody is left to be told.
        return
    if isinstance(error, HTTPError):
        response = problem(error)
    else:
        name = route.name if route is not None else x.raw_path
        log.error("%s: the handler raised %s", name, type(error).__name__, exc_info=error)
        response = problem(HTTPError(500))
    refuse(x, response)
    if not isinstance(error, Exception):
        raise error


def forsake(x: Exchange, route: Route) -> None:
    """Answers for a handler that was cancelled, unless its request ended first, which is why the server cancels one."""
    if refuse(x, problem(HTTPError(500))):
        log.error("%s: the handler was cancelled by the application before it had answered", route.name)


def refuse(x: Exchange, response: Response) -> bool:
    """Sends an error's response, or what can still be sent of it. Returns whether somebody was left to be told."""
    try:
        x.respond(response.head, response.content)
    except (StaleError, ClosedError):
        return False
    except (ConflictError, FullError):
        # The response has begun: closing the connection is all that can tell the client.
        x.abort()
    return True
