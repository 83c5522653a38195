"""Containers side by side: hand-written wiring, hostloop, dishka, wireup.

Run it with the Python of an environment that has hostloop: `python benches/containers/run.py`. It
installs the others from PyPI into an environment of its own. Every figure is of a fresh process;
participants take turns; the median and the spread are told.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "containers.json"
PEERS = HERE / ".venv"
PARTICIPANTS = {
    "hand": "by hand",
    "hostloop_": "hostloop",
    "dishka_": "dishka",
    "wireup_": "wireup",
}

ROWS = [
    "app value",
    "empty scope",
    "scope, one object",
    "scope, seven objects",
    "scope, seven objects and two teardowns",
    "sync scope, seven objects",
    "sync scope, seven objects and a teardown",
    "transient chain of 10",
    "scope, grid of 6 x 6",
    "125 that sleep 1 ms, 5 layers",
    "10,000 wait for one",
    "60 classes, check and plan",
    "1,000 classes, check and plan",
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument(
        "--row", action="append", choices=ROWS, help="only this one; may be repeated"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the raw figures go")
    arguments = parser.parse_args()
    install_peers()
    measured = {
        row: measure_row(row, arguments.rounds, arguments.seconds) for row in arguments.row or ROWS
    }
    print(table(measured))
    arguments.json.write_text(
        json.dumps(as_json(measured, arguments.rounds, arguments.seconds), indent=1) + "\n"
    )
    return 0


def install_peers() -> None:
    """Makes an environment that has the peers, and hostloop from this one."""
    wanted = HERE / "requirements.txt"
    mark = PEERS / ".installed"
    if mark.exists() and mark.stat().st_mtime >= wanted.stat().st_mtime:
        return
    venv.create(PEERS, with_pip=True, system_site_packages=False, clear=True)
    subprocess.run(
        [PEERS / "bin/python", "-m", "pip", "install", "--quiet", "-r", wanted], check=True
    )
    # What is measured of hostloop is what is installed here.
    for path in (Path(entry) for entry in sys.path if entry.endswith("site-packages")):
        (
            PEERS
            / "lib"
            / f"python{sys.version_info.major}.{sys.version_info.minor}"
            / "site-packages"
            / "hostloop.pth"
        ).write_text(f"{path}\nimport site; site.addsitedir({str(path)!r})\n")
    mark.touch()


def measure_row(row: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for participant in PARTICIPANTS:
            if (figure := measure(participant, row, seconds)) is not None:
                figures.setdefault(participant, []).append(figure)
    print(
        row,
        {name: round(statistics.median(values)) for name, values in figures.items()},
        file=sys.stderr,
    )
    return figures


def measure(participant: str, row: str, seconds: float) -> float | None:
    """Nanoseconds for one turn, or None if the participant has no such row."""
    command = [PEERS / "bin/python", HERE / "measure.py", participant, row, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE)
    if "KeyError" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(f"{participant}, {row}: {done.stderr}")
    return float(done.stdout)


def table(measured: dict[str, dict[str, list[float]]]) -> str:
    lines = [
        "| once, us | " + " | ".join(PARTICIPANTS.values()) + " | hostloop to by hand |",
        "|---" * (len(PARTICIPANTS) + 2) + "|",
    ]
    for row, figures in measured.items():
        medians = {name: statistics.median(values) for name, values in figures.items()}
        cells = [cell(figures.get(name)) for name in PARTICIPANTS]
        ratio = (
            f"{medians['hostloop_'] / medians['hand']:.2f}"
            if {"hostloop_", "hand"} <= medians.keys()
            else ""
        )
        lines.append(f"| {row} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines)


def cell(values: Iterable[float] | None) -> str:
    if values is None:
        return ""
    ordered = sorted(value / 1000 for value in values)
    return f"{statistics.median(ordered):.2f} ({ordered[0]:.2f}-{ordered[-1]:.2f})"


def as_json(
    measured: dict[str, dict[str, list[float]]], rounds: int, seconds: float
) -> dict[str, object]:
    frozen = subprocess.run(
        [PEERS / "bin/python", "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    versions = [
        line for line in frozen.stdout.splitlines() if line.split("==")[0] in ("dishka", "wireup")
    ]
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "rounds": rounds,
        "seconds": seconds,
        "nanoseconds": {
            row: {PARTICIPANTS[name]: values for name, values in figures.items()}
            for row, figures in measured.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
