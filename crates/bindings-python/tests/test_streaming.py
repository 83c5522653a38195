"""Streamed responses go as fast as the client takes them, and end when it goes away."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import wire

from hostloop import App, StreamingResponse
from hostloop.errors import ClientDisconnected

Run = Callable[..., Any]

PATIENCE = 10
PIECE = b"x" * 16_384


async def settled(count: Callable[[], int]) -> int:
    """Waits until a count has not moved for a while, and returns it."""
    last, still = count(), 0
    while still < 20:
        await asyncio.sleep(0.01)
        now = count()
        last, still = now, still + 1 if now == last else 0
    return last


def unread(address: str) -> socket.socket:
    """Asks for the stream, and does not read it."""
    host, _, port = address.rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    sock.connect((host, int(port)))
    sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return sock


def test_pieces_arrive_as_they_are_given(run: Run) -> None:
    async def main() -> None:
        app = App()
        may_go_on = asyncio.Event()

        @app.get("/")
        async def handler() -> AsyncIterator[bytes]:
            yield b"first"
            await may_go_on.wait()
            yield b"second"

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            await connection.head()
            assert await connection.chunk() == b"first"
            may_go_on.set()
            assert await connection.chunk() == b"second"
            assert await connection.chunk() == b""
            assert (await connection.get("/nowhere")).status == 404

    run(main())


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_a_client_that_does_not_read_stops_the_stream_and_its_leaving_ends_it(kind: str, run: Run) -> None:
    async def main() -> None:
        app = App()
        given = 0
        closed = threading.Event()

        def pieces() -> Iterator[bytes]:
            nonlocal given
            try:
                while True:
                    given += 1
                    yield PIECE
            finally:
                closed.set()

        async def async_pieces() -> AsyncIterator[bytes]:
            nonlocal given
            try:
                while True:
                    given += 1
                    yield PIECE
            finally:
                closed.set()

        app.get("/")(pieces if kind == "thread" else async_pieces)
        async with app.listen(port=0) as server:
            with unread(server.addresses[0]):
                stuck_at = await settled(lambda: given)
                # What the kernel holds for both sides, and what the engine does.
                assert 0 < stuck_at * len(PIECE) < 4 * 1024 * 1024
                assert not closed.is_set()
            assert await asyncio.to_thread(closed.wait, PATIENCE)
            assert given <= stuck_at + 3

    run(main())


def test_a_client_that_reads_again_has_the_stream_go_on(run: Run) -> None:
    async def main() -> None:
        app = App()
        total = 400
        given = 0

        @app.get("/")
        async def handler() -> AsyncIterator[bytes]:
            nonlocal given
            for _ in range(total):
                given += 1
                yield PIECE

        async with app.listen(port=0) as server:
            sock = unread(server.addresses[0])
            assert await settled(lambda: given) < total
            reader, writer = await asyncio.open_connection(sock=sock)
            connection = wire.Connection(reader, writer)
            assert (await connection.reply()).body == PIECE * total
            writer.close()

    run(main())


def test_a_stream_that_ignores_disconnects_is_told_of_them(run: Run) -> None:
    async def main() -> None:
        app = App(on_disconnect="ignore")
        begun = asyncio.Event()
        ended = asyncio.get_running_loop().create_future()

        @app.get("/")
        async def handler() -> StreamingResponse:
            async def pieces() -> AsyncIterator[bytes]:
                begun.set()
                try:
                    while True:
                        yield PIECE
                finally:
                    ended.set_result(asyncio.current_task())

            return StreamingResponse(pieces())

        async with app.listen(port=0) as server:
            with unread(server.addresses[0]):
                await begun.wait()
            task = await ended
            await asyncio.wait([task])
            assert not task.cancelled()
            assert task.exception() is None or isinstance(task.exception(), ClientDisconnected)

    run(main())


def test_a_stream_in_the_middle_of_waiting_is_cancelled_when_its_client_leaves(run: Run) -> None:
    async def main() -> None:
        app = App()
        seen = asyncio.get_running_loop().create_future()

        @app.get("/")
        async def handler() -> AsyncIterator[bytes]:
            yield b"first"
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                seen.set_result(error)
                raise

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            await connection.head()
            assert await connection.chunk() == b"first"
            connection.abort()
            assert isinstance(await seen, asyncio.CancelledError)

    run(main())


def test_a_generator_is_closed_after_a_complete_response(run: Run) -> None:
    async def main() -> None:
        app = App()
        closed = asyncio.Event()

        @app.get("/")
        async def handler() -> AsyncIterator[bytes]:
            try:
                yield b"only"
            finally:
                closed.set()

        async with app.test() as client:
            assert (await client.get("/")).content == b"only"
            await closed.wait()

    run(main())
