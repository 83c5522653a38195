"""From what the run says has failed to exceptions.

A step that raised keeps its exception, with a note that names the step. One alone is raised as it is, several in a group.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ClosedError, DeadlockError, LifecycleError, StepError, StepTimeout

__all__ = ["Errors", "as_one", "note"]

MOST = 1024
"""Exceptions that are kept. A worker that fails for years must not fill the memory."""

CAUSES: dict[str, type[Exception]] = {"timed out": StepTimeout, "deadlock": DeadlockError, "closed": ClosedError}


class Errors:
    """Exceptions by number, as the run names them."""

    def __init__(self) -> None:
        self._kept: dict[int, BaseException] = {}
        self._next = 0

    def keep(self, error: BaseException) -> int:
        """Keeps an exception, and returns its number."""
        self._next += 1
        self._kept[self._next] = error
        self._kept.pop(self._next - MOST, None)
        return self._next

    def get(self, number: int | None) -> BaseException | None:
        """Returns the exception of a number, if it is still kept."""
        return None if number is None else self._kept.get(number)

    def of(self, failure: tuple[int, str, int | None, str]) -> BaseException:
        """Returns the exception of a failure."""
        _, cause, number, message = failure
        error = self.get(number)
        if error is None:
            return CAUSES.get(cause, StepError)(message)
        note(error, message)
        return error

    def all_of(self, failures: Iterable[tuple[int, str, int | None, str]]) -> list[BaseException]:
        """Returns the exceptions of failures, each once."""
        return list({id(error): error for error in map(self.of, failures)}.values())


def note(error: BaseException, text: str) -> None:
    """Adds a line to what an exception says, unless it has it already."""
    notes: list[Any] = getattr(error, "__notes__", [])
    if text not in notes:
        # `add_note` is Python 3.11's.
        error.__notes__ = [*notes, text]


def as_one(errors: list[BaseException], message: str) -> BaseException | None:
    """Joins errors: none, the one, or a group. One that asks the process to end is raised before all."""
    for error in errors:
        if not isinstance(error, Exception):
            return error
    if len(errors) > 1:
        return LifecycleError(message, [error for error in errors if isinstance(error, Exception)])
    return errors[0] if errors else None
