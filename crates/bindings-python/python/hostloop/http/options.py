"""Limits and timeouts of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import InvalidError

__all__ = ["Limits", "Timeouts"]


MOST = {"head_bytes": 1024 * 1024, "target_bytes": 65_534, "header_count": 24_576}
"""What heads may be allowed at most."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a server takes before it refuses."""

    head_bytes: int = 32 * 1024
    """Bytes of a request's head, from the request line to the empty line. More is a 431."""
    target_bytes: int = 8 * 1024
    """Bytes of a request's target: path and query. More is a 414."""
    header_count: int = 100
    """Header fields of a request. More is a 431."""
    body_bytes: int = 16 * 1024 * 1024
    """Bytes of a request's body. More is a 413."""
    connections: int = 65_536
    """Open connections. Beyond it, clients wait in the listener's queue."""
    requests: int = 16_384
    """Requests that are not answered, from their head on. Beyond it a request gets a 503."""
    gathered_bytes: int = 256 * 1024 * 1024
    """Bytes of bodies on their way to handlers that take them whole, over all connections. Beyond it a request gets a 503."""
    stream_bytes: int = 256 * 1024
    """Bytes of one streamed response that wait to be sent, before its handler waits."""
    min_rate: int = 240
    """Bytes a second that a client must send or take once its timeout is used up."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = MOST.get(field.name, 2**32 - 1)
            if type(value) is not int or not 1 <= value <= most:
                raise InvalidError(f"Limits.{field.name} is {value!r}; use a whole number from 1 to {most:,}")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a server waits, in seconds, in each situation by itself. `None` waits without end."""

    header: float | None = 30
    """From the first byte of a request's head to its last. Then a 408."""
    body: float | None = 30
    """For a body's bytes, while the handler wants them; each earns time at `Limits.min_rate`. Then a 408."""
    handler: float | None = 60
    """From the request to the start of its response, less the time spent on its body. Then a 503."""
    write: float | None = 30
    """For the client to take what is written; each byte earns time as in `body`. Then the connection is closed."""
    keep_alive: float | None = 75
    """For the next request on an open connection. Then it is closed."""
    drain: float | None = 15
    """From the start of a drain until handlers are cancelled and connections closed. When the application stops, at most four
    fifths of `Lifetimes.stop_timeout`: the rest is for workers, hooks and teardowns."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 < value < 1e9):
                raise InvalidError(f"Timeouts.{field.name} is {value!r}; use seconds above 0, or None to wait without end")
