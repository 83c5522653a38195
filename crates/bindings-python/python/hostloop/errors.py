"""Every error of hostloop's: one small hierarchy under `HostloopError`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

__all__ = [
    "AddressError",
    "ClientDisconnected",
    "ClosedError",
    "ConflictError",
    "DeadlockError",
    "EngineError",
    "FatalError",
    "ForkedError",
    "FullError",
    "HTTPError",
    "HostloopError",
    "InvalidError",
    "LifecycleError",
    "Mistake",
    "NotProvidedError",
    "ProviderError",
    "StaleError",
    "StepError",
    "StepTimeout",
    "StoppedError",
    "WiringError",
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
    """The server, the application or the scope is closed, or closing."""


class ForkedError(HostloopError, RuntimeError):
    """The process was forked after the server was made. Make servers after forking."""


class FullError(HostloopError, RuntimeError):
    """A bounded queue is full. Wait, then try again."""


class EngineError(HostloopError, OSError):
    """The operating system refused, or hostloop itself has a defect. The process lives on."""


class ClientDisconnected(HostloopError, ConnectionError):
    """The client left in the middle of its request's body, or of a streamed response."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in the wiring, or one warning."""

    code: str
    """What kind it is, for programs: `missing`, `cycle`, `leak`, `ambiguous`, `duplicate`, `async-in-sync`, `unknown-scope`,
    `override-nothing`, `decorate-nothing`, `pinned`; of warnings `unused` and `empty-collection`."""
    message: str
    """What is wrong."""
    path: tuple[tuple[str, str], ...]
    """How it is reached: names, each with the place where it was written."""
    fix: str
    """What to do, or empty."""
    text: str
    """All of it, to be read."""

    def __str__(self) -> str:
        return self.text


class WiringError(HostloopError):
    """The declarations of an application do not fit together. It holds every mistake, not the first alone."""

    def __init__(self, text: str, mistakes: Sequence[Any] = (), warnings: Sequence[Any] = ()) -> None:
        super().__init__(text)
        self.mistakes = [mistake_of(row) for row in mistakes]
        """What must be mended."""
        self.warnings = [mistake_of(row) for row in warnings]
        """What is odd besides."""


def mistake_of(row: Any) -> Mistake:
    """Reads a mistake as the native layer tells it."""
    code, message, path, fix, text = row
    return Mistake(code, message, tuple(map(tuple, path)), fix, text)


class NotProvidedError(HostloopError, LookupError):
    """What was asked for is provided by nothing, or by several. The message says what comes close."""


class ProviderError(HostloopError, RuntimeError):
    """A provider does not do what its kind must: a generator that yields twice or never."""


class DeadlockError(HostloopError, RuntimeError):
    """A constructor would wait for itself. The message has the path."""


class StoppedError(HostloopError):
    """The application was stopped before it had started. `code` is what `stop` was given."""

    def __init__(self, code: int = 0) -> None:
        super().__init__("the application was stopped before it had started")
        self.code = code


class FatalError(HostloopError):
    """Ends a worker for good when it is raised in one: it is not run again, whatever its policy."""


class StepError(HostloopError):
    """A step of the start or of the stop failed without an exception of its own: it was silent, or ended too often."""


class StepTimeout(StepError, TimeoutError):
    """A constructor, hook, worker or teardown took longer than it may. The message names it and tells what had finished."""


class LifecycleError(HostloopError, ExceptionGroup[Exception]):
    """Several steps of the start or of the stop failed; those of the start come first.

    If one alone failed, its own exception is raised instead.
    """

    def derive(self, excs: Sequence[Exception]) -> LifecycleError:  # type: ignore[override]
        """Makes one of the same kind, for `split` and `except*`."""
        return LifecycleError(self.message, excs)


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
