"""Benchmarks hostloop side by side with other HTTP servers for its language; README.md says how.

Run it with the Python of an environment that has hostloop: `python benches/peers/run.py`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness.environment import (
    Unfit,
    describe_machine,
    raise_descriptor_limit,
    require_tools,
)
from harness.languages import LANGUAGES
from harness.load import wrk_version
from harness.report import as_json, markdown
from harness.roster import Language, Server
from harness.rounds import Plan, measure_case
from harness.scenarios import Case

RESULTS = Path(__file__).resolve().parent.parent / "results" / "latest.json"
WARM_UP_SECONDS = 2


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LANGUAGES, default="python")
    parser.add_argument("--rounds", type=_positive, default=5)
    parser.add_argument("--seconds", type=_positive, default=5, help="of each measured window")
    parser.add_argument("--scenario", action="append", help="only this one; may be repeated")
    parser.add_argument(
        "--server", action="append", help="only this one, or this family; may be repeated"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the raw figures go")
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    arguments = parser.parse_args()
    arguments.language = LANGUAGES[arguments.language]
    for option, given, known in (
        ("--scenario", arguments.scenario, arguments.language.scenarios),
        ("--server", arguments.server, _selectors(arguments.language)),
    ):
        if unknown := set(given or ()) - known:
            parser.error(f"{option} {min(unknown)}: there are {', '.join(sorted(known))}")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    language: Language = arguments.language
    plan = Plan(arguments.rounds, arguments.seconds, WARM_UP_SECONDS)
    if arguments.quick:
        plan = Plan(rounds=1, seconds=1, warm_up_seconds=1)
    # An ordinary exit, so that the servers in flight are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        require_tools()
        language.install()
    except Unfit as obstacle:
        print(f"cannot run: {obstacle}", file=sys.stderr)
        return 2
    raise_descriptor_limit()

    versions = language.versions()
    record = _heading(language, plan, versions)
    print(_introduction(language, record), flush=True)
    everything_valid = True
    servers = _selected_servers(language, arguments.server)
    for case in _selected_cases(language, arguments.scenario):
        results = measure_case(case, servers, plan, versions)
        print(markdown(results, language.baseline), flush=True)
        record["cases"].append(as_json(results))
        _write(arguments.json, record)
        everything_valid &= all(
            facts.get("valid", True) for facts in record["cases"][-1]["servers"].values()
        )
    return 0 if everything_valid else 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _selectors(language: Language) -> set[str]:
    return {name for server in language.servers for name in (server.name, server.family)}


def _selected_servers(language: Language, chosen: Iterable[str] | None) -> list[Server]:
    """Those that have one of the names, or whose family has it and no server does."""
    if chosen is None:
        return list(language.servers)
    families = set(chosen) - {server.name for server in language.servers}
    return [
        server for server in language.servers if server.name in chosen or server.family in families
    ]


def _selected_cases(language: Language, chosen: Iterable[str] | None) -> list[Case]:
    return [case for case in language.cases if chosen is None or case.scenario in chosen]


def _heading(language: Language, plan: Plan, versions: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "language": language.name,
        "command": _shown(sys.orig_argv),
        "plan": asdict(plan),
        "machine": asdict(describe_machine()),
        "versions": {
            "wrk": wrk_version() or "missing",
            **{name: number or "missing" for name, number in versions.items()},
        },
        "commands": {server.name: _shown(server.command) for server in language.servers},
        "cases": [],
    }


def _shown(command: Sequence[str]) -> str:
    """Writes a command line as it would be typed: the interpreter by its name."""
    return shlex.join("python" if word == sys.executable else word for word in command)


def _introduction(language: Language, record: dict[str, Any]) -> str:
    machine, plan = record["machine"], record["plan"]
    installed = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    load = ", ".join(f"{average:.2f}" for average in machine["load_average"])
    return (
        f"## HTTP servers for {language.title}, side by side\n\n"
        f"{record['date']}; {machine['cpu']}, {machine['cores']} cores, {machine['kernel']}; "
        f"load average at the start {load}.\n\n"
        f"Medians; rounds: {plan['rounds']}, seconds each: {plan['seconds']}. The server runs on "
        f"one core, the load on another.\n\n{installed}.\n"
    )


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
