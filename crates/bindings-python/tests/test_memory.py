"""Serving does not eat memory."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import wire

from hostloop import App, Request

Run = Callable[..., Any]

STATM = Path("/proc/self/statm")

pytestmark = pytest.mark.skipif(not STATM.exists(), reason="reads /proc")

BATCH = 100
ALLOWED = 3 * 1024 * 1024


def resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def example() -> App:
    app = App()

    @app.get("/plain")
    async def plain() -> str:
        return "ok"

    @app.get("/items/{n}")
    async def item(n: int, request: Request, q: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"n": n, "q": q, "host": request.headers["host"]}

    @app.get("/stream")
    async def stream() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    @app.get("/wait")
    async def wait() -> None:
        await asyncio.Event().wait()

    return app


@pytest.mark.parametrize(
    ("target", "requests"), [("/plain", 100_000), ("/items/5?q=x", 20_000), ("/items/x", 10_000), ("/stream", 10_000)]
)
def test_many_requests_leave_memory_flat(target: str, requests: int, run: Run) -> None:
    async def batches(connection: wire.Connection, count: int) -> None:
        request = f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        for _ in range(count // BATCH):
            await connection.send(request * BATCH)
            for _ in range(BATCH):
                await connection.reply()

    async def main() -> None:
        async with example().listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await batches(connection, requests // 5)
            before = resident()
            await batches(connection, requests)
            assert resident() - before < ALLOWED

    run(main())


def test_clients_that_leave_leave_nothing_behind(run: Run) -> None:
    async def leave(address: str, count: int) -> None:
        for _ in range(count):
            async with wire.connected(address) as connection:
                await connection.request("GET", "/wait")
                connection.abort()

    async def main() -> None:
        async with example().listen(port=0) as server:
            await leave(server.addresses[0], 1000)
            before = resident()
            await leave(server.addresses[0], 3000)
            while server.status != (0, 0):
                await asyncio.sleep(0.001)
            assert resident() - before < ALLOWED
            assert len(asyncio.all_tasks()) < 5

    run(main())
