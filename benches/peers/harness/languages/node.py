"""Node: what is measured, with which command lines, and what npm installs for it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
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
    STREAM,
    Case,
)

HERE = Path(__file__).resolve().parents[2] / "node"
MANIFEST = HERE / "package.json"
LOCK = HERE / "package-lock.json"
MODULES = HERE / "node_modules"
# npm writes it last.
INSTALLED = MODULES / ".package-lock.json"

# The package `bun` itself has a placeholder for it until a script of its own has run.
BUN = f"node_modules/@oven/bun-linux-{platform.machine().replace('x86_64', 'x64')}/bin/bun"

ABOUT_JSON = "POST /items/{id}: the id as a number, the JSON body as an object, JSON back."
ABOUT_STREAM = "GET /stream answers 16 pieces of 4 KiB from an async generator, chunked."
ABOUT_SLEEP = "GET /sleep answers `ok` after `await setTimeout(10)`."
IDLE_MEASURED = ("hostloop", "node:http", "bun", "fastify")
IDLE_NOT_MEASURED = f"idle memory is compared for {', '.join(IDLE_MEASURED)} only"


def install_peers() -> None:
    """Installs the peers that package-lock.json pins, unless that was done.

    # Errors

    Unfit, when npm fails, or when it or Node is missing.
    """
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise Unfit(f"{tool} is missing; install Node 20 or later")
    if _is_installed():
        return
    # Scripts of packages are not run: none of them is needed.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    run_installer(["npm", "ci", *options], LOCK)


def versions() -> dict[str, str | None]:
    """Versions of Node and of every dependency."""
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    names = json.loads(MANIFEST.read_text())["dependencies"]
    return {
        "node": said.stdout.strip().removeprefix("v"),
        **{name: _installed_version(name) for name in names},
    }


def _is_installed() -> bool:
    pinned = max(MANIFEST.stat().st_mtime, LOCK.stat().st_mtime)
    return INSTALLED.exists() and INSTALLED.stat().st_mtime >= pinned


def _installed_version(package: str) -> str | None:
    manifest = MODULES / package / "package.json"
    if not manifest.exists():
        return None
    number: str = json.loads(manifest.read_text())["version"]
    return number


def _server(name: str, package: str, runtime: str, app: str, *arguments: str) -> Server:
    return Server(
        name=name,
        package=package,
        folder=HERE,
        command=(runtime, app, "{port}", *arguments),
        environment={"NODE_ENV": "production"},
        unsupported={} if name in IDLE_MEASURED else {"idle": IDLE_NOT_MEASURED},
    )


NODE = Language(
    name="node",
    title="Node",
    servers=(
        _server("hostloop", "hostloop", "node", "hostloop-app.js"),
        _server("node:http", "node", "node", "node-http-app.js"),
        _server("bun", "bun", BUN, "bun-app.js"),
        _server("fastify", "fastify", "node", "fastify-app.js", "node:http"),
        _server("hostloop-fastify", "hostloop", "node", "fastify-app.js", "hostloop"),
        _server("hono", "@hono/node-server", "node", "hono-app.js", "node-server"),
        _server("hostloop-hono", "hostloop", "node", "hono-app.js", "hostloop"),
        _server("express", "express", "node", "express-app.js", "node:http"),
        _server("hostloop-express", "hostloop", "node", "express-app.js", "hostloop"),
    ),
    cases=(
        Case("hello", 64, ABOUT_HELLO, HELLO),
        Case("hello", 1, ABOUT_HELLO, HELLO),
        Case("json", 64, ABOUT_JSON, JSON),
        Case("json", 1, ABOUT_JSON, JSON),
        Case("echo64k", 64, ABOUT_ECHO, ECHO),
        Case("echo64k", 1, ABOUT_ECHO, ECHO),
        Case("stream", 64, ABOUT_STREAM, STREAM),
        Case("sleep10", 1_000, ABOUT_SLEEP, SLEEP),
        Case("idle", IDLE_CONNECTIONS, ABOUT_IDLE, HELLO, held_idle=True),
    ),
    install=install_peers,
    versions=versions,
)
