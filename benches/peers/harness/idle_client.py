"""Holds idle keep-alive connections: `python idle_client.py HOST PORT PATH COUNT`.

Opens COUNT connections, makes one request on each, and says `{"open": COUNT, ...}`. For each line
that it then reads it says how many connections are still open; at the end of its input it ends.
"""

from __future__ import annotations

import json
import re
import resource
import socket
import struct
import sys
import time

TIMEOUT_SECONDS = 10.0
# Closed with a reset, so that thousands of sockets are not left in TIME_WAIT.
LINGER_NONE = struct.pack("ii", 1, 0)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def open_connection(host: str, port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection((host, port), TIMEOUT_SECONDS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    connection.sendall(request)
    answer = b""
    while not is_whole(answer):
        chunk = connection.recv(4096)
        if not chunk:
            raise ConnectionError(f"closed after {answer!r}")
        answer += chunk
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"answered {answer[:40]!r}")
    connection.setblocking(False)
    return connection


def is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def say(**facts: float | str) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    host, port, path, count = sys.argv[1:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()

    started = time.monotonic()
    connections: list[socket.socket] = []
    try:
        while len(connections) < int(count):
            connections.append(open_connection(host, int(port), request))
    except OSError as error:
        say(error=f"connection {len(connections) + 1}: {error!r}")
        return
    say(open=len(connections), seconds=time.monotonic() - started)
    for _ in sys.stdin:
        say(open=sum(map(is_open, connections)))


if __name__ == "__main__":
    main()
