"""What happens, as lines of the logger `hostloop.lifecycle`."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .wiring import Wiring

__all__ = ["Event", "Log", "log", "report"]


class Log:
    """A logger whose filters and handlers, which are the user's, may fail: that is printed, as `logging` does, and nothing else."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def info(self, text: str, *arguments: Any) -> None:
        """Logs what may be of interest."""
        self.say(logging.INFO, text, arguments)

    def error(self, text: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """Logs what went wrong."""
        self.say(logging.ERROR, text, arguments, exc_info)

    def critical(self, text: str, *arguments: Any, exc_info: BaseException | None = None) -> None:
        """Logs what ends the application or the process."""
        self.say(logging.CRITICAL, text, arguments, exc_info)

    def say(self, level: int, text: str, arguments: tuple[Any, ...], error: BaseException | None = None) -> None:
        """Logs for whoever has called the caller."""
        try:
            self._logger.log(level, text, *arguments, exc_info=error, stacklevel=3)
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc()

    def is_for(self, level: int) -> bool:
        """Whether anybody wants to read what is of this level."""
        return self._logger.isEnabledFor(level)


log = Log(logging.getLogger("hostloop.lifecycle"))

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
    if level == logging.INFO and node is not None and wiring.is_block(node):
        # Only what keeps the stop waiting for it is of interest.
        level = logging.DEBUG
    if log.is_for(level):
        parts = [kind]
        if node is not None:
            parts.append(wiring.name(node))
        if duration is not None:
            parts.append(f"in {duration:.2f} s" if duration >= 0.01 else f"in {duration * 1000:.2f} ms")
        log.say(level, "%s", (" ".join(parts) + (f": {detail}" if detail else ""),))
