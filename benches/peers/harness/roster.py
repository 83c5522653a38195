"""Who is measured, and with which command line: production defaults, logs off."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

APPS = Path(__file__).resolve().parent.parent / "servers"
IDLE_NOT_MEASURED = "idle memory is compared for hostloop, uvicorn and granian only"


@dataclass(frozen=True)
class Server:
    """`{port}` in the command and the environment stands for the port of the measurement."""

    name: str
    distribution: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)

    def argv(self, scenario: str, port: int) -> list[str]:
        words = (*self.command, *self.arguments_for.get(scenario, ()))
        return [word.replace("{port}", str(port)) for word in words]

    def environ(self, port: int) -> dict[str, str]:
        return {key: text.replace("{port}", str(port)) for key, text in self.environment.items()}


def hostloop(loop: str) -> Server:
    return Server(
        name=f"hostloop-{loop}",
        distribution="hostloop",
        command=(sys.executable, "hostloop_app.py", "{port}", loop),
    )


def granian(interface: str, target: str) -> Server:
    return Server(
        name=f"granian-{interface}",
        distribution="granian",
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
    distribution="uvicorn",
    command=(
        *(sys.executable, "-m", "uvicorn", "asgi_app:app", "--host", "127.0.0.1"),
        *("--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--no-server-header"),
        *("--no-proxy-headers", "--timeout-keep-alive", "75"),
    ),
)

ROBYN = Server(
    name="robyn",
    distribution="robyn",
    command=(sys.executable, "robyn_app.py", "{port}", "--log-level", "WARN"),
    unsupported={"idle": IDLE_NOT_MEASURED},
)

SPIKARD = Server(
    name="spikard",
    distribution="spikard",
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

ROSTER = (
    hostloop("asyncio"),
    hostloop("uvloop"),
    UVICORN,
    granian("rsgi", "rsgi_app:app"),
    granian("asgi", "asgi_app:app"),
    ROBYN,
    SPIKARD,
)
BASELINE = ROSTER[0].name
