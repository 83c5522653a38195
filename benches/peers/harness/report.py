"""Tells the results: a Markdown table for each case, and everything as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.outcome import Outcome
from harness.rounds import CaseResults


@dataclass(frozen=True)
class Metric:
    """One figure of an outcome, over the rounds."""

    heading: str
    field: str
    show: Callable[[float], str]
    compared: bool = False  # has columns for the spread and for the ratio to the baseline

    def over(self, outcomes: Sequence[Outcome]) -> list[float]:
        return [float(getattr(outcome, self.field)) for outcome in outcomes]

    def median(self, outcomes: Sequence[Outcome]) -> float:
        return statistics.median(self.over(outcomes))


def _decimals(digits: int) -> Callable[[float], str]:
    return lambda number: f"{number:,.{digits}f}"


LOAD_METRICS = (
    Metric("CPU per request, µs", "cpu_us_per_request", _decimals(2), compared=True),
    Metric("requests/s", "requests_per_second", _decimals(0), compared=True),
    Metric("p50, ms", "p50_ms", _decimals(2)),
    Metric("p99, ms", "p99_ms", _decimals(2)),
    Metric("core busy", "core_busy", lambda share: f"{share:.0%}"),
)
IDLE_METRICS = (
    Metric("PSS per connection, bytes", "pss_bytes_per_connection", _decimals(0), compared=True),
    Metric("RSS per connection, bytes", "rss_bytes_per_connection", _decimals(0), compared=True),
    Metric("PSS of all, KiB", "pss_after_kib", _decimals(0)),
)


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """What makes the row invalid: one fault in one round is enough."""
    return [
        f"round {number}: {outcome.fault}"
        for number, outcome in enumerate(outcomes, start=1)
        if outcome.fault
    ]


def markdown(results: CaseResults, baseline: str) -> str:
    """Writes a case as a table, with ratios to the server named `baseline`."""
    metrics = _metrics(results)
    columns = ["server"]
    for metric in metrics:
        columns.append(metric.heading)
        if metric.compared:
            columns += ["min..max", f"{baseline} = 1"]
    lines = [f"### {results.case.title}", "", results.case.about, ""]
    lines += [_row(columns), _row(["---", *["---:"] * (len(columns) - 1)])]
    notes: list[str] = []
    compared_with = results.rounds.get(baseline, [])
    for name, outcomes in results.rounds.items():
        if wrong := faults(outcomes):
            lines.append(_row([name, "INVALID", *[""] * (len(columns) - 2)]))
            notes.append(f"- {name} is invalid: {'; '.join(wrong)}")
        else:
            lines.append(_row([name, *_cells(metrics, outcomes, compared_with)]))
    for name, absent in results.not_applicable.items():
        lines.append(_row([name, "n/a", *[""] * (len(columns) - 2)]))
        notes.append(f"- {name}: n/a, {absent.reason}")
    if notes:
        lines += ["", *notes]
    return "\n".join(lines) + "\n"


def as_json(results: CaseResults) -> dict[str, Any]:
    return {
        "scenario": results.case.scenario,
        "connections": results.case.connections,
        "about": results.case.about,
        "servers": {
            **{name: _server_json(results, name) for name in results.rounds},
            **{name: {"n/a": absent.reason} for name, absent in results.not_applicable.items()},
        },
    }


def _server_json(results: CaseResults, name: str) -> dict[str, Any]:
    outcomes = results.rounds[name]
    facts: dict[str, Any] = {"valid": not faults(outcomes)}
    if facts["valid"]:
        facts["summary"] = {
            metric.field: {
                "median": metric.median(outcomes),
                "min": min(metric.over(outcomes)),
                "max": max(metric.over(outcomes)),
            }
            for metric in _metrics(results)
        }
    facts["rounds"] = [asdict(outcome) for outcome in outcomes]
    return facts


def _metrics(results: CaseResults) -> tuple[Metric, ...]:
    return IDLE_METRICS if results.case.held_idle else LOAD_METRICS


def _cells(
    metrics: Sequence[Metric], outcomes: Sequence[Outcome], baseline: Sequence[Outcome]
) -> list[str]:
    cells: list[str] = []
    for metric in metrics:
        median = metric.median(outcomes)
        cells.append(metric.show(median))
        if metric.compared:
            low, high = min(metric.over(outcomes)), max(metric.over(outcomes))
            cells += [f"{metric.show(low)}..{metric.show(high)}", _ratio(metric, median, baseline)]
    return cells


def _ratio(metric: Metric, median: float, baseline: Sequence[Outcome]) -> str:
    if not baseline or faults(baseline):
        return "-"
    base = metric.median(baseline)
    return f"{median / base:.2f}" if base > 0 else "-"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
