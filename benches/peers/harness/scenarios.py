"""What is asked of every server. A case is a scenario at one number of connections."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

IDLE_CONNECTIONS = 10_000

ITEM = {"name": "kettle", "price": 1.5, "tags": ["a", "b"]}
ITEM_OUT = {"id": 7, "name": "kettle", "total": 3.0, "tags": ["a", "b"]}
ECHO_BODY = bytes(range(256)) * 256  # 64 KiB, not valid UTF-8
STREAM_BODY = b"x" * 64 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    accepts: Callable[[bytes], bool]
    body: bytes = b""
    content_type: str = ""
    chunked: bool = False  # whether the answer's body must be


@dataclass(frozen=True)
class Case:
    scenario: str
    connections: int
    about: str
    request: Request
    held_idle: bool = False

    @property
    def warm_up_connections(self) -> int:
        # What the burst leaves behind would hide the memory of as many idle connections.
        return 64 if self.held_idle else self.connections

    @property
    def title(self) -> str:
        return f"{self.scenario}, {self.connections:,} connection{'s' * (self.connections != 1)}"


HELLO = Request("GET", "/", lambda body: body == b"Hello, World!")
JSON = Request(
    "POST",
    "/items/7",
    lambda body: bool(json.loads(body) == ITEM_OUT),
    body=json.dumps(ITEM).encode(),
    content_type="application/json",
)
ECHO = Request(
    "POST",
    "/echo",
    lambda body: body == ECHO_BODY,
    body=ECHO_BODY,
    content_type="application/octet-stream",
)
SLEEP = Request("GET", "/sleep", lambda body: body == b"ok")
STREAM = Request("GET", "/stream", lambda body: body == STREAM_BODY, chunked=True)

# What the others' texts are depends on the language.
ABOUT_HELLO = "GET / answers `Hello, World!` as text/plain from an async handler."
ABOUT_ECHO = "POST /echo with a body of 64 KiB, which comes back."
ABOUT_IDLE = "Memory for each idle keep-alive connection that has made one request."
