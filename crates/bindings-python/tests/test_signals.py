"""Signals stop a program in order; further ones cut that short."""

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
from start_stop_parts import Database, Ledger, Settings

from hostloop import App, hook, invoke, provide, worker

Run = Callable[..., Any]


PROGRAM = """
import asyncio, sys, json, logging
from collections.abc import AsyncIterator
from pathlib import Path
from hostloop import App, Timeouts, hook, provide, worker

logging.basicConfig(level=logging.INFO)
folder = Path(__file__).parent

class Database: ...

async def database() -> AsyncIterator[Database]:
    yield Database()
    (folder / "closed").touch()

async def slow_stop() -> None:
    (folder / "stopping").touch()
    while not (folder / "may_stop").exists():
        await asyncio.sleep(0.01)

async def work(database: Database) -> None:
    (folder / "up").touch()
    await asyncio.Event().wait()

app = App(provide(database), hook(on_stop=slow_stop, stop_timeout=60), worker(work))

@app.get("/pid")
async def pid(database: Database) -> str:
    import os
    return str(os.getpid())

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    if options.get("workers"):
        app.run(**options)
    else:
        sys.exit(asyncio.run(app.run_until_signal()))
"""


def test_a_signal_stops_a_program_without_http_and_all_of_it_is_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, PROGRAM) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            (tmp_path / "may_stop").touch()
            assert await asyncio.to_thread(program.status) == 0
            assert (tmp_path / "closed").exists()
            assert "Traceback" not in program.log

    asyncio.run(main())


def test_a_second_signal_cuts_the_stop_short_and_the_database_is_closed_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        with programs.serving(tmp_path, PROGRAM) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 1
            assert (tmp_path / "closed").exists()
            assert "the stop of hook `slow_stop`" in program.log

    asyncio.run(main())


def test_a_third_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    stubborn = """
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            (folder / "cancelled").touch()
"""
    program_text = PROGRAM.replace(
        """
    while not (folder / "may_stop").exists():
        await asyncio.sleep(0.01)
""",
        stubborn,
    )

    async def main() -> None:
        with programs.serving(tmp_path, program_text) as program:
            await programs.appears(tmp_path / "up")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "stopping")
            program.signal(signal.SIGTERM)
            await programs.appears(tmp_path / "cancelled")
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 128 + signal.SIGTERM
            assert not (tmp_path / "closed").exists()

    asyncio.run(main())


def test_every_worker_process_has_an_application_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "may_stop").touch()
        with programs.serving(tmp_path, PROGRAM, workers=2) as program:
            await program.answers()
            await program.workers(lambda pids: len(pids) == 2)
            program.signal(signal.SIGTERM)
            assert await asyncio.to_thread(program.status) == 0
            assert (tmp_path / "closed").exists()

    asyncio.run(main())


def test_signals_are_given_back(run: Run) -> None:
    def handler(*_: Any) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)

    async def main() -> None:
        app = App(invoke(lambda: None))
        running = asyncio.ensure_future(app.run_until_signal())
        while not app.is_ready:
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0

    try:
        run(main())
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_while_it_starts_undoes_the_start(run: Run) -> None:
    ledger = Ledger()
    begun = asyncio.Event()

    async def slow(settings: Settings) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> None:
        app = App(ledger.hook("x"), provide(Settings), provide(Database), hook(on_start=slow))
        running = asyncio.ensure_future(app.run_until_signal())
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
        assert ledger.lines[-1] == "stop x"

    run(main())


def test_the_code_of_a_stop_is_what_a_program_ends_with(run: Run) -> None:
    async def work(app: App) -> None:
        app.stop(3)

    async def main() -> None:
        assert await App(worker(work)).run_until_signal() == 3

    run(main())
    with pytest.raises(SystemExit) as raised:
        App(worker(work)).run(port=wire.free_port())
    assert raised.value.code == 3
