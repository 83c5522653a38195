"""Send the corpus's raw requests to a server: `run.py HOST PORT [--only NAME]`.

README.md has the application that the server must run and the format of the cases.
"""

import argparse
import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READ_SECONDS = 5.0
SHOWN_BYTES = 600
REQUIRED = {"name", "why", "send", "expect", "then"}
KEYS = {
    "case": REQUIRED | {"split"},
    "step": {"repeat", "times", "await", "pause", "half_close"},
    "response": {"status", "headers", "body", "head", "optional"},
}
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\t -~\x80-\xff]*")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
PROBE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Failure(AssertionError):
    """Says what the server did that the case does not allow."""


class Closed(Failure):
    """The server closed the connection, or reset it, where a response was wanted."""


@dataclass(frozen=True)
class Case:
    """What one connection sends, the responses it must get, and whether it then stays open."""

    theme: str
    name: str
    why: str
    send: list[Any]
    expect: list[dict[str, Any]]
    then: str
    split: str | None = None

    def __str__(self) -> str:
        return f"{self.theme}/{self.name}"


@dataclass(frozen=True)
class Response:
    """A response as it was parsed. Header names are in lower case."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for field, value in self.fields if field == name]
        return ", ".join(values) if values else None


class Connection:
    """A client's end: sends raw bytes, parses responses strictly and keeps all that it received."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=READ_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._at = 0
        self.received = bytearray()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        # A server may refuse a request before its end; what it sent until then decides.
        try:
            self._socket.sendall(data)
        except OSError:
            pass

    def half_close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read_response(self, head: bool) -> Response:
        """Reads one response; `head` says that it answers a HEAD and so has no body."""
        line = self._line(f"a response ({len(self._unread())} bytes came)")
        if (found := STATUS_LINE.fullmatch(line)) is None:
            raise Failure(f"not a status line: {line!r}")
        fields: list[tuple[str, str]] = []
        while line := self._line("a header field"):
            if (field := FIELD.fullmatch(line)) is None:
                raise Failure(f"not a header field: {line!r}")
            fields.append((field[1].decode().lower(), field[2].decode("latin-1")))
        response = Response(int(found[1]), fields, b"")
        return Response(response.status, fields, self._body(response, head))

    def read_end(self) -> None:
        """Waits for a clean end of the connection, with no byte before it."""
        while self._more():
            pass
        if self._unread():
            raise Failure(f"unexpected bytes before the end: {self._unread()[:SHOWN_BYTES]!r}")

    def _body(self, response: Response, head: bool) -> bytes:
        length = response.header("content-length")
        encoding = response.header("transfer-encoding")
        if length is not None and encoding is not None:
            raise Failure("a response with both Content-Length and Transfer-Encoding")
        if response.status < 200 or response.status == 204:
            if length is not None or encoding is not None:
                raise Failure(f"a {response.status} with Content-Length or Transfer-Encoding")
            return b""
        if length is not None and re.fullmatch("[0-9]+", length) is None:
            raise Failure(f"not a Content-Length: {length!r}")
        if encoding is not None and encoding.lower() != "chunked":
            raise Failure(f"not a Transfer-Encoding that was asked for: {encoding!r}")
        if head or response.status == 304:
            return b""
        if encoding is not None:
            return b"".join(self._chunks())
        if length is not None:
            return self._take(int(length), "the body")
        while self._more():
            pass
        return self._take(len(self._unread()), "the body")

    def _chunks(self) -> Iterator[bytes]:
        size = -1
        while size:
            line = self._line("a chunk")
            if re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line) is None:
                raise Failure(f"not a chunk size: {line!r}")
            size = int(line, 16)
            yield self._take(size, "a chunk's data")
            if self._line("a chunk's end"):
                raise Failure("a chunk longer than its size, or trailers")

    def _line(self, what: str) -> bytes:
        while (end := self.received.find(b"\n", self._at)) < 0:
            if not self._more():
                raise Closed(f"the connection was closed; wanted {what}")
        line = self._take(end + 1 - self._at, what)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise Failure(f"not a line that ends with CR LF: {line!r}")
        return line[:-2]

    def _take(self, count: int, what: str) -> bytes:
        while len(self._unread()) < count:
            if not self._more():
                raise Closed(f"the connection was closed within {what}")
        self._at += count
        return bytes(self.received[self._at - count : self._at])

    def _unread(self) -> bytes:
        return bytes(self.received[self._at :])

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise Failure(f"nothing came for {READ_SECONDS:g} s") from None
        except ConnectionError:
            raise Closed("the connection was reset") from None
        self.received += data
        return bool(data)


class Exchange:
    """One run of a case over one connection."""

    def __init__(self, case: Case, connection: Connection, byte_by_byte: bool) -> None:
        self._case = case
        self._connection = connection
        self._byte_by_byte = byte_by_byte
        self._wanted = list(case.expect)

    def run(self) -> None:
        for step in _joined(self._case.send):
            self._take_step(step)
        while self._wanted:
            try:
                self._read_wanted()
            except Closed:
                if not all(wanted.get("optional") for wanted in self._wanted):
                    raise
                break
        self._check_end()

    def _take_step(self, step: Any) -> None:
        if isinstance(step, bytes):
            for start in range(len(step)) if self._byte_by_byte else [None]:
                self._connection.send(step if start is None else step[start : start + 1])
        elif "pause" in step:
            time.sleep(step["pause"])
        elif "half_close" in step:
            self._connection.half_close()
        else:
            response = self._read_wanted()
            while step["await"] == "response" and response.status < 200:
                response = self._read_wanted()
            if step["await"] == "100" and response.status != 100:
                raise Failure(f"wanted a 100 first, got {response.status}")

    def _read_wanted(self) -> Response:
        if not self._wanted:
            raise Failure("the case awaits more responses than it expects")
        response = self._connection.read_response(self._wanted[0].get("head", False))
        wanted = self._wanted.pop(0)
        while wanted.get("optional") and self._wanted and not _has_status(wanted, response):
            wanted = self._wanted.pop(0)
        if found := _differences(wanted, response):
            raise Failure("; ".join(found))
        return response

    def _check_end(self) -> None:
        if self._case.then == "closed":
            self._connection.read_end()
            return
        self._connection.send(PROBE)
        try:
            response = self._connection.read_response(head=False)
        except Closed as closed:
            if self._case.then == "either" and not self._connection._unread():
                return
            raise Failure(f"the connection did not stay open: {closed}") from None
        if found := _differences({"status": 200, "body": "ok"}, response):
            raise Failure(f"a further GET / was not answered: {'; '.join(found)}")
        self._connection.read_end()


def load_cases(directory: Path = Path(__file__).parent) -> list[Case]:
    """Reads every `*.json` of a directory, in order of file name; refuses what it does not know."""
    cases: list[Case] = []
    for path in sorted(directory.glob("*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            _check_keys("case", entry, path)
            for step in entry["send"]:
                _check_keys("step", {} if isinstance(step, str) else step, path)
            for response in entry["expect"]:
                _check_keys("response", response, path)
            if missing := REQUIRED - entry.keys():
                raise ValueError(f"{path.name}: {entry} lacks {sorted(missing)}")
            if entry["then"] not in ("open", "closed", "either"):
                raise ValueError(f"{path.name}: {entry['name']} has then: {entry['then']!r}")
            if entry["name"] in {case.name for case in cases}:
                raise ValueError(f"{path.name}: {entry['name']} is there twice")
            cases.append(Case(path.stem, **entry))
    return cases


def run_case(case: Case, host: str, port: int) -> str | None:
    """Runs one case, each run over a new connection. Returns why it failed, or None if it held."""
    for byte_by_byte in (False, True) if case.split == "every" else (False,):
        connection = Connection(host, port)
        try:
            Exchange(case, connection, byte_by_byte).run()
        except Failure as failure:
            sent = b"".join(step for step in _joined(case.send) if isinstance(step, bytes))
            return (
                f"{case}{' (byte by byte)' if byte_by_byte else ''}: {failure}\n"
                f"    why: {case.why}\n    sent: {_shown(sent)}\n"
                f"    got: {_shown(bytes(connection.received))}\n"
                f"    wanted: {json.dumps(case.expect)}, then {case.then}"
            )
        finally:
            connection.close()
    return None


def _joined(steps: list[Any]) -> Iterator[Any]:
    """Joins neighbouring data steps, which are sent as one; yields bytes and the other steps."""
    data = b""
    for step in steps:
        if isinstance(step, str):
            data += step.encode("latin-1")
        elif "repeat" in step:
            data += step["repeat"].encode("latin-1") * step["times"]
        else:
            if data:
                yield data
            data = b""
            yield step
    if data:
        yield data


def _has_status(wanted: dict[str, Any], response: Response) -> bool:
    statuses = wanted["status"]
    return response.status in (statuses if isinstance(statuses, list) else [statuses])


def _differences(wanted: dict[str, Any], response: Response) -> list[str]:
    found = []
    if not _has_status(wanted, response):
        found.append(f"wanted status {wanted['status']}, got {response.status}")
    for name, value in wanted.get("headers", {}).items():
        got = response.header(name.lower())
        is_held = value["contains"] in (got or "") if isinstance(value, dict) else value == got
        if not is_held:
            found.append(f"wanted header {name}: {value!r}, got {got!r}")
    if "body" in wanted and not _is_body(wanted["body"], response.body):
        found.append(f"wanted body {wanted['body']!r}, got {_shown(response.body)}")
    return found


def _is_body(wanted: Any, body: bytes) -> bool:
    if isinstance(wanted, str):
        return body == wanted.encode("latin-1")
    if "length" in wanted:
        return len(body) == wanted["length"]
    try:
        return bool(json.loads(body) == wanted["json"])
    except ValueError:
        return False


def _shown(data: bytes) -> str:
    rest = len(data) - SHOWN_BYTES
    return repr(data) if rest <= 0 else f"{data[:SHOWN_BYTES]!r} and {rest} bytes more"


def _check_keys(kind: str, entry: dict[str, Any], path: Path) -> None:
    if unknown := entry.keys() - KEYS[kind]:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"{path.name}: a {kind} has no {names}; it may have {sorted(KEYS[kind])}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Send the corpus's raw requests to a server.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--only", default="", help="run the cases whose theme/name holds this")
    arguments = parser.parse_args()
    passed = failed = 0
    for case in load_cases():
        if arguments.only not in str(case):
            continue
        if explanation := run_case(case, arguments.host, arguments.port):
            failed += 1
            print(f"FAIL {explanation}", flush=True)
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
