"""How long the steps of an application's life may take, and how its workers are supervised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InvalidError

__all__ = ["Lifetimes", "Policy", "seconds"]

Order = Literal["levels", "dependencies"]
Restart = Literal["never", "on_failure", "always"]
OnExhausted = Literal["stop_app", "degrade", "restart_dependents"]


def seconds(name: str, value: Any, *, least: float | None = None, is_optional: bool = True) -> None:
    """Refuses what is not a number of seconds: above 0, or from `least` on."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is None and is_optional:
        return
    if not (is_number and value < 1e9 and (value > 0 if least is None else value >= least)):
        wanted = "above 0" if least is None else f"from {least:g} on"
        rest = ", or None to wait without end" if is_optional else ""
        raise InvalidError(f"{name} is {value!r}; use seconds {wanted}{rest}")


def one_of(name: str, value: Any, *known: str) -> None:
    """Refuses what is none of these words."""
    if value not in known:
        raise InvalidError(f"{name} is {value!r}; use {' or '.join(map(repr, known))}")


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """How an application starts and stops. Times are seconds; `None` waits without end.

    How long requests may take when the stop begins is `Timeouts.drain`.
    """

    order: Order = "levels"
    """`"levels"`: all of one level start before any of the next. `"dependencies"`: each as soon as what it depends on is up."""
    start_timeout: float | None = None
    """For the whole start."""
    step_timeout: float | None = 15
    """For one constructor, one start of a hook or one ready gate that has no timeout of its own."""
    stop_step_timeout: float | None = 5
    """For one stop of a hook or worker, and for one teardown, that has no timeout of its own."""
    stop_timeout: float | None = 28
    """For the whole stop, and for undoing a failed start. A fifth of it is kept for teardowns. Kubernetes grants 30 s."""
    pre_stop_delay: float = 0
    """From the moment it says that it is not ready until its listeners close, so that a load balancer can notice."""
    grace: float = 1
    """For what was cancelled, before it is abandoned."""
    cut_short: float = 1
    """For all that is left, after a second signal."""
    retire_timeout: float | None = 30
    """For the last users of a value that was replaced, before it is taken back all the same."""
    blocked_after: float = 0.1
    """How long one call may keep the loop from going on before that is logged."""

    def __post_init__(self) -> None:
        one_of("Lifetimes.order", self.order, "levels", "dependencies")
        for name in ("start_timeout", "step_timeout", "stop_step_timeout", "stop_timeout", "retire_timeout"):
            seconds(f"Lifetimes.{name}", getattr(self, name))
        for name in ("pre_stop_delay", "grace", "cut_short", "blocked_after"):
            seconds(f"Lifetimes.{name}", getattr(self, name), least=0, is_optional=False)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How a worker is supervised. `hostloop.worker` takes each of these as an option."""

    restart: Restart = "on_failure"
    backoff: float = 0.2
    factor: float = 2.0
    max_backoff: float = 30
    jitter: float = 0.1
    max_restarts: int = 5
    window: float = 60
    stable_after: float = 60
    on_exhausted: OnExhausted = "stop_app"
    ready: bool = False
    watchdog: float | None = None

    def __post_init__(self) -> None:
        one_of("restart", self.restart, "never", "on_failure", "always")
        one_of("on_exhausted", self.on_exhausted, "stop_app", "degrade", "restart_dependents")
        for name in ("backoff", "max_backoff"):
            seconds(name, getattr(self, name), least=0, is_optional=False)
        for name in ("window", "stable_after"):
            seconds(name, getattr(self, name), is_optional=False)
        seconds("watchdog", self.watchdog)
        number("factor", self.factor, lambda value: 1 <= value <= 1000, "a number from 1 to 1000")
        number("jitter", self.jitter, lambda value: 0 <= value <= 1, "a number from 0 to 1")
        if type(self.max_restarts) is not int or not 0 <= self.max_restarts < 2**32:
            raise InvalidError(f"max_restarts is {self.max_restarts!r}; use 0 or more")


def number(name: str, value: Any, is_right: Callable[[float], bool], wanted: str) -> None:
    """Refuses what is not a number in its bounds."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not is_right(value):
        raise InvalidError(f"{name} is {value!r}; use {wanted}")
