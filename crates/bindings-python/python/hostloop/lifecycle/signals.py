"""Signals, as long as an application runs."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .container import Container

__all__ = ["STOPPING", "Slot", "handled"]

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""What stops an application."""


class Slot(Protocol):
    """A process's place under a supervisor, which is told what the process is about to do."""

    line: socket.socket
    """Readable when the supervisor is gone."""

    def is_ready(self) -> None:
        """Tells that it is up."""

    def is_draining(self) -> None:
        """Tells that it is about to stop."""


@contextmanager
def handled(numbers: Iterable[signal.Signals], container: Container, slot: Slot | None = None) -> Iterator[None]:
    """Has the container told of signals, and of the loss of the supervisor; gives the signals back at the end."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handle(number: int) -> None:
        if slot is not None and not container.signals:
            loop.remove_reader(slot.line)
            slot.is_draining()
        container.signal(number)

    try:
        for number in numbers:
            before[number] = signal.getsignal(number)
            loop.add_signal_handler(number, handle, number)
        if slot is not None:
            loop.add_reader(slot.line, handle, signal.SIGTERM)
        yield
    finally:
        if slot is not None:
            loop.remove_reader(slot.line)
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            # None is a handler that is not Python's: it cannot be put back from here.
            if handler is not None:
                signal.signal(number, handler)
