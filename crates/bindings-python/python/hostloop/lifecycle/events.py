"""What happens, as lines of the logger `hostloop.lifecycle`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .wiring import Wiring

__all__ = ["Event", "log", "report"]

log = logging.getLogger("hostloop.lifecycle")

Event = tuple[float, str, "int | None", "float | None", str]
"""When, in seconds of the run's clock; what; to which node; how many seconds it took; more to be read."""

INFO = {
    "phase",
    "listening",
    "drained",
    "worker started",
    "worker ready",
    "worker exited",
    "reloading",
    "swapped",
    "closed",
}
WARNING = {"timed out", "abandoned", "blocked", "rolling back", "worker backing off"}
ERROR = {"construct failed", "finalize failed", "hook failed", "worker exhausted", "reload failed"}
"""All others are for debugging."""

LEVELS = {
    **dict.fromkeys(INFO, logging.INFO),
    **dict.fromkeys(WARNING, logging.WARNING),
    **dict.fromkeys(ERROR, logging.ERROR),
}


def report(event: Event, wiring: Wiring) -> None:
    """Logs one event."""
    _, kind, node, duration, detail = event
    level = LEVELS.get(kind, logging.DEBUG)
    if log.isEnabledFor(level):
        parts = [kind]
        if node is not None:
            parts.append(wiring.name(node))
        if duration is not None:
            parts.append(f"in {duration:.2f} s" if duration >= 0.01 else f"in {duration * 1000:.2f} ms")
        log.log(level, "%s", " ".join(parts) + (f": {detail}" if detail else ""))
