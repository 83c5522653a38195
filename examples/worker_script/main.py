"""A worker without HTTP: takes jobs from a folder until SIGINT or SIGTERM.

    python examples/worker_script/main.py [FOLDER]

Drop files into the folder, `inbox` if none is given: each is counted, written down and deleted.
A job that fails is tried again, by the same worker run anew. Whatever happens, the ledger is closed
last.
"""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from hostloop import App, Lifecycle, Stop, provide, supply, worker


@dataclass
class Settings:
    """Where jobs come from."""

    inbox: Path


class Ledger:
    """What was done, a line for each job."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Writes a line."""
        print(line, file=self._file, flush=True)


def open_ledger(settings: Settings) -> Iterator[Ledger]:
    """Opens the ledger; when everything that writes to it has ended, closes it."""
    settings.inbox.mkdir(exist_ok=True)
    with (settings.inbox.parent / "ledger.txt").open("a") as file:
        yield Ledger(file)


class Inbox:
    """Jobs that wait."""

    def __init__(self, settings: Settings, ledger: Ledger, lifecycle: Lifecycle) -> None:
        self._folder = settings.inbox
        lifecycle.hook(
            on_start=lambda: ledger.write("open"), on_stop=lambda: ledger.write("closed")
        )

    def take(self) -> Path | None:
        """The next job, if there is one."""
        return next(iter(sorted(self._folder.iterdir())), None)


async def work(inbox: Inbox, ledger: Ledger, stop: Stop) -> None:
    """Does one job after the other. A stop is heeded between two of them."""
    while not stop.is_set():
        job = inbox.take()
        if job is None:
            await stop.sleep(0.1)
            continue
        ledger.write(f"{job.name}: {len(job.read_text().split())} words")
        job.unlink()


def main() -> None:
    """Runs until a signal."""
    settings = Settings(Path(sys.argv[1] if len(sys.argv) > 1 else "inbox"))
    app = App(
        supply(settings),
        provide(open_ledger),
        provide(Inbox),
        worker(work, restart="always", backoff=0.1),
    )
    sys.exit(asyncio.run(app.run_until_signal()))


if __name__ == "__main__":
    main()
