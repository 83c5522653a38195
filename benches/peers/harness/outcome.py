"""What a measurement gives: figures, or the reason why there are none."""

from __future__ import annotations

from dataclasses import dataclass


class MeasurementError(Exception):
    """A measurement that cannot be counted; its text is shown in the report."""


@dataclass(frozen=True)
class LoadFigures:
    requests: int
    wall_seconds: float
    cpu_seconds: float
    cpu_us_per_request: float
    requests_per_second: float
    core_busy: float  # CPU time by wall time; 1.0 is a whole core
    p50_ms: float
    p99_ms: float
    errors: dict[str, int]  # those that happened, by kind

    @property
    def fault(self) -> str | None:
        return ", ".join(f"{count} {kind}" for kind, count in self.errors.items()) or None


@dataclass(frozen=True)
class IdleFigures:
    connections: int
    open_seconds: float
    pss_before_kib: int
    pss_after_kib: int
    rss_before_kib: int
    rss_after_kib: int
    pss_bytes_per_connection: float
    rss_bytes_per_connection: float

    @property
    def fault(self) -> str | None:
        return None


@dataclass(frozen=True)
class Failure:
    """A round without figures."""

    fault: str


@dataclass(frozen=True)
class NotApplicable:
    """A case that a server does not do, and why."""

    reason: str


Outcome = LoadFigures | IdleFigures | Failure
