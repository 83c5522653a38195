"""Programs that serve in a process of their own, for tests of signals and workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import wire

PATIENCE = 15

SERVICE = textwrap.dedent(
    """
    import asyncio, json, logging, os, sys
    from pathlib import Path

    from hostloop import App

    logging.basicConfig(level=logging.INFO)
    app = App()

    @app.get("/pid")
    async def pid() -> str:
        return str(os.getpid())

    @app.get("/gate/{name:path}")
    async def gate(name: str) -> str:
        Path(name + ".begun").touch()
        while not Path(name + ".open").exists():
            await asyncio.sleep(0.01)
        return str(os.getpid())

    if __name__ == "__main__":
        options = json.loads(sys.argv[1])
        if options.pop("uvloop", False):
            import uvloop
            options["loop_factory"] = uvloop.new_event_loop
        app.run(**options)
    """
)


class Program:
    """A process that serves."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: IO[str]) -> None:
        self.process = process
        self.address = address
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has written to its standard error."""
        return Path(self._log.name).read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def status(self) -> int:
        """Waits for its end, and returns its exit status."""
        return self.process.wait(PATIENCE)

    async def answers(self) -> str:
        """Waits until it serves, and returns the id of the process that answered."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return (await wire.get(self.address, "/pid")).text
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the program does not serve:\n{self.log}") from None
                await asyncio.sleep(0.02)

    async def workers(self, is_right: Callable[[set[int]], bool]) -> set[int]:
        """Asks on new connections until those that answer are the right ones, and returns their process ids."""
        deadline = time.monotonic() + PATIENCE
        while True:
            replies = await asyncio.gather(*(wire.get(self.address, "/pid") for _ in range(32)))
            pids = {int(reply.text) for reply in replies}
            if is_right(pids):
                return pids
            if time.monotonic() > deadline:
                raise AssertionError(f"{pids} answer; the program says:\n{self.log}")
            await asyncio.sleep(0.02)


@contextmanager
def serving(folder: Path, program: str = SERVICE, **options: Any) -> Iterator[Program]:
    """Runs a program that calls `app.run(**options)`. What is left of it is killed at the end."""
    if "unix" in options:
        address = f"unix:{options['unix']}"
    else:
        options.setdefault("port", wire.free_port())
        address = f"{options.get('host', '127.0.0.1')}:{options['port']}"
    (folder / "service.py").write_text(program)
    with (folder / "log").open("w") as log:
        command = [sys.executable, str(folder / "service.py"), json.dumps(options)]
        process = subprocess.Popen(command, stderr=log, text=True, start_new_session=True)
        try:
            yield Program(process, address, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


async def appears(path: Path) -> None:
    """Waits for a file."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not appear"
        await asyncio.sleep(0.01)


async def refuses(address: str) -> None:
    """Waits until nobody listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with wire.connected(address):
                pass
        except OSError:
            return
        assert time.monotonic() < deadline, f"somebody still listens on {address}"
        await asyncio.sleep(0.01)
