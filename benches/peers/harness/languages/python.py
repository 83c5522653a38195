"""Python: what is measured, with which command lines, and what pip installs for it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.environment import Unfit, run_installer
from harness.roster import Language, Server
from harness.scenarios import (
    ABOUT_ECHO,
    ABOUT_HELLO,
    ABOUT_IDLE,
    ECHO,
    HELLO,
    IDLE_CONNECTIONS,
    JSON,
    SLEEP,
    Case,
)

HERE = Path(__file__).resolve().parents[2] / "python"
PINNED = HERE / "requirements.txt"
PINNED_NO_DEPS = HERE / "requirements-no-deps.txt"

ABOUT_JSON = "POST /items/{id}: the id as an int, the JSON body as a typed object, JSON back."
ABOUT_SLEEP = "GET /sleep answers `ok` after `await asyncio.sleep(0.010)`."
IDLE_NOT_MEASURED = "idle memory is compared for hostloop, uvicorn and granian only"


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
        run_installer([*pip, *options, "--requirement", requirements.name], requirements)


def versions() -> dict[str, str | None]:
    """Versions of Python, hostloop and everything pinned."""
    names = ["hostloop", *_pins(PINNED), *_pins(PINNED_NO_DEPS)]
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _installed_version(name) for name in names},
    }


def _is_satisfied(requirements: Path) -> bool:
    return all(_installed_version(name) == pin for name, pin in _pins(requirements).items())


def _pins(requirements: Path) -> dict[str, str]:
    lines = (line.partition("#")[0].strip() for line in requirements.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def _installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _hostloop(loop: str) -> Server:
    return Server(
        name=f"hostloop-{loop}",
        package="hostloop",
        folder=HERE,
        command=(sys.executable, "hostloop_app.py", "{port}", loop),
    )


def _granian(interface: str, target: str) -> Server:
    return Server(
        name=f"granian-{interface}",
        package="granian",
        folder=HERE,
        command=(
            *(sys.executable, "-m", "granian", target, "--interface", interface),
            *("--host", "127.0.0.1", "--port", "{port}", "--loop", "uvloop"),
            *("--workers", "1", "--runtime-threads", "1", "--log-level", "warning"),
        ),
        # By default granian holds 1,024 connections at most, and closes one that is idle for 30 s.
        arguments_for={
            "idle": (
                *("--backlog", "16384", "--backpressure", "16384"),
                *("--http1-header-read-timeout", "60000"),
            )
        },
    )


UVICORN = Server(
    name="uvicorn",
    package="uvicorn",
    folder=HERE,
    command=(
        *(sys.executable, "-m", "uvicorn", "asgi_app:app", "--host", "127.0.0.1"),
        *("--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--no-server-header"),
        *("--no-proxy-headers", "--timeout-keep-alive", "75"),
    ),
)

ROBYN = Server(
    name="robyn",
    package="robyn",
    folder=HERE,
    command=(sys.executable, "robyn_app.py", "{port}", "--log-level", "WARN"),
    unsupported={"idle": IDLE_NOT_MEASURED},
)

SPIKARD = Server(
    name="spikard",
    package="spikard",
    folder=HERE,
    command=(sys.executable, "spikard_app.py"),
    environment={"SPIKARD_SERVER_PORT": "{port}"},
    unsupported={
        "echo64k": (
            "a handler with a `bytes` body is refused with 415, any other typed body arrives "
            "empty unless it is JSON, and an answer can only be text"
        ),
        "idle": IDLE_NOT_MEASURED,
    },
)

PYTHON = Language(
    name="python",
    title="Python",
    servers=(
        _hostloop("asyncio"),
        _hostloop("uvloop"),
        UVICORN,
        _granian("rsgi", "rsgi_app:app"),
        _granian("asgi", "asgi_app:app"),
        ROBYN,
        SPIKARD,
    ),
    cases=(
        Case("hello", 64, ABOUT_HELLO, HELLO),
        Case("hello", 1, ABOUT_HELLO, HELLO),
        Case("json", 64, ABOUT_JSON, JSON),
        Case("json", 1, ABOUT_JSON, JSON),
        Case("echo64k", 64, ABOUT_ECHO, ECHO),
        Case("echo64k", 1, ABOUT_ECHO, ECHO),
        Case("sleep10", 1_000, ABOUT_SLEEP, SLEEP),
        Case("idle", IDLE_CONNECTIONS, ABOUT_IDLE, HELLO, held_idle=True),
    ),
    install=install_peers,
    versions=versions,
)
