"""Drives a server with wrk and counts what a request cost it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness.outcome import LoadFigures, MeasurementError
from harness.procfs import cpu_seconds_between, process_tree
from harness.running import RunningServer, probe
from harness.scenarios import Case

LOAD_CORE = 1
SCRIPT = Path(__file__).with_name("load.lua")
# After the warm-up, while the server gets rid of its connections.
SETTLE_SECONDS = 0.3
GRACE_SECONDS = 20

ERROR_KINDS = {
    "connect": "connect errors",
    "read": "read errors",
    "write": "write errors",
    "timeout": "time-outs",
    "status": "answers that are not 2xx",
}


def wrk_version() -> str | None:
    """The version of the installed wrk, or None without one."""
    path = shutil.which("wrk")
    if path is None:
        return None
    # wrk -v exits with 1.
    shown = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False)
    words = (shown.stdout + shown.stderr).split()
    return words[1] if len(words) > 1 else "unknown"


def warm_up(server: RunningServer, case: Case, seconds: int) -> None:
    """A burst of the case's own load, whose figures are thrown away."""
    probe(server, case.request)
    _wrk(server, case, seconds, case.warm_up_connections)
    time.sleep(SETTLE_SECONDS)


def measure_load(server: RunningServer, case: Case, seconds: int) -> LoadFigures:
    before = process_tree(server.pid)
    summary = _wrk(server, case, seconds, case.connections)
    after = process_tree(server.pid)

    cpu = cpu_seconds_between(before, after, server.pid)
    probe(server, case.request)
    requests, wall = summary["requests"], summary["microseconds"] / 1e6
    if not requests:
        raise MeasurementError("no request was completed")
    return LoadFigures(
        requests=requests,
        wall_seconds=wall,
        cpu_seconds=cpu,
        cpu_us_per_request=cpu / requests * 1e6,
        requests_per_second=requests / wall,
        core_busy=cpu / wall,
        p50_ms=summary["p50_us"] / 1e3,
        p99_ms=summary["p99_us"] / 1e3,
        errors={text: summary[kind] for kind, text in ERROR_KINDS.items() if summary[kind]},
    )


def _wrk(server: RunningServer, case: Case, seconds: int, connections: int) -> dict[str, int]:
    request = case.request
    with tempfile.NamedTemporaryFile() as body:
        body.write(request.body)
        body.flush()
        argv = [
            *("taskset", "--cpu-list", str(LOAD_CORE), "wrk", "--latency", "--threads", "1"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--script", str(SCRIPT), server.url, "--", request.method, request.path),
            *(request.content_type, body.name if request.body else ""),
        ]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds + GRACE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"wrk did not end within {seconds + GRACE_SECONDS} s") from None
    for line in done.stdout.splitlines():
        if line.startswith("summary "):
            summary: dict[str, int] = json.loads(line.removeprefix("summary "))
            return summary
    said = (done.stderr or done.stdout).strip()
    raise MeasurementError(f"wrk gave no summary and ended with {done.returncode}: {said}")
