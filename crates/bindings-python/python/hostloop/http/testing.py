"""The test client: an application's own server, through memory instead of a socket."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from ..errors import ClosedError, StaleError
from .request import Headers
from .response import encode_json

if TYPE_CHECKING:
    from types import TracebackType

    from ..app import App
    from .server import Server

__all__ = ["TestClient", "TestResponse"]


class TestResponse:
    """What came back."""

    __test__ = False

    def __init__(self, status: int, headers: Headers, content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode()

    def json(self) -> Any:
        """The body, decoded as JSON."""
        return msgspec.json.decode(self.content)

    def __repr__(self) -> str:
        return f"<TestResponse {self.status}, {len(self.content)} bytes>"


PIECE = 64 * 1024
"""Bytes that are offered to a connection at once: as many as it holds."""


class Methods:
    """The requests that a client makes, each through `request`."""

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Makes a request. Options: `headers`, `query` (a mapping), and `json`, `content` or `data` (a form) as the body."""
        raise NotImplementedError

    def get(self, path: str, **options: Any) -> Any:
        """Makes a GET request."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """Makes a POST request."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Any:
        """Makes a PUT request."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        """Makes a PATCH request."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        """Makes a DELETE request."""
        return self.request("DELETE", path, **options)

    def head(self, path: str, **options: Any) -> Any:
        """Makes a HEAD request."""
        return self.request("HEAD", path, **options)

    def options(self, path: str, **options: Any) -> Any:
        """Makes an OPTIONS request."""
        return self.request("OPTIONS", path, **options)


class AsyncTestClient(Methods):
    """Makes requests from within the loop that serves."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tokens = itertools.count()

    async def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Makes a request and waits for its response."""
        connection = Connection(self._server, next(self._tokens))
        try:
            connection.send(write_request(method, path, **options))
            return read_response(method, await connection.response)
        finally:
            connection.close()


class Connection:
    """A connection in memory, for one request."""

    def __init__(self, server: Server, token: int) -> None:
        # Everything that the server has written, once it closes.
        self.response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._received = bytearray()
        self._request = b""
        self._sent = 0
        self._end = server.connect(token, self)

    def send(self, data: bytes) -> None:
        """Sends everything, as fast as the server reads. It may answer before, and read no more."""
        self._request = data
        self.writable()

    def close(self) -> None:
        """Goes away, if the server has not closed."""
        with suppress(StaleError, ClosedError):
            self._end.close()

    # What the server calls.

    def received(self, data: bytes) -> None:
        self._received.extend(data)

    def writable(self) -> None:
        with suppress(StaleError, ClosedError):
            while piece := self._request[self._sent : self._sent + PIECE]:
                sent = self._end.send(piece)
                self._sent += sent
                if sent < len(piece):
                    return

    def closed(self) -> None:
        if not self.response.done():
            self.response.set_result(bytes(self._received))


class SyncTestClient(Methods):
    """Makes requests from ordinary code: the loop runs while one is under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: AsyncTestClient) -> None:
        self._loop = loop
        self._client = client

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """Makes a request and waits for its response."""
        return self._loop.run_until_complete(self._client.request(method, path, **options))


class TestClient:
    """Serves an application for tests, with `with` or `async with`.

    ```python
    with app.test() as client:
        assert client.get("/health").json() == {"status": "ok"}
    ```

    Requests go through the whole server, parsing included, without a socket. Each has a connection of its own.
    """

    __test__ = False

    def __init__(self, app: App) -> None:
        self._app = app
        self._stack = AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> AsyncTestClient:
        return AsyncTestClient(await self._stack.enter_async_context(self._app.unbound()))

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def __enter__(self) -> SyncTestClient:
        self._loop = asyncio.new_event_loop()
        try:
            return SyncTestClient(self._loop, self._loop.run_until_complete(self.__aenter__()))
        except BaseException:
            self._close_loop()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._loop is not None
        try:
            self._loop.run_until_complete(self.__aexit__(kind, error, trace))
        finally:
            self._close_loop()

    def _close_loop(self) -> None:
        assert self._loop is not None
        try:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()


def write_request(
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    json: Any = None,
    content: bytes | str | None = None,
    data: Mapping[str, Any] | None = None,
) -> bytes:
    """Writes a request as bytes."""
    fields = {"host": "testserver", "connection": "close"}
    body = content.encode() if isinstance(content, str) else content
    if json is not None:
        body, fields["content-type"] = encode_json(json), "application/json"
    elif data is not None:
        body, fields["content-type"] = urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    if body is not None:
        fields["content-length"] = str(len(body))
    fields.update({name.lower(): value for name, value in (headers or {}).items()})
    target = f"{path}?{urlencode(query, doseq=True)}" if query else path
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


class Received(io.BytesIO):
    """Bytes that `http.client` can read as from a socket."""

    def makefile(self, *_: Any) -> Received:
        """Returns itself."""
        return self


def read_response(method: str, received: bytes) -> TestResponse:
    """Reads a response. One that is cut off raises `http.client.HTTPException`."""
    response = HTTPResponse(Received(received), method=method)  # type: ignore[arg-type]
    response.begin()
    content = response.read()
    return TestResponse(response.status, Headers([(k.lower(), v) for k, v in response.getheaders()]), content)
