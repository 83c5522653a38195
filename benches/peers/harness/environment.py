"""The machine and the Python environment: what there is, what is missing, what is installed."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.load import LOAD_CORE, wrk_version
from harness.running import SERVER_CORE

HERE = Path(__file__).resolve().parent.parent
PINNED = HERE / "requirements.txt"
PINNED_NO_DEPS = HERE / "requirements-no-deps.txt"
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


def install_peers() -> None:
    """Installs into this environment the pinned peers that are missing or of another version.

    # Errors

    Unfit, when pip fails, or when this is not a virtual environment: the pins would replace the
    packages that others of its users depend on.
    """
    if _is_satisfied(PINNED) and _is_satisfied(PINNED_NO_DEPS):
        return
    if sys.prefix == sys.base_prefix:
        raise Unfit(
            f"{sys.executable} is not of a virtual environment, and the pinned peers are not to be "
            "installed into a shared one; run this with the Python of a venv that has hostloop"
        )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for options, requirements in (([], PINNED), (["--no-deps"], PINNED_NO_DEPS)):
        print(f"installing {requirements}", file=sys.stderr, flush=True)
        argv = [*pip, *options, "--requirement", str(requirements)]
        try:
            subprocess.run(argv, stdout=sys.stderr, timeout=INSTALL_SECONDS, check=True)
        except subprocess.SubprocessError as error:
            raise Unfit(f"pip could not install {requirements}") from error


def installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of Python, wrk, hostloop and everything pinned; `missing` where there is none."""
    names = ["hostloop", *_pins(PINNED), *_pins(PINNED_NO_DEPS)]
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "wrk": wrk_version() or "missing",
        **{name: installed_version(name) or "missing" for name in names},
    }


def _is_satisfied(requirements: Path) -> bool:
    return all(installed_version(name) == pin for name, pin in _pins(requirements).items())


def _pins(requirements: Path) -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in requirements.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)
