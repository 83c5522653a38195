"""The service under test as a child process, and the one way to send it a request."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage
from pathlib import Path
from typing import Any

START_SECONDS = STOP_SECONDS = REQUEST_SECONDS = 15.0


class Failure(AssertionError):
    """Says what the service did that the contract does not allow."""


@dataclass(frozen=True)
class Answer:
    """A response as the runner saw it."""

    status: int
    headers: HTTPMessage
    body: bytes


class Service:
    """The service, its database and its log in one directory.

    The connection is kept alive from one request to the next, so a response framed wrongly shows.
    """

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self.log = directory / "service.log"
        self._command = command
        self._database = directory / "links.db"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection = HTTPConnection("127.0.0.1", 0)

    def start(self) -> None:
        """Starts the command on a free port and waits until `/health` answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        place = {"HOST": "127.0.0.1", "PORT": str(port), "DATABASE": str(self._database)}
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._command, env={**os.environ, **place}, stdout=log, stderr=log
                )
            except OSError as error:
                raise Failure(f"the command does not start: {error}") from None
        self._connection = HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy():
            if (status := self._process.poll()) is not None:
                raise Failure(f"the service ended with status {status} before /health answered")
            if time.monotonic() > deadline:
                raise Failure(f"/health did not answer within {START_SECONDS:g} s")
            time.sleep(0.02)

    def send(self, request: dict[str, Any], together: int = 1) -> list[Answer]:
        """Sends a request on the kept connection, or `together` of them at once on new ones."""
        if together == 1:
            return [_send(request, self._connection)]
        port = self._connection.port
        connections = [
            HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS) for _ in range(together)
        ]
        try:
            with ThreadPoolExecutor(together) as threads:
                return list(threads.map(partial(_send, request), connections))
        finally:
            for connection in connections:
                connection.close()

    def stop(self) -> None:
        """Asks the service to end with SIGTERM; it has to end in time and with status 0."""
        assert self._process is not None, "start() comes first"
        self._process.terminate()
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"the service did not end within {STOP_SECONDS:g} s of SIGTERM") from None
        finally:
            self._connection.close()
        if status != 0:
            raise Failure(f"the service ended with status {status} after SIGTERM; 0 expected")

    def kill(self) -> None:
        """Ends the service with SIGKILL, as a crash would; one that has ended stays as it is."""
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_healthy(self) -> bool:
        try:
            return _send({"method": "GET", "path": "/health"}, self._connection).status == 200
        except Failure:
            return False


def _send(request: dict[str, Any], connection: HTTPConnection) -> Answer:
    headers, body = dict(request.get("headers", {})), request.get("body")
    if "json" in request:
        headers.setdefault("content-type", "application/json")
        body = json.dumps(request["json"])
    content = None if body is None else body.encode()
    try:
        connection.request(request["method"], request["path"], content, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    except (OSError, HTTPException) as error:
        connection.close()
        raise Failure(f"no valid response: {error!r}") from error
