"""The link shortener of `examples/service`: what it keeps, what it drops, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import wire

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "service" / "python"

PATIENCE = 20


@pytest.fixture
def example() -> Iterator[Any]:
    """The example's own modules."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        import app
        import settings

        yield app, settings
    finally:
        sys.path.remove(str(EXAMPLE))
        for name in [name for name, module in sys.modules.items() if str(EXAMPLE) in str(getattr(module, "__file__", ""))]:
            del sys.modules[name]


@pytest.fixture
def service(example: Any, tmp_path: Path) -> Any:
    """The service on a fresh database, sweeping all the time."""
    app, settings = example
    return app.build_app(settings.Settings(database=tmp_path / "links.db", sweep=0.01))


def eventually(is_so: Callable[[], bool]) -> None:
    """Waits until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.01)


def add(client: Any, code: str, expires_at: str) -> None:
    reply = client.post("/links", json={"url": "https://example.com", "code": code, "expires_at": expires_at})
    assert reply.status == 201


def test_what_has_expired_is_dropped_and_nothing_else(service: Any) -> None:
    with service.test() as client:
        add(client, "future", "2999-01-01T00:00:00Z")
        add(client, "past", "2001-01-01T00:00:00Z")
        eventually(lambda: client.get("/links/past").status == 404)
        assert client.get("/links/future").status == 200


def sweepers() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "sweeper" in task.get_name()]


async def run_again(first: asyncio.Task[Any]) -> None:
    """Waits until another task sweeps."""
    while not any(task is not first and not task.done() for task in sweepers()):
        await asyncio.sleep(0.01)


def test_a_sweeper_that_is_killed_is_run_again(service: Any) -> None:
    async def main() -> None:
        async with service.test() as client:
            [task] = sweepers()
            task.cancel()
            await run_again(task)
            reply = await client.post(
                "/links", json={"url": "https://example.com", "code": "past", "expires_at": "2001-01-01T00:00:00Z"}
            )
            assert reply.status == 201
            while (await client.get("/links/past")).status != 404:
                await asyncio.sleep(0.01)
            nodes = service.explain()["nodes"]
            [sweeper] = [node for node in nodes if node["label"] == "sweeper"]
            assert (sweeper["state"], sweeper["detail"]) == ("running", "attempt 2, 1 restarts")

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_its_picture_shows_all_of_it(service: Any) -> None:
    with service.test():
        explained = service.explain()
    states = {node["label"]: node["state"] for node in explained["nodes"]}
    assert {"Settings", "open_database", "Links", "greet", "sweeper", "http", "GET /{code}", "POST /links"} <= states.keys()


def test_sigterm_under_load_loses_nothing_and_closes_the_database(tmp_path: Path) -> None:
    database, port = tmp_path / "links.db", wire.free_port()
    environment = {**os.environ, "PORT": str(port), "DATABASE": str(database)}
    process = subprocess.Popen(
        [sys.executable, EXAMPLE / "main.py"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: is_listening(port))
        creators = [Creator(port, number) for number in range(4)]
        for creator in creators:
            creator.start()
        eventually(lambda: all(len(creator.created) > 5 for creator in creators))
        process.send_signal(signal.SIGTERM)
        for creator in creators:
            creator.join(PATIENCE)
        _, log = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, [creator.failure for creator in creators]) == (0, [None] * 4), log
    assert not Path(f"{database}-wal").exists(), "the database was not closed"
    with closing(sqlite3.connect(database)) as connection:
        kept = {code for (code,) in connection.execute("SELECT code FROM links")}
    assert {code for creator in creators for code in creator.created} <= kept


def is_listening(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/health")
            return connection.getresponse().read() == b'{"status":"ok"}'
        except OSError:
            return False


class Creator(threading.Thread):
    """Creates links, one after the other, until the service takes no more connections."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._number = number
        self.created: list[str] = []
        self.failure: str | None = None

    def run(self) -> None:
        while self.failure is None:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)) as connection:
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    return
                self.create_while_open(connection)

    def create_while_open(self, connection: http.client.HTTPConnection) -> None:
        """Uses a connection until the service says that it closes."""
        while self.failure is None:
            code = f"c{self._number}-{len(self.created)}"
            try:
                connection.request("POST", "/links", json.dumps({"url": "https://example.com", "code": code}))
                reply = connection.getresponse()
                reply.read()
            except OSError as error:
                self.failure = f"{code}: {error!r}"
                return
            if reply.status != 201:
                self.failure = f"{code}: {reply.status}"
                return
            self.created.append(code)
            if reply.will_close:
                return
