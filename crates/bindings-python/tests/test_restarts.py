"""A worker that is replaced costs no client anything: no request fails, no connection is reset, none hangs.

`HOSTLOOP_RESTARTS` is how many workers are replaced, one after another. The default is a short run.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import programs
import pytest
import wire

RESTARTS = int(os.environ.get("HOSTLOOP_RESTARTS", "5"))
CONNECTIONS = 8


@dataclass
class Load:
    """Strict keep-alive clients: each asks without a pause, and reconnects when it was told that the connection closes."""

    address: str
    is_over: bool = False
    requests: int = 0
    connections: int = 0
    faults: list[str] = field(default_factory=list)

    async def client(self) -> None:
        while not self.is_over:
            try:
                async with wire.connected(self.address) as connection:
                    self.connections += 1
                    await self.use(connection)
            except (OSError, EOFError, asyncio.TimeoutError) as error:
                self.faults.append(f"after {self.requests} requests: {error!r}")

    async def use(self, connection: wire.Connection) -> None:
        while not self.is_over:
            reply = await connection.get("/pid")
            self.requests += 1
            if reply.status != 200:
                self.faults.append(f"status {reply.status}")
            if reply.closes:
                return


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_client_notices_that_workers_are_replaced(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2, uvloop=loop == "uvloop") as program:
            await program.answers()
            pids = await program.workers(lambda now: len(now) == 2)
            load = Load(program.address)
            clients = [asyncio.ensure_future(load.client()) for _ in range(CONNECTIONS)]
            for _ in range(RESTARTS):
                leaving = min(pids)
                before = load.requests
                os.kill(leaving, signal.SIGTERM)
                pids = await program.workers(lambda now, leaving=leaving: len(now) == 2 and leaving not in now)  # type: ignore[misc]
                assert load.requests > before
            load.is_over = True
            await asyncio.gather(*clients)
            assert load.faults == []
            assert load.requests > RESTARTS * CONNECTIONS
            assert load.connections >= CONNECTIONS
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0

    asyncio.run(main())


@pytest.mark.parametrize("where", ["port", "unix"])
def test_no_client_notices_a_hangup(where: str, tmp_path: Path) -> None:
    options = {"unix": str(tmp_path / "app.sock")} if where == "unix" else {}

    async def main() -> None:
        with programs.serving(tmp_path, workers=2, **options) as program:
            await program.answers()
            pids = await program.workers(lambda now: len(now) == 2)
            load = Load(program.address)
            clients = [asyncio.ensure_future(load.client()) for _ in range(CONNECTIONS)]
            for _ in range(RESTARTS):
                before = pids
                program.signal(signal.SIGHUP)
                pids = await program.workers(lambda now, before=before: len(now) == 2 and not now & before)  # type: ignore[misc]
            load.is_over = True
            await asyncio.gather(*clients)
            assert load.faults == []

    asyncio.run(main())
