"""Starts one server on its core for one measurement and ends it again."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from harness.outcome import MeasurementError
from harness.roster import Server
from harness.scenarios import HELLO, Case, Request

SERVER_CORE = 0
HOST = "127.0.0.1"
# Below the ephemeral range, so that no client's port is taken for a server's.
PORTS = count(18_000)

START_SECONDS = 20.0
STOP_SECONDS = 5.0
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class RunningServer:
    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def running(server: Server, case: Case) -> Iterator[RunningServer]:
    """A fresh process of `server`, pinned to its core, that answers when the block is entered."""
    port = next(port for port in PORTS if _is_free(port))
    argv = ["taskset", "--cpu-list", str(SERVER_CORE), *server.argv(case.scenario, port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            argv,
            cwd=server.folder,
            env={**os.environ, **server.environ(port)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(process, port)
            yield RunningServer(process.pid, port)
        except MeasurementError as error:
            raise MeasurementError(f"{error}{_last_words(log.fileno())}") from None
        finally:
            _stop(process)


def probe(server: RunningServer, request: Request) -> None:
    """Makes one request and compares the answer with what it must be."""
    response, body = _exchange(server.port, request)
    if response.status != 200:
        raise MeasurementError(
            f"{request.method} {request.path} answered {response.status}, not 200"
        )
    if request.chunked and response.getheader("transfer-encoding") != "chunked":
        raise MeasurementError(f"{request.method} {request.path} answered all at once, not chunked")
    try:
        right = request.accepts(body)
    except ValueError:
        right = False
    if not right:
        raise MeasurementError(
            f"{request.method} {request.path} answered {len(body)} wrong bytes: {body[:60]!r}"
        )


def _exchange(port: int, request: Request) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    try:
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        return response, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise MeasurementError(f"{request.method} {request.path}: {error!r}") from error
    finally:
        connection.close()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if _has_ended(process):
            raise MeasurementError("the server ended at its start")
        try:
            _exchange(port, HELLO)
            return
        except MeasurementError as error:
            if time.monotonic() > deadline:
                raise MeasurementError(f"no answer within {START_SECONDS:.0f} s") from error
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the server, then SIGKILL to what is left of the process group it leads.

    The server is reaped last: until then its process id, and so the group's, belongs to no other.
    """
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process has ended; unlike `poll`, leaves it unreaped."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
        return True


def _last_words(log: int) -> str:
    size = os.fstat(log).st_size
    text = os.pread(log, 600, max(0, size - 600)).decode(errors="replace").strip()
    return f"; its last output: {' '.join(text.split())}" if text else ""
