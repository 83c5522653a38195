"""Has one process of hostloop answer a million requests, and says whether its memory is flat.

Run it as `python benches/peers/soak.py`; README.md says more.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from harness.environment import Unfit, raise_descriptor_limit, require_tools
from harness.languages import LANGUAGES
from harness.load import measure_load
from harness.outcome import MeasurementError
from harness.procfs import memory_of, process_tree
from harness.running import RunningServer, running
from harness.scenarios import Case

BURST_SECONDS = 1  # wrk counts in whole ones
WARM_UP_REQUESTS = 500_000
SAMPLE_EVERY = 100_000
# Of what was resident after the warm-up. A garbage collector's heap is never quite still.
FLAT = 0.05
# V8 doubles the space of its young objects when it likes: from 8 MiB to 16 at a million requests,
# which is 13 MB of RSS at once. That says nothing of what is kept, so it stays at 8.
YOUNG = "--max-semi-space-size=8"


@dataclass(frozen=True)
class Sample:
    requests: int  # since the warm-up
    rss_kib: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=LANGUAGES, default="node")
    parser.add_argument("--scenario", choices=("hello", "json", "echo64k"), default="json")
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=5, help="after which it gives up")
    arguments = parser.parse_args()
    # An ordinary exit, so that the server is ended too.
    os.environ["NODE_OPTIONS"] = f"{os.environ.get('NODE_OPTIONS', '')} {YOUNG}".strip()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))

    language = LANGUAGES[arguments.language]
    server = language.servers[0]
    case = next(case for case in language.cases if case.scenario == arguments.scenario)
    deadline = time.monotonic() + arguments.minutes * 60
    try:
        require_tools()
        language.install()
    except Unfit as obstacle:
        print(f"cannot run: {obstacle}", file=sys.stderr)
        return 2
    raise_descriptor_limit()

    print(f"{server.name} ({language.title}): {case.title}\n")
    print("| requests since the warm-up | RSS, KiB |\n| ---: | ---: |", flush=True)
    samples: list[Sample] = []
    try:
        with running(server, case) as process:
            for sample in soak(process, case, arguments.requests, deadline):
                print(f"| {sample.requests:,} | {sample.rss_kib:,} |", flush=True)
                samples.append(sample)
    except MeasurementError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    first, last = samples[0].rss_kib, samples[-1].rss_kib
    growth = (last - first) / first
    is_flat = growth <= FLAT
    print(f"\nMemory is {'' if is_flat else 'not '}flat: {growth:+.1%} from the first to the last.")
    return 0 if is_flat else 1


def soak(server: RunningServer, case: Case, requests: int, deadline: float) -> Iterator[Sample]:
    """Samples the memory after the warm-up and each 100,000 requests, when a burst has ended."""
    answered, mark = -WARM_UP_REQUESTS, 0
    while answered < requests:
        answered += _burst(server, case, deadline)
        if answered >= min(mark, requests):
            yield Sample(answered, memory_of(process_tree(server.pid)).rss_kib)
            mark = (answered // SAMPLE_EVERY + 1) * SAMPLE_EVERY


def _burst(server: RunningServer, case: Case, deadline: float) -> int:
    if time.monotonic() > deadline:
        raise MeasurementError("the time is up; allow it more with --minutes")
    figures = measure_load(server, case, BURST_SECONDS)
    if figures.fault:
        raise MeasurementError(figures.fault)
    return figures.requests


if __name__ == "__main__":
    sys.exit(main())
