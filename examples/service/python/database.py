"""The SQLite file, and how many threads share it."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUSY_SECONDS = 5.0  # how long a write waits for another process to finish its own

SCHEMA = """
CREATE TABLE IF NOT EXISTS links (
    code TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    clicks INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    expires_at TEXT
) WITHOUT ROWID
"""


class Database:
    """One SQLite file behind two calls, `read` and `write`, that any thread may make.

    Both block, so they are made from `def` handlers, which run in threads, and never on the loop:
    even a short statement can meet a checkpoint and wait for the disk. In WAL mode a reader waits
    for nobody, so each call takes a connection of its own; SQLite has one writer at a time, so
    writers queue for a lock here rather than poll for SQLite's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._writing = threading.Lock()
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(SCHEMA)

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs a query and returns all its rows."""
        with self._connection() as connection:
            return connection.execute(statement, values).fetchall()

    def write(self, statement: str, *values: object, durable: bool = True) -> int:
        """Runs one statement as a transaction and returns how many rows it changed.

        What is written outlives a crash of the process. With `durable` it is on the disk when the
        call returns and outlives a loss of power too; without, it costs no wait for the disk.
        """
        with self._writing, self._connection() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            return connection.execute(statement, values).rowcount

    def close(self) -> None:
        """Closes the idle connections; the last one to go folds the WAL into the file."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._open()
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        # Autocommit: a statement is a transaction. The connection moves from thread to thread, but
        # only through the deque, so no two threads ever have it at once.
        return sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
