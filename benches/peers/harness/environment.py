"""The machine: what it is, what it lacks, and what is installed on it."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.load import LOAD_CORE, wrk_version
from harness.running import SERVER_CORE

INSTALL_SECONDS = 600


class Unfit(Exception):
    """The benchmark cannot run here; the text says what to do."""


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    kernel: str
    load_average: tuple[float, float, float]


def describe_machine() -> Machine:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        cpu=models[0] if models else platform.machine(),
        cores=os.cpu_count() or 1,
        kernel=f"{platform.system()} {platform.release()}",
        load_average=os.getloadavg(),
    )


def require_tools() -> None:
    """Looks for wrk, taskset and the two cores.

    # Errors

    Unfit, when one of them is missing.
    """
    if wrk_version() is None:
        raise Unfit("wrk is missing; install it with: sudo apt-get install wrk")
    if shutil.which("taskset") is None:
        raise Unfit("taskset is missing; install it with: sudo apt-get install util-linux")
    missing = {SERVER_CORE, LOAD_CORE} - os.sched_getaffinity(0)
    if missing:
        raise Unfit(
            f"cores {SERVER_CORE} (server) and {LOAD_CORE} (load) are needed, "
            f"and {sorted(missing)} may not be used here"
        )


def raise_descriptor_limit() -> int:
    """Raises the soft limit of open files to the hard one, for all children too, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def run_installer(argv: Sequence[str], wanted: Path) -> None:
    """Has pip or npm install what the file `wanted` lists, in whose folder it runs.

    # Errors

    Unfit, when it fails.
    """
    print(f"installing {wanted}", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            argv, cwd=wanted.parent, stdout=sys.stderr, timeout=INSTALL_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        raise Unfit(f"{wanted} could not be installed") from error
