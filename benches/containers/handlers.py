"""A handler whose parameters come from the graph, and the same handler wired by hand.

Over HTTP, at 64 connections, server and load pinned to a core each, in turns, as `benches/peers`
measures servers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

from harness.outcome import LoadFigures  # noqa: E402
from harness.roster import Server  # noqa: E402
from harness.rounds import Plan, measure_case  # noqa: E402
from harness.scenarios import Case, Request  # noqa: E402

RESULTS = HERE.parent / "results" / "handlers.json"
ABOUT = {
    "values": "two values of the application",
    "objects": "seven objects of the request, and two values",
    "teardowns": "seven objects of the request, a generator, an async generator, and two values",
}


def server(wiring: str) -> Server:
    return Server(
        name=wiring,
        package="hostloop",
        folder=HERE,
        command=(sys.executable, "handler_app.py", "{port}", wiring),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    plan = Plan(arguments.rounds, arguments.seconds, 1)
    lines = ["| CPU us per request | by hand | from the graph | ratio |", "|---|---|---|---|"]
    raw: dict[str, dict[str, list[float]]] = {}
    for name, about in ABOUT.items():
        request = Request("GET", f"/{name}", lambda body: body == b"Hello, World!")
        results = measure_case(
            Case(name, 64, about, request),
            [server("hand"), server("graph")],
            plan,
            {"hostloop": version("hostloop")},
        )
        raw[name] = {wiring: costs(outcomes) for wiring, outcomes in results.rounds.items()}
        hand, graph = (statistics.median(raw[name][wiring]) for wiring in ("hand", "graph"))
        lines.append(f"| {about} | {hand:.2f} | {graph:.2f} | {graph / hand:.3f} |")
    print("\n".join(lines))
    arguments.json.write_text(json.dumps(raw, indent=1) + "\n")
    return 0


def costs(outcomes: list[object]) -> list[float]:
    return [
        outcome.cpu_us_per_request
        for outcome in outcomes
        if isinstance(outcome, LoadFigures) and outcome.fault is None
    ]


if __name__ == "__main__":
    sys.exit(main())
