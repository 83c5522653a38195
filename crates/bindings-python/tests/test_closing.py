"""What is closed is gone: nothing of a server outlives it, and nothing keeps it from ending."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import programs
import pytest
import wire

from hostloop import App
from hostloop.errors import ClosedError

Run = Callable[..., Any]
PATIENCE = 10


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_fifty_servers_leave_no_descriptor_behind() -> None:
    app = App()
    app.get("/")(lambda: "ok")
    with app.test() as client:
        client.get("/")
    gc.collect()
    before = open_descriptors()
    for _ in range(50):
        with app.test() as client:
            assert client.get("/").text == "ok"
    gc.collect()
    assert open_descriptors() <= before + 2


def test_a_closed_server_is_forgotten_and_answers_with_an_error(run: Run) -> None:
    app = App()

    async def main() -> weakref.ref[Any]:
        async with app.listen(port=0) as server:
            pass
        with pytest.raises(ClosedError, match="make a new one"):
            server.listen("127.0.0.1:0")
        return weakref.ref(server)

    server = run(main())
    gc.collect()
    assert server() is None


def test_a_generator_whose_client_leaves_is_closed_in_its_thread_after_its_step(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    stepping, may_go_on, closed_in = threading.Event(), threading.Event(), []

    @app.get("/")
    def pieces() -> Iterator[str]:
        try:
            yield "first"
            stepping.set()
            may_go_on.wait(PATIENCE)
            yield "second"
        finally:
            closed_in.append(threading.current_thread().name)

    async def main() -> None:
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as client:
                await client.request("GET", "/")
                await asyncio.to_thread(stepping.wait, PATIENCE)
            while server.status[1]:
                await asyncio.sleep(0.01)
            may_go_on.set()
            while not closed_in:
                await asyncio.sleep(0.01)

    run(main())
    assert closed_in[0].startswith("hostloop-handler")
    assert caplog.records == []


def test_a_task_that_ignores_its_cancellation_does_not_keep_the_program_alive(tmp_path: Path) -> None:
    source = programs.SERVICE.replace(
        'if __name__ == "__main__":',
        """
from hostloop import runner
from hostloop.http import server

runner.LAST_WORDS = server.LAST_WORDS = 0.1

@app.get("/stubborn")
async def stubborn() -> None:
    Path(__file__).with_name("begun").touch()
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

if __name__ == "__main__":""",
    )

    async def main() -> None:
        with programs.serving(tmp_path, source) as program:
            await program.answers()
            async with wire.connected(program.address) as client:
                await client.request("GET", "/stubborn")
                await programs.appears(tmp_path / "begun")
                program.signal(signal.SIGTERM)
                await programs.refuses(program.address)
                program.signal(signal.SIGTERM)
                assert await asyncio.to_thread(program.status) == 0
            assert "ignored its cancellation" in program.log

    asyncio.run(main())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_def_handler_that_never_returns_does_not_keep_the_program_alive(loop: str, tmp_path: Path) -> None:
    source = programs.SERVICE.replace(
        'if __name__ == "__main__":',
        """
import threading

from hostloop import Timeouts
from hostloop.http import server

app.timeouts = Timeouts(drain=0.05)
server.LAST_WORDS = 0.05

@app.get("/stuck")
def stuck() -> None:
    Path(__file__).with_name("begun").touch()
    threading.Event().wait()

if __name__ == "__main__":""",
    )

    async def main() -> None:
        with programs.serving(tmp_path, source, uvloop=loop == "uvloop") as program:
            await program.answers()
            async with wire.connected(program.address) as client:
                await client.request("GET", "/stuck")
                await programs.appears(tmp_path / "begun")
                program.signal(signal.SIGTERM)
                assert (await client.reply()).status == 503
            assert await asyncio.to_thread(program.status) == 0
            assert "<function stuck at" in program.log
            assert "was abandoned in thread hostloop-handler_0" in program.log
            assert "Traceback" not in program.log

    asyncio.run(main())


def test_a_closing_server_waits_for_a_def_handler_whose_client_has_left(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    @app.get("/")
    def handler() -> None:
        begun.set()
        may_end.wait(PATIENCE)
        ended.set()

    async def main() -> None:
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as client:
                await client.request("GET", "/")
                await asyncio.to_thread(begun.wait, PATIENCE)
            while server.status[1]:
                await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_later(0.05, may_end.set)
        assert ended.is_set()

    run(main())
    assert caplog.records == []
