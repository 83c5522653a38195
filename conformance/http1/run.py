"""Send the corpus's raw requests to a server: `run.py HOST PORT [--only NAME]`.

README.md has the application that the server must run and the format of the cases.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import ClosedError, Connection, ResetError, Response, ServerError, shown

KEYS = {
    "case": {"name", "why", "send", "expect", "then", "split"},
    "step": {"repeat", "times", "await", "pause", "half_close"},
    "response": {"status", "headers", "body", "head", "optional"},
}
PROBE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PROBED = {"status": 200, "body": "ok"}


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
            except ResetError:
                raise
            except ClosedError:
                if self._connection.unread or not all(map(_is_optional, self._wanted)):
                    raise
                break
        if self._case.then == "closed":
            self._connection.read_end()
        else:
            self._probe()

    def _take_step(self, step: Any) -> None:
        if isinstance(step, bytes):
            size = 1 if self._byte_by_byte else len(step)
            for start in range(0, len(step), size):
                self._connection.send(step[start : start + size])
        elif "pause" in step:
            time.sleep(step["pause"])
        elif "half_close" in step:
            self._connection.half_close()
        else:
            status = self._read_wanted()
            while step["await"] == "response" and status < 200:
                status = self._read_wanted()
            if step["await"] == "100" and status != 100:
                raise ServerError(f"awaited a 100, got {status}")

    def _read_wanted(self) -> int:
        """Reads one response, holds it against the next that is wanted and returns its status."""
        if not self._wanted:
            raise ServerError("the case awaits more responses than it expects")
        response = self._connection.read_response(self._wanted[0].get("head", False))
        wanted = self._wanted.pop(0)
        while self._wanted and _is_optional(wanted) and not _has_status(wanted, response):
            wanted = self._wanted.pop(0)
        _check(wanted, response)
        return response.status

    def _probe(self) -> None:
        """Sends a further request, which must be answered if the case leaves the connection open.

        It is the connection's last, so that nothing may follow its answer.
        """
        self._connection.send(PROBE)
        try:
            response = self._connection.read_response()
        except ClosedError as closed:
            if self._case.then == "either" and not self._connection.unread:
                return
            raise ServerError(f"a further GET / was not answered: {closed}") from None
        try:
            _check(PROBED, response)
        except ServerError as failure:
            raise ServerError(f"a further GET / was answered wrongly: {failure}") from None
        self._connection.read_end()


def load_cases(directory: Path = Path(__file__).parent) -> list[Case]:
    """Reads every `*.json` of a directory, in order of file name; refuses what it does not know."""
    cases: dict[str, Case] = {}
    for path in sorted(directory.glob("*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            place = f"{path.name}: {entry.get('name')}"
            _check_keys("case", entry, place)
            for step in entry["send"]:
                _check_keys("step", {} if isinstance(step, str) else step, place)
            for response in entry["expect"]:
                _check_keys("response", response, place)
            if entry["then"] not in ("open", "closed", "either") or entry["name"] in cases:
                raise ValueError(f"{place} has an unknown `then`, or its name is there twice")
            cases[entry["name"]] = Case(path.stem, **entry)
    return list(cases.values())


def run_case(case: Case, host: str, port: int) -> str | None:
    """Runs one case, each run over a new connection. Returns why it failed, or None if it held."""
    for byte_by_byte in (False, True) if case.split == "every" else (False,):
        try:
            connection = Connection(host, port)
        except OSError as error:
            return f"{case}: no connection to {host}:{port}: {error}"
        try:
            Exchange(case, connection, byte_by_byte).run()
        except ServerError as failure:
            sent = b"".join(step for step in _joined(case.send) if isinstance(step, bytes))
            return (
                f"{case}{' (byte by byte)' if byte_by_byte else ''}: {failure}\n"
                f"    why: {case.why}\n"
                f"    sent: {shown(sent)}\n"
                f"    got: {shown(bytes(connection.received))}\n"
                f"    wanted: {json.dumps(case.expect)}, then {case.then}"
            )
        finally:
            connection.close()
    return None


def _joined(steps: list[Any]) -> Iterator[Any]:
    """Yields neighbouring data as one piece of bytes, and the other steps as they are."""
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


def _is_optional(wanted: dict[str, Any]) -> bool:
    return bool(wanted.get("optional"))


def _has_status(wanted: dict[str, Any], response: Response) -> bool:
    status = wanted["status"]
    return response.status in (status if isinstance(status, list) else [status])


def _check(wanted: dict[str, Any], response: Response) -> None:
    found = []
    if not _has_status(wanted, response):
        found.append(f"wanted status {wanted['status']}, got {response.status}")
    for name, value in wanted.get("headers", {}).items():
        got = response.headers.get(name)
        if value["contains"] not in (got or "") if isinstance(value, dict) else value != got:
            found.append(f"wanted header {name}: {value!r}, got {got!r}")
    if "body" in wanted and not _is_body(wanted["body"], response.body):
        found.append(f"wanted body {wanted['body']!r}, got {shown(response.body)}")
    if found:
        raise ServerError("; ".join(found))


def _is_body(wanted: Any, body: bytes) -> bool:
    if isinstance(wanted, str):
        return body == wanted.encode("latin-1")
    if "length" in wanted:
        return bool(len(body) == wanted["length"])
    with suppress(ValueError):
        return bool(json.loads(body) == wanted["json"])
    return False


def _check_keys(kind: str, entry: dict[str, Any], place: str) -> None:
    if unknown := entry.keys() - KEYS[kind]:
        raise ValueError(f"{place}: a {kind} has no {sorted(unknown)}, only {sorted(KEYS[kind])}")


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
