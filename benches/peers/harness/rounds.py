"""The order of measurements: every server once a round, each round beginning with the next."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.idle import SPARE_DESCRIPTORS, measure_idle
from harness.load import measure_load, warm_up
from harness.outcome import Failure, MeasurementError, NotApplicable, Outcome
from harness.roster import Server
from harness.running import running
from harness.scenarios import Case


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: int
    warm_up_seconds: int


@dataclass
class CaseResults:
    case: Case
    rounds: dict[str, list[Outcome]] = field(default_factory=dict)  # by server
    not_applicable: dict[str, NotApplicable] = field(default_factory=dict)


def measure_case(
    case: Case, servers: Sequence[Server], plan: Plan, versions: Mapping[str, str | None]
) -> CaseResults:
    results = CaseResults(case)
    able: list[Server] = []
    for server in servers:
        obstacle = _obstacle(case, server, versions)
        if obstacle is None:
            able.append(server)
            results.rounds[server.name] = []
        else:
            results.not_applicable[server.name] = obstacle
    for number in range(plan.rounds):
        first = number % len(able) if able else 0
        for server in able[first:] + able[:first]:
            outcome = _measure(case, server, plan)
            results.rounds[server.name].append(outcome)
            _progress(case, server, number, plan, outcome)
    return results


def _obstacle(
    case: Case, server: Server, versions: Mapping[str, str | None]
) -> NotApplicable | None:
    if case.scenario in server.unsupported:
        return NotApplicable(server.unsupported[case.scenario])
    if versions.get(server.package) is None:
        return NotApplicable(f"{server.package} is not installed in this environment")
    if case.held_idle:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= descriptors < case.connections + SPARE_DESCRIPTORS:
            return NotApplicable(f"the hard limit of open files is {descriptors} (ulimit -Hn)")
    return None


def _measure(case: Case, server: Server, plan: Plan) -> Outcome:
    try:
        with running(server, case) as process:
            warm_up(process, case, plan.warm_up_seconds)
            if case.held_idle:
                return measure_idle(process, case)
            return measure_load(process, case, plan.seconds)
    except MeasurementError as error:
        return Failure(str(error))


def _progress(case: Case, server: Server, number: int, plan: Plan, outcome: Outcome) -> None:
    state = f"FAILED: {outcome.fault}" if outcome.fault else "ok"
    line = f"{case.title}: round {number + 1} of {plan.rounds}: {server.name}: {state}"
    print(line, file=sys.stderr, flush=True)
