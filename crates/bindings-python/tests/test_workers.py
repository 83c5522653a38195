"""Several processes on one port, and the supervisor that keeps them alive."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import programs
import pytest
import wire

CANNOT_START = programs.SERVICE.replace(
    'if __name__ == "__main__":',
    """
import os

def fail_in_a_worker() -> None:
    raise RuntimeError("no database here")

os.register_at_fork(after_in_child=lambda: setattr(App, "_serve_slot", lambda app: fail_in_a_worker()))

if __name__ == "__main__":""",
)


def is_two(pids: set[int]) -> bool:
    return len(pids) == 2


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_every_worker_serves_and_a_signal_drains_them_all(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2, uvloop=loop == "uvloop") as program:
            await program.answers()
            pids = await program.workers(is_two)
            assert program.pid not in pids
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                program.signal(signal.SIGTERM)
                await programs.refuses(program.address)
                (tmp_path / "a.open").touch()
                assert int((await connection.reply()).text) in pids
            assert await asyncio.to_thread(program.status) == 0
            assert "Traceback" not in program.log

    asyncio.run(main())


def test_a_second_signal_cuts_the_workers_short(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            await program.workers(is_two)
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                program.signal(signal.SIGINT)
                await programs.refuses(program.address)
                program.signal(signal.SIGINT)
                assert (await connection.reply()).status == 503
            assert await asyncio.to_thread(program.status) == 0

    asyncio.run(main())


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            pids = await program.workers(is_two)
            killed = min(pids)
            os.kill(killed, signal.SIGKILL)
            healed = await program.workers(lambda now: is_two(now) and killed not in now)
            assert healed & pids == pids - {killed}
            assert f"worker {killed} ended with -9" in program.log
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0

    asyncio.run(main())


def test_a_worker_that_is_asked_to_stop_drains_and_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            await program.workers(is_two)
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                [asked] = {int((await wire.get(program.address, "/pid")).text)}
                os.kill(asked, signal.SIGTERM)
                await program.workers(lambda now: is_two(now) and asked not in now)
                (tmp_path / "a.open").touch()
                assert (await connection.reply()).status == 200

    asyncio.run(main())


def test_a_hangup_replaces_every_worker(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            before = await program.workers(is_two)
            program.signal(signal.SIGHUP)
            await program.workers(lambda now: is_two(now) and not now & before)
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0

    asyncio.run(main())


def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
        abandoned.listen()

    async def main() -> None:
        with programs.serving(tmp_path, workers=2, unix=str(path)) as program:
            first = int(await program.answers())
            os.kill(first, signal.SIGKILL)
            await program.workers(lambda now: bool(now) and first not in now)
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0
        assert not path.exists()

    asyncio.run(main())


def test_workers_serve_every_address_of_a_name(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2, host="localhost") as program:
            await program.answers()
            await program.workers(is_two)

    asyncio.run(main())


def test_a_supervisor_gives_up_if_no_worker_can_start(tmp_path: Path) -> None:
    with programs.serving(tmp_path, CANNOT_START, workers=2) as program:
        assert program.status() == 1
        assert "no database here" in program.log
        assert "no worker could start; giving up" in program.log


def test_a_supervisor_that_cannot_fork_tries_again(tmp_path: Path) -> None:
    source = programs.SERVICE.replace(
        'if __name__ == "__main__":',
        """
real_fork = os.fork

def fork() -> int:
    if Path(__file__).with_name("full").exists():
        raise BlockingIOError("no process left")
    return real_fork()

os.fork = fork

if __name__ == "__main__":""",
    )

    async def main() -> None:
        with programs.serving(tmp_path, source, workers=2) as program:
            await program.answers()
            pids = await program.workers(is_two)
            (tmp_path / "full").touch()
            killed = min(pids)
            os.kill(killed, signal.SIGKILL)
            while program.log.count("a worker cannot be started: no process left") < 2:
                await asyncio.sleep(0.01)
            (tmp_path / "full").unlink()
            await program.workers(lambda now: is_two(now) and killed not in now)
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0

    asyncio.run(main())


def test_a_supervisor_does_not_share_its_port_with_another_server(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            (tmp_path / "second").mkdir()
            port = int(program.address.rpartition(":")[2])
            with programs.serving(tmp_path / "second", workers=2, port=port) as second:
                assert await asyncio.to_thread(second.status) == 1
                assert f"cannot listen on {program.address}" in second.log
                assert "stop what listens there or choose another port" in second.log

    asyncio.run(main())


def test_workers_drain_when_their_supervisor_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, workers=2) as program:
            await program.answers()
            await program.workers(is_two)
            async with wire.connected(program.address) as connection:
                await connection.request("GET", f"/gate/{tmp_path}/a")
                await programs.appears(tmp_path / "a.begun")
                program.signal(signal.SIGKILL)
                await programs.refuses(program.address)
                (tmp_path / "a.open").touch()
                assert (await connection.reply()).status == 200

    asyncio.run(main())
