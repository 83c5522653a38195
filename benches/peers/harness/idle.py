"""Measures the memory of idle connections."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness.load import LOAD_CORE
from harness.outcome import IdleFigures, MeasurementError
from harness.procfs import memory_of, process_tree
from harness.running import HOST, RunningServer
from harness.scenarios import Case

CLIENT = Path(__file__).with_name("idle_client.py")
OPEN_SECONDS = 40.0
ANSWER_SECONDS = 10.0
SETTLE_SECONDS = 1.0
# What client and server need besides the connections.
SPARE_DESCRIPTORS = 256


def measure_idle(server: RunningServer, case: Case) -> IdleFigures:
    before = memory_of(process_tree(server.pid))
    client = subprocess.Popen(
        [
            *("taskset", "--cpu-list", str(LOAD_CORE), sys.executable, str(CLIENT)),
            *(HOST, str(server.port), case.request.path, str(case.connections)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    try:
        opened = _answer(client, OPEN_SECONDS)
        time.sleep(SETTLE_SECONDS)
        after = memory_of(process_tree(server.pid))
        assert client.stdin is not None
        client.stdin.write(b"how many?\n")
        still_open = _answer(client, ANSWER_SECONDS)["open"]
    finally:
        client.kill()
        client.communicate()
    if still_open != case.connections:
        raise MeasurementError(f"only {still_open} of {case.connections} connections stayed open")
    return IdleFigures(
        connections=case.connections,
        open_seconds=opened["seconds"],
        pss_before_kib=before.pss_kib,
        pss_after_kib=after.pss_kib,
        rss_before_kib=before.rss_kib,
        rss_after_kib=after.rss_kib,
        pss_bytes_per_connection=(after.pss_kib - before.pss_kib) * 1024 / case.connections,
        rss_bytes_per_connection=(after.rss_kib - before.rss_kib) * 1024 / case.connections,
    )


def _answer(client: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    assert client.stdout is not None
    readable, _, _ = select.select([client.stdout], [], [], seconds)
    line = client.stdout.readline() if readable else b""
    if not line:
        raise MeasurementError(f"the idle client said nothing within {seconds:.0f} s")
    facts: dict[str, Any] = json.loads(line)
    if "error" in facts:
        raise MeasurementError(f"the idle client failed at {facts['error']}")
    return facts
