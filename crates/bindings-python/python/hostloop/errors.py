"""Every error of hostloop's: one small hierarchy under `HostloopError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "AddressError",
    "ClientDisconnected",
    "ClosedError",
    "ConflictError",
    "EngineError",
    "ForkedError",
    "FullError",
    "HTTPError",
    "HostloopError",
    "InvalidError",
    "StaleError",
]


class HostloopError(Exception):
    """The base of all of them."""


class InvalidError(HostloopError, ValueError):
    """A value is outside what is accepted. The message names it and the fix."""


class ConflictError(HostloopError, RuntimeError):
    """The call makes no sense now, such as a route given twice or a second response."""


class AddressError(HostloopError, OSError):
    """The address cannot be listened on: it is in use, not this machine's, or not allowed."""


class StaleError(HostloopError, RuntimeError):
    """The request has ended: it was answered, its client left, or a timeout ran out."""


class ClosedError(HostloopError, RuntimeError):
    """The server is closed."""


class ForkedError(HostloopError, RuntimeError):
    """The process was forked after the server was made. Make servers after forking."""


class FullError(HostloopError, RuntimeError):
    """A bounded queue is full. Wait, then try again."""


class EngineError(HostloopError, OSError):
    """The operating system refused, or hostloop itself has a defect. The process lives on."""


class ClientDisconnected(HostloopError, ConnectionError):
    """The client left in the middle of its request's body, or of a streamed response."""


class HTTPError(HostloopError):
    """Answers a request with problem details (RFC 9457) when raised in a handler.

    ```python
    raise HTTPError(404, f"no link is named {code!r}")
    ```

    `errors` lists what was wrong with single values, each with `in`, `name`, `got` and `wanted`.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        *,
        title: str | None = None,
        errors: Sequence[Mapping[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not 400 <= status <= 599:
            raise InvalidError(f"HTTPError has the status {status}; use 400 to 599")
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.title = title
        self.errors = errors
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}" if self.detail else str(self.status)
