"""What reaches an application from outside while it runs: signals, its supervisor, files that change."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .signals import Slot, handled
from .watch import Reloads, reloading

if TYPE_CHECKING:
    from .container import Container

__all__ = ["NOTHING", "Outside", "heeded"]


@dataclass(frozen=True)
class Outside:
    """What an application is to heed."""

    signals: tuple[signal.Signals, ...] = ()
    reload: Reloads | None = None
    slot: Slot | None = None


NOTHING = Outside()


@contextmanager
def heeded(outside: Outside, container: Container) -> Iterator[None]:
    """Has the container told of all of it, from before its start to its end."""
    with handled(outside.signals, container, outside.slot), reloading(container, outside.reload):
        yield
