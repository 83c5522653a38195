"""A client that shows what is on the wire: one connection, and one response at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PATIENCE = 10


@dataclass
class Reply:
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list)
    """The chunks of a chunked body, as they were cut."""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def closes(self) -> bool:
        """Whether no other request may follow."""
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(self, method: str, target: str, *fields: str, body: bytes = b"") -> None:
        """Sends a request with the given header fields."""
        lines = [f"{method} {target} HTTP/1.1", "host: test", *fields]
        if body:
            lines.append(f"content-length: {len(body)}")
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self) -> Reply:
        """Reads the head of a response."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode("latin-1")
        status, *lines = head.split("\r\n")[:-2]
        return Reply(
            int(status.split()[1]), {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        )

    async def reply(self, method: str = "GET") -> Reply:
        """Reads a response. One that is cut off raises `asyncio.IncompleteReadError`."""
        reply = await self.head()
        if method == "HEAD" or reply.status in (204, 304):
            return reply
        if reply.headers.get("transfer-encoding") == "chunked":
            while piece := await self.chunk():
                reply.pieces.append(piece)
            reply.body = b"".join(reply.pieces)
        else:
            reply.body = await asyncio.wait_for(self.reader.readexactly(int(reply.headers["content-length"])), PATIENCE)
        return reply

    async def chunk(self) -> bytes:
        """Reads one chunk of a chunked body. The last is empty."""
        size = int(await asyncio.wait_for(self.reader.readuntil(b"\r\n"), PATIENCE), 16)
        return (await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE))[:-2]

    async def rest(self) -> bytes:
        """Reads until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def get(self, target: str, *fields: str) -> Reply:
        await self.request("GET", target, *fields)
        return await self.reply()

    def abort(self) -> None:
        """Goes away without a word."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Connection]:
    """Connects to `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`."""
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def get(address: str, target: str) -> Reply:
    """Makes one request on a connection of its own."""
    async with connected(address) as connection:
        return await connection.get(target, "connection: close")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
