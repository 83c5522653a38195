"""A server stops by draining: what is under way completes, and a second request to stop cuts it short."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import programs
import pytest
import wire

from hostloop import App, Timeouts
from hostloop.errors import ForkedError

Run = Callable[..., Any]


class Gate:
    """An application whose one handler waits."""

    def __init__(self, **options: Any) -> None:
        self.app = App(**options)
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.app.get("/")(self.handler)

    async def handler(self) -> str:
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "complete"


def test_a_cancelled_serve_lets_requests_complete(run: Run) -> None:
    async def main() -> None:
        gate, port = Gate(), wire.free_port()
        serving = asyncio.ensure_future(gate.app.serve(port=port))
        await asyncio.sleep(0)
        async with await_connection(port) as connection:
            await connection.request("GET", "/")
            await gate.begun.wait()
            serving.cancel()
            await programs.refuses(f"127.0.0.1:{port}")
            assert not serving.done()
            gate.may_end.set()
            reply = await connection.reply()
            assert (reply.text, reply.closes) == ("complete", True)
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert not gate.cancelled.is_set()

    run(main())


def test_a_second_cancellation_cuts_short(run: Run) -> None:
    async def main() -> None:
        gate, port = Gate(), wire.free_port()
        serving = asyncio.ensure_future(gate.app.serve(port=port))
        await asyncio.sleep(0)
        async with await_connection(port) as connection:
            await connection.request("GET", "/")
            await gate.begun.wait()
            serving.cancel()
            await programs.refuses(f"127.0.0.1:{port}")
            serving.cancel()
            assert (await connection.reply()).status == 503
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert gate.cancelled.is_set()

    run(main())


def await_connection(port: int) -> Any:
    """Connects as soon as somebody listens."""

    class Connecting:
        async def __aenter__(self) -> wire.Connection:
            while True:
                self.opened = wire.connected(f"127.0.0.1:{port}")
                try:
                    return await self.opened.__aenter__()
                except OSError:
                    await asyncio.sleep(0.01)

        async def __aexit__(self, *error: Any) -> Any:
            return await self.opened.__aexit__(*error)

    return Connecting()


def test_a_drain_has_a_deadline(run: Run) -> None:
    async def main() -> None:
        gate = Gate(timeouts=Timeouts(drain=0.05))
        async with gate.app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            await gate.begun.wait()
            server.drain()
            assert (await connection.reply()).status == 503
            await server.wait()
        assert gate.cancelled.is_set()

    run(main())


def test_a_block_that_raises_does_not_wait_for_requests(run: Run) -> None:
    async def main() -> None:
        gate = Gate()
        with pytest.raises(LookupError):  # noqa: PT012
            async with gate.app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
                await connection.request("GET", "/")
                await gate.begun.wait()
                raise LookupError
        assert gate.cancelled.is_set()

    run(main())


def test_idle_connections_do_not_hold_up_a_drain(run: Run) -> None:
    async def main() -> None:
        app = App()

        @app.get("/")
        async def handler() -> str:
            return "ok"

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.get("/")
            server.drain()
            assert await connection.rest() == b""
            await server.wait()

    run(main())


def test_a_handler_that_resists_its_cancellation_is_waited_for(run: Run) -> None:
    async def main() -> None:
        app = App()
        begun = asyncio.Event()
        ended = False

        @app.get("/")
        async def handler() -> None:
            nonlocal ended
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(20):
                    await asyncio.sleep(0.001)
                ended = True

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            await begun.wait()
            server.drain(0)
        assert ended

    run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_requests_complete_and_the_program_end_well(number: signal.Signals, loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, uvloop=loop == "uvloop") as program:
            await program.answers()
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                program.signal(number)
                await programs.refuses(program.address)
                (tmp_path / "a.open").touch()
                assert (await connection.reply()).text == str(program.pid)
            assert await asyncio.to_thread(program.status) == 0
            assert "Traceback" not in program.log

    asyncio.run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_second_signal_cuts_short(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, uvloop=loop == "uvloop") as program:
            await program.answers()
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                program.signal(signal.SIGINT)
                await programs.refuses(program.address)
                program.signal(signal.SIGINT)
                assert (await connection.reply()).status == 503
            assert await asyncio.to_thread(program.status) == 0
            assert "Traceback" not in program.log

    asyncio.run(main())


def test_a_port_in_use_ends_the_program_with_its_reason(tmp_path: Path) -> None:
    async def main() -> None:
        app = App()
        async with app.listen(port=0) as server:
            port = int(server.addresses[0].rpartition(":")[2])
            with programs.serving(tmp_path, port=port) as program:
                assert await asyncio.to_thread(program.status) == 1
                assert f"cannot listen on 127.0.0.1:{port}: another socket listens there" in program.log

    asyncio.run(main())


def test_a_forked_child_cannot_use_its_parents_server(run: Run) -> None:
    async def main() -> None:
        gate = Gate()
        gate.may_end.set()
        async with gate.app.listen(port=0) as server:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    server.listen("127.0.0.1:0")
                except ForkedError as error:
                    status = 7 if "fork" in str(error) else 2
                finally:
                    os._exit(status)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 7
            assert (await wire.get(server.addresses[0], "/")).text == "complete"

    run(main())
