"""The client's end of a connection, which takes nothing for granted of what a server sends."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

READ_SECONDS = 5.0
SHOWN_BYTES = 600
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}) [\t -~\x80-\xff]*")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")


class ServerError(AssertionError):
    """Says what the server did that the case does not allow."""


class ClosedError(ServerError):
    """The connection ended where more was wanted."""


class ResetError(ClosedError):
    """The connection ended with a reset, which may take bytes with it that were on their way."""


@dataclass(frozen=True)
class Response:
    """A response as it was parsed: names in lower case, fields of one name joined with commas."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """The client's end: sends raw bytes, parses responses strictly, keeps all that it received."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=READ_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._at = 0
        self.received = bytearray()

    @property
    def unread(self) -> bytes:
        return bytes(self.received[self._at :])

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        # A request may be refused before it is all sent; what came back by then decides.
        with suppress(OSError):
            self._socket.sendall(data)

    def half_close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def read_response(self, head: bool = False) -> Response:
        """Reads one response; `head` says that it answers a HEAD and so has no body."""
        line = self._line()
        if (start := STATUS_LINE.fullmatch(line)) is None:
            raise ServerError(f"not a status line: {line!r}")
        status = int(start[1])
        headers: dict[str, str] = {}
        while line := self._line():
            if (field := FIELD.fullmatch(line)) is None:
                raise ServerError(f"not a header field: {line!r}")
            name, value = field[1].decode().lower(), field[2].decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return Response(status, headers, self._body(status, headers, head))

    def read_end(self) -> None:
        """Waits for a clean end of the connection, with no byte before it."""
        while self._more():
            pass
        if self.unread:
            raise ServerError(f"unexpected bytes before the end: {shown(self.unread)}")

    def _body(self, status: int, headers: dict[str, str], head: bool) -> bytes:
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if length is not None and encoding is not None:
            raise ServerError("a response with both Content-Length and Transfer-Encoding")
        if (status < 200 or status == 204) and (length is not None or encoding is not None):
            raise ServerError(f"a {status} with Content-Length or Transfer-Encoding")
        if length is not None and re.fullmatch("[0-9]+", length) is None:
            raise ServerError(f"not a Content-Length: {length!r}")
        if encoding is not None and encoding.lower() != "chunked":
            raise ServerError(f"not a Transfer-Encoding that was asked for: {encoding!r}")
        if head or status < 200 or status in (204, 304):
            return b""
        if encoding is not None:
            return b"".join(self._chunks())
        if length is not None:
            return self._take(int(length))
        while self._more():
            pass
        return self._take(len(self.unread))

    def _chunks(self) -> Iterator[bytes]:
        size = -1
        while size:
            line = self._line()
            if CHUNK_SIZE.fullmatch(line) is None:
                raise ServerError(f"not a chunk's size: {line!r}")
            size = int(line, 16)
            yield self._take(size)
            if line := self._line():
                raise ServerError(f"more than the chunk's size, or a trailer: {line!r}")

    def _line(self) -> bytes:
        while (end := self.received.find(b"\n", self._at)) < 0:
            self._need_more()
        line = self._take(end + 1 - self._at)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise ServerError(f"not a line that ends with CR LF: {line!r}")
        return line[:-2]

    def _take(self, count: int) -> bytes:
        while len(self.received) < self._at + count:
            self._need_more()
        self._at += count
        return bytes(self.received[self._at - count : self._at])

    def _need_more(self) -> None:
        if not self._more():
            raise ClosedError("the connection was closed before the response was complete")

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise ServerError(f"nothing came for {READ_SECONDS:g} s") from None
        except ConnectionError:
            raise ResetError("the connection was reset") from None
        self.received += data
        return bool(data)


def shown(data: bytes) -> str:
    """Writes bytes for a person to read, cut short where they are many."""
    rest = len(data) - SHOWN_BYTES
    return repr(data) if rest <= 0 else f"{data[:SHOWN_BYTES]!r} and {rest} bytes more"
