"""Run the link shortener's scenarios against a service: `run.py [--only WORDS] -- COMMAND...`.

Each scenario gets a service of its own, started as a child process on a fresh database.
README.md has the format.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from match import differences, lookup, problem_differences
from process import Answer, Failure, Service

SCENARIOS = Path(__file__).parent / "scenarios"
KEYS = {
    "scenario": {"name", "steps"},
    "step": {"request", "expect", "save", "together", "restart"},
    "request": {"method", "path", "headers", "json", "body"},
    "expect": {"status", "headers", "json", "body", "problem"},
}


@dataclass(frozen=True)
class Scenario:
    """One promise of the service: its name, the file it came from and its steps in order."""

    name: str
    file: str
    steps: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def load_scenarios(directory: Path = SCENARIOS) -> list[Scenario]:
    """Reads every `*.json` of a directory, in order of file name; refuses keys it does not know."""
    found: list[Scenario] = []
    for path in sorted(directory.glob("*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            _check_keys("scenario", entry, path)
            for step in entry["steps"]:
                _check_keys("step", step, path)
                _check_keys("request", step.get("request", {}), path)
                _check_keys("expect", step.get("expect", {}), path)
            found.append(Scenario(entry["name"], path.name, entry["steps"]))
    return found


def run_scenario(scenario: Scenario, command: Sequence[str]) -> None:
    """Runs one scenario against a new service on a fresh database.

    Raises `Failure` with the step, what differed and the end of the service's own output.
    """
    with tempfile.TemporaryDirectory(prefix="links-") as directory:
        service = Service(command, Path(directory))
        saved: dict[str, str] = {}
        place = "start"
        try:
            service.start()
            for number, step in enumerate(scenario.steps, 1):
                place = f"step {number}"
                _run_step(service, step, saved)
            place = "stop"
            service.stop()
        except Failure as failure:
            output = service.log.read_text("utf-8", "replace").splitlines()[-20:]
            shown = "".join(f"\n    | {line}" for line in output)
            raise Failure(f"{scenario}\n  {place}: {failure}{shown}") from None
        finally:
            service.kill()


def _run_step(service: Service, step: dict[str, Any], saved: dict[str, str]) -> None:
    if "restart" in step:
        {"terminate": service.stop, "kill": service.kill}[step["restart"]]()
        service.start()
        return
    request = _substitute(step["request"], saved)
    expect = _substitute(step["expect"], saved)
    for answer in service.send(request, together=step.get("together", 1)):
        found = _compare(expect, answer)
        if found:
            lines = "".join(f"\n    {line}" for line in found)
            raise Failure(
                f"{request['method']} {request['path']}{lines}\n    body: {answer.body!r}"
            )
        for name, path in step.get("save", {}).items():
            saved[name] = str(lookup(json.loads(answer.body), path))


def _compare(expect: dict[str, Any], answer: Answer) -> list[str]:
    found = differences(expect["status"], answer.status, "status")
    for name, wanted in expect.get("headers", {}).items():
        values = answer.headers.get_all(name)
        found += differences(wanted, ", ".join(values) if values else None, f"header {name}")
    if "body" in expect:
        found += differences(expect["body"], answer.body.decode("utf-8", "replace"), "body")
    if "json" in expect or "problem" in expect:
        try:
            value = json.loads(answer.body)
        except ValueError as error:
            return [*found, f"body: JSON expected: {error}"]
        kind = answer.headers.get("content-type", "")
        if "json" in expect:
            found += differences({"$match": "^application/json"}, kind, "header content-type")
            found += differences(expect["json"], value, "json")
        else:
            found += problem_differences(expect["problem"], value, answer.status, kind)
    return found


def _substitute(value: Any, saved: dict[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: saved[found[1]], value)
    if isinstance(value, list):
        return [_substitute(item, saved) for item in value]
    if isinstance(value, dict):
        return {key: _substitute(item, saved) for key, item in value.items()}
    return value


def _check_keys(kind: str, entry: dict[str, Any], path: Path) -> None:
    if unknown := entry.keys() - KEYS[kind]:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"{path.name}: a {kind} has no {names}; it may have {sorted(KEYS[kind])}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the link shortener's scenarios.")
    parser.add_argument("--only", default="", help="run the scenarios whose name holds these words")
    parser.add_argument("command", nargs="+", help="the command that starts the service, after --")
    arguments = parser.parse_args()
    passed = failed = 0
    for scenario in load_scenarios():
        if arguments.only not in str(scenario):
            continue
        try:
            run_scenario(scenario, arguments.command)
            passed += 1
        except Failure as failure:
            failed += 1
            print(f"FAIL {failure}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
