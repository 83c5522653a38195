"""Several processes on one port, and the supervisor that replaces one that dies.

The supervisor binds every socket and keeps it open: connections that wait in a worker's queue while the worker is replaced are
accepted by its successor instead of being reset. A worker is a fork of the supervisor, made before any event loop or engine, and
tells it through a socket pair when it is ready and when it begins to drain; then its successor is started beside it.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AddressError

__all__ = ["Slot", "Supervisor", "worker_slot"]

log = logging.getLogger("hostloop")

READY, DRAINING = b"r", b"d"
FIRST_BACKOFF, MAX_BACKOFF = 0.1, 5.0
"""Seconds before a worker that died is replaced, doubled while its successors die within `STABLE`."""
STABLE = 10.0

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)

BACKLOG = 4096
"""Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`."""


@dataclass
class Slot:
    """A worker's place, as the worker sees it: its sockets, and its line to the supervisor."""

    sockets: list[socket.socket]
    line: socket.socket

    def is_ready(self) -> None:
        """Tells the supervisor that this worker serves."""
        self.tell(READY)

    def is_draining(self) -> None:
        """Tells the supervisor that this worker accepts no more, so that its successor starts at once."""
        self.tell(DRAINING)

    def tell(self, what: bytes) -> None:
        try:
            self.line.send(what)
        except OSError:
            log.warning("worker %s has lost its supervisor", os.getpid())


_slot: Slot | None = None


def worker_slot() -> Slot:
    """Returns this process's place among the workers."""
    assert _slot is not None, "this process is not a worker"
    return _slot


@dataclass
class Worker:
    """A worker, as the supervisor sees it."""

    pid: int
    line: socket.socket
    started: float
    was_ready: bool = False
    is_leaving: bool = False


@dataclass
class Place:
    """What outlives the workers of a place: its sockets and its luck."""

    sockets: list[socket.socket]
    workers: list[Worker] = field(default_factory=list)
    backoff: float = FIRST_BACKOFF
    start_at: float | None = 0.0
    """When the next worker is due; None while one serves."""


class Supervisor:
    """Keeps `count` workers alive on the same addresses."""

    def __init__(self, count: int, addresses: list[str]) -> None:
        self._places = [Place([]) for _ in range(count)]
        self.addresses = [self._bind(address) for address in addresses]
        self._stops = 0
        self._failed = False
        self._was_ready = False

    def run(self, serve: Callable[[], None]) -> None:
        """Forks the workers and supervises them until SIGINT or SIGTERM, which they answer by draining.

        A second signal cuts their drain short, a third kills them. SIGHUP replaces the workers, each when its successor is ready.
        """
        alarm, waker = socket.socketpair()
        alarm.setblocking(False)
        waker.setblocking(False)
        before = {number: signal.signal(number, lambda *_: None) for number in HANDLED}
        wakeup = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            while self._is_needed():
                self._start_due(serve)
                self._wait(alarm)
                self._reap()
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._unbind()
            alarm.close()
            waker.close()
        if self._failed:
            raise SystemExit(1)

    def _bind(self, address: str) -> str:
        if address.startswith("unix:"):
            sock = listen_unix(address.removeprefix("unix:"))
            for place in self._places:
                place.sockets.append(sock)
            return address
        # Workers share their port. Whoever else shares it would get a part of the clients, so there must be nobody.
        bind_tcp(address, shares_port=False).close()
        for place in self._places:
            sock = listen_tcp(address)
            host, port = sock.getsockname()[:2]
            address = f"[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{host}:{port}"
            place.sockets.append(sock)
        return address

    def _unbind(self) -> None:
        """Gives up the addresses, a unix socket's file first: once the socket is closed, the file may be a successor's."""
        for address in self.addresses:
            if address.startswith("unix:"):
                Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        self.addresses.clear()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for place in self._places:
            for sock in place.sockets:
                sock.close()

    def _is_needed(self) -> bool:
        return not self._stops or any(place.workers for place in self._places)

    def _start_due(self, serve: Callable[[], None]) -> None:
        now = time.monotonic()
        for place in self._places:
            if not self._stops and place.start_at is not None and place.start_at <= now:
                place.start_at = None
                try:
                    place.workers.append(self._fork(place, serve))
                except OSError as error:
                    log.error("a worker cannot be started: %s", error)
                    self._start_again(place, 0, did_serve=False)

    def _fork(self, place: Place, serve: Callable[[], None]) -> Worker:
        ours, theirs = socket.socketpair()
        flush_streams()
        # A signal must not reach the child while it still has the supervisor's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._become_worker(place, theirs, serve)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            theirs.close()
        ours.setblocking(False)
        log.info("worker %s started", pid)
        return Worker(pid, ours, time.monotonic())

    def _become_worker(self, place: Place, line: socket.socket, serve: Callable[[], None]) -> None:
        global _slot
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # A terminal sends SIGINT to the whole group; the supervisor decides.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            for other in self._places:
                for worker in other.workers:
                    worker.line.close()
            _slot = Slot([sock.dup() for sock in place.sockets], line)
            # Only what the worker serves may outlive the supervisor, and only as long as it is served.
            self._close_sockets()
            serve()
            status = 0
        except BaseException:
            log.exception("worker %s failed", os.getpid())
        finally:
            logging.shutdown()
            flush_streams()
            os._exit(status)

    def _wait(self, alarm: socket.socket) -> None:
        now = time.monotonic()
        due = [place.start_at - now for place in self._places if place.start_at is not None and not self._stops]
        lines = {worker.line: (place, worker) for place in self._places for worker in place.workers}
        ready, _, _ = select.select([alarm, *lines], [], [], max(0.0, min(due)) if due else None)
        for sock in ready:
            if sock is alarm:
                for number in alarm.recv(256):
                    self._signalled(number)
            else:
                self._told(*lines[sock])

    def _told(self, place: Place, worker: Worker) -> None:
        try:
            told = worker.line.recv(16)
        except OSError:
            told = b""
        if READY in told:
            worker.was_ready = self._was_ready = True
            for older in place.workers[: place.workers.index(worker)]:
                if not older.is_leaving:
                    self._retire(older)
        if DRAINING in told and worker.was_ready and not worker.is_leaving:
            worker.is_leaving = True
            place.start_at = time.monotonic()

    def _signalled(self, number: int) -> None:
        if number in (signal.SIGINT, signal.SIGTERM):
            self._stops += 1
            for place in self._places:
                for worker in place.workers:
                    os.kill(worker.pid, signal.SIGKILL if self._stops > 2 else signal.SIGTERM)
            # Workers take what waits in their queues; then clients are refused, and try elsewhere, instead of waiting in vain.
            self._unbind()
        elif number == signal.SIGHUP:
            for place in self._places:
                place.start_at = time.monotonic()

    def _retire(self, worker: Worker) -> None:
        worker.is_leaving = True
        os.kill(worker.pid, signal.SIGTERM)

    def _reap(self) -> None:
        for place in self._places:
            for worker in list(place.workers):
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    worker.line.close()
                    place.workers.remove(worker)
                    self._died(place, worker, os.waitstatus_to_exitcode(status))

    def _died(self, place: Place, worker: Worker, code: int) -> None:
        log.log(logging.INFO if code == 0 else logging.ERROR, "worker %s ended with %s", worker.pid, code)
        if not self._stops and not worker.is_leaving:
            self._start_again(place, time.monotonic() - worker.started, worker.was_ready)

    def _start_again(self, place: Place, lifetime: float, did_serve: bool) -> None:
        """Plans a worker in place of one that has lived so long: at once if it served, later and later if its successors do not."""
        if not self._was_ready:
            log.error("no worker could start; giving up")
            self._stops, self._failed = 1, True
            for other in self._all():
                os.kill(other.pid, signal.SIGTERM)
            return
        if lifetime > STABLE:
            place.backoff = FIRST_BACKOFF
        place.start_at = time.monotonic() + (0 if did_serve and place.backoff == FIRST_BACKOFF else place.backoff)
        place.backoff = min(place.backoff * 2, MAX_BACKOFF)

    def _all(self) -> list[Worker]:
        return [worker for place in self._places for worker in place.workers]


def flush_streams() -> None:
    """Writes what is buffered: a fork would write it twice, and `os._exit` never."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()


def listen_tcp(address: str) -> socket.socket:
    sock = bind_tcp(address, shares_port=True)
    accept_from(sock)
    return sock


def bind_tcp(address: str, *, shares_port: bool) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shares_port)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host.strip("[]"), int(port)))
    except OSError as error:
        sock.close()
        raise AddressError(
            error.errno, f"cannot listen on {address}: {error.strerror}; stop what listens there or choose another port"
        ) from None
    return sock


def accept_from(sock: socket.socket) -> None:
    # Workers share this mode with each other: one that duplicated a blocking socket would block its siblings.
    sock.setblocking(False)
    sock.listen(BACKLOG)


def listen_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if is_abandoned(path):
            Path(path).unlink()
        sock.bind(path)
        accept_from(sock)
    except OSError as error:
        sock.close()
        raise AddressError(error.errno, f"cannot listen on unix:{path}: {error.strerror}") from None
    return sock


def is_abandoned(path: str) -> bool:
    """Whether it is a socket's file that nobody listens behind any more."""
    if not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
    return False
