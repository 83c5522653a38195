"""What clients do at random moments harms nobody else: a server with handlers of each kind outlives them all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from hostloop import App, Limits, Request, StreamingResponse, Timeouts

Run = Callable[..., Any]

CLIENTS = 600
AT_ONCE = 40
PIECE = "x" * 100

PATHS = ["/text", "/thread", "/raises", "/flood", "/thread-flood", "/streamed", "/read", "/echo", "/item", "/silent", "/nowhere"]
BODIES = [
    "Content-Length: 5\r\n\r\nhello",
    "Content-Length: 500\r\n\r\nhello",
    'Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"name":1}',
    'Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{"name":"abcd"',
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX",
    "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\nnot a trailer\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
]


class Item(msgspec.Struct):
    name: str


def example() -> App:
    # A request behind another on its connection is not left before its turn.
    app = App(limits=Limits(connections=10_000), timeouts=Timeouts(drain=0.1))

    async def text() -> str:
        return "text"

    def thread() -> str:
        return "thread"

    async def raises() -> None:
        raise LookupError

    async def flood() -> AsyncIterator[str]:
        for _ in range(20_000):
            yield PIECE

    def thread_flood() -> Iterator[str]:
        for _ in range(200):
            yield PIECE

    async def streamed() -> StreamingResponse:
        return StreamingResponse(flood(), status=201)

    async def read(request: Request) -> str:
        return await request.text()

    async def echo(request: Request) -> StreamingResponse:
        return StreamingResponse(request.stream())

    async def silent() -> None:
        await asyncio.Event().wait()

    for handler in (text, thread, raises, flood, thread_flood, streamed, read, echo, silent):
        app.route("/" + handler.__name__.replace("_", "-"), ["GET", "POST"])(handler)

    @app.post("/item")
    async def item(item: Item) -> Item:
        return item

    return app


def request_of(chance: random.Random) -> bytes:
    path = chance.choice(PATHS)
    if chance.random() < 0.5:
        return f"{chance.choice(['GET', 'HEAD'])} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * chance.randint(1, 3)
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{chance.choice(BODIES)}".encode()


async def visit(port: int, chance: random.Random) -> None:
    """One client: it sends, perhaps a part only, and leaves at once, after the first bytes, or soon."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = request_of(chance)
    writer.write(data[: chance.randrange(len(data))] if chance.random() < 0.25 else data)
    with suppress(OSError):
        await writer.drain()
        if (when := chance.randrange(3)) > 0:
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(reader.read(1 if when == 1 else -1), chance.uniform(0.005, 0.03))
    if chance.random() < 0.3:
        writer.transport.abort()
    else:
        writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_of_clients_harms_nobody_else(run: Run, seed: int) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        async with example().listen(port=0) as server:
            port = int(server.url.rsplit(":", 1)[1])
            left = CLIENTS

            async def visitor() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    await visit(port, chance)

            await asyncio.gather(*(visitor() for _ in range(AT_ONCE)))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"text")
            writer.close()

    run(main())
