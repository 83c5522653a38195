"""What a handler sees of a request. Everything is decoded when it is asked for, and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from ..errors import HTTPError

if TYPE_CHECKING:
    from .._core import Exchange

__all__ = ["Headers", "Query", "Request"]


class MultiMapping(Mapping[str, str]):
    """A mapping whose names may have several values: `m[name]` is the first, `getall` all of them."""

    __slots__ = ("_items",)

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = items

    def getall(self, name: str) -> list[str]:
        """Returns all values of a name, in order. None is an empty list."""
        name = self._fold(name)
        return [value for key, value in self._items if key == name]

    def multi_items(self) -> list[tuple[str, str]]:
        """Returns every pair of name and value, in order."""
        return list(self._items)

    def __getitem__(self, name: str) -> str:
        folded = self._fold(name)
        for key, value in self._items:
            if key == folded:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._items))

    def __len__(self) -> int:
        return len(dict(self._items))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"

    @staticmethod
    def _fold(name: str) -> str:
        return name


class Query(MultiMapping):
    """The parameters of a query string, percent-decoded."""

    __slots__ = ()


class Headers(MultiMapping):
    """Header fields. Names are looked up in any case; values are read as Latin-1."""

    __slots__ = ()

    @staticmethod
    def _fold(name: str) -> str:
        return name.lower()


class Request:
    """One request, as a handler that asks for it sees it."""

    __slots__ = ("_body", "_cookies", "_exchange", "_headers", "_names", "_query", "_taken")

    def __init__(self, exchange: Exchange, names: tuple[str, ...] = ()) -> None:
        self._exchange = exchange
        self._names = names
        self._body: bytes | None = exchange.body
        self._taken = False
        self._headers: Headers | None = None
        self._query: Query | None = None
        self._cookies: dict[str, str] | None = None

    @property
    def method(self) -> str:
        """The method, such as `GET`."""
        return self._exchange.method

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return self._exchange.path

    @property
    def raw_path(self) -> str:
        """The path as it was sent."""
        return self._exchange.raw_path

    @property
    def target(self) -> str:
        """The path and query as they were sent."""
        return self._exchange.target

    @property
    def query_string(self) -> str:
        """The query as it was sent, without the `?`."""
        return self._exchange.query_string

    @property
    def http_version(self) -> str:
        """`1.1` or `1.0`."""
        return self._exchange.http_version

    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port. Unix sockets and test clients have none."""
        return self._exchange.client

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers(self._exchange.headers)
        return self._headers

    @property
    def query(self) -> Query:
        """The query's parameters, percent-decoded."""
        if self._query is None:
            self._query = Query(parse_query(self._exchange.query_string))
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent. Of two with one name, the first."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.getall("cookie"))
        return self._cookies

    @property
    def path_params(self) -> dict[str, str]:
        """The path's parameters by name, percent-decoded."""
        return {name: self._exchange.param(index) for index, name in enumerate(self._names)}

    async def stream(self) -> AsyncIterator[bytes]:
        """Gives the body piece by piece. Nothing is read from the client before it is asked for.

        Raises `ClientDisconnected` if the client leaves before the end.
        """
        if self._body is not None:
            if self._body:
                yield self._body
            return
        if self._taken:
            raise RuntimeError("the body was streamed already, or reading it was cancelled; read it once, with body() to keep it")
        self._taken = True
        while (chunk := await self._exchange.read()) is not None:
            yield chunk

    async def body(self) -> bytes:
        """Returns the whole body, at most `Limits.body_bytes`."""
        if self._body is None:
            self._body = b"".join([chunk async for chunk in self.stream()])
        return self._body

    async def text(self) -> str:
        """Returns the body as UTF-8. Anything else is a 422."""
        try:
            return (await self.body()).decode()
        except UnicodeDecodeError as error:
            raise unreadable_body("UTF-8 text", str(error)) from None

    async def json(self) -> Any:
        """Returns the body, decoded as JSON. Anything else is a 422."""
        try:
            return msgspec.json.decode(await self.body())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise unreadable_body("JSON", str(error)) from None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


def unreadable_body(wanted: str, why: str) -> HTTPError:
    """The 422 of a body that is not what it must be."""
    errors = [{"in": "body", "name": None, "got": None, "wanted": wanted}]
    return HTTPError(422, f"the body is not {wanted}: {why}", errors=errors)


def parse_query(query: str) -> list[tuple[str, str]]:
    """Splits a query string into decoded names and values."""
    return parse_qsl(query, keep_blank_values=True) if query else []


def parse_cookies(fields: list[str]) -> dict[str, str]:
    """Splits cookie header fields (RFC 6265) into names and values."""
    cookies: dict[str, str] = {}
    for pair in ";".join(fields).split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            cookies.setdefault(name.strip(), value.strip().strip('"'))
    return cookies
