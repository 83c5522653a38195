"""What a handler may return."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from .._core import Head, quote_path
from ..errors import HTTPError, InvalidError

__all__ = ["Response", "StreamingResponse", "problem", "redirect"]

HeaderInput = Mapping[str, str] | Iterable[tuple[str, str]] | None


def encode_unknown(value: Any) -> Any:
    """What msgspec does not know: pydantic models, by their own rules."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON; return a dataclass, a model, or what JSON can hold")


encode_json = msgspec.json.Encoder(enc_hook=encode_unknown).encode
"""Writes a value as JSON."""


def header_pairs(headers: HeaderInput, media_type: str | None) -> list[tuple[str, str]]:
    """Lists the header fields; a media type stands where none of them gives one."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    if media_type is not None and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.insert(0, ("content-type", media_type))
    return pairs


class Response:
    """A whole response.

    `content` is bytes, or text that is sent as UTF-8. `headers` is a mapping or a list of pairs; a list may name a field twice, as
    for `set-cookie`. A status or field that would break the response is refused here, with an error that names it.
    """

    __slots__ = ("content", "head")

    def __init__(
        self,
        content: bytes | str = b"",
        status: int = 200,
        headers: HeaderInput = None,
        media_type: str | None = None,
    ) -> None:
        if isinstance(content, str):
            content = content.encode()
            media_type = media_type or "text/plain; charset=utf-8"
        elif not isinstance(content, bytes):
            raise InvalidError(f"a response has the content {content!r}; use bytes or str, or Response.json for other values")
        self.content = content
        self.head = Head(status, header_pairs(headers, media_type))

    @property
    def status(self) -> int:
        """The status."""
        return self.head.status

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields, names in lower case."""
        return self.head.headers

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: HeaderInput = None) -> Response:
        """Makes a response of anything that JSON can hold, dataclasses and models included."""
        return cls(encode_json(value), status, headers, "application/json")

    @classmethod
    def html(cls, content: str, status: int = 200, headers: HeaderInput = None) -> Response:
        """Makes a response of HTML."""
        return cls(content, status, headers, "text/html; charset=utf-8")

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.content)} bytes>"


class StreamingResponse:
    """A response that is sent piece by piece, as fast as the client takes it.

    `content` gives bytes or text. An iterator that is not asynchronous runs in a thread. Give `content-length` in `headers` if it
    is known; else the pieces are sent chunked.
    """

    __slots__ = ("content", "head")

    def __init__(
        self,
        content: AsyncIterable[bytes | str] | Iterable[bytes | str],
        status: int = 200,
        headers: HeaderInput = None,
        media_type: str | None = "application/octet-stream",
    ) -> None:
        if not isinstance(content, (AsyncIterable, Iterable)) or isinstance(content, (bytes, str)):
            raise InvalidError(f"a streaming response has the content {content!r}; use an iterator of bytes or str, or Response")
        self.content = content
        self.head = Head(status, header_pairs(headers, media_type))


def redirect(url: str, status: int = 302, headers: HeaderInput = None) -> Response:
    """Makes a response that sends the client to another URL, which is written as it is given.

    Characters that cannot stand in a URL are percent-encoded. Status is 301, 302, 303, 307 or 308.
    """
    if status not in (301, 302, 303, 307, 308):
        raise InvalidError(f"redirect has the status {status}; use 301, 302, 303, 307 or 308")
    location = url if url.isascii() and url.isprintable() and " " not in url else quote_url(url)
    return Response(b"", status, [("location", location), *header_pairs(headers, None)])


def quote_url(url: str) -> str:
    """Percent-encodes line breaks, spaces and what is not ASCII, and leaves the structure alone."""
    return "".join(c if " " < c < "\x7f" else quote_path(c) for c in url)


def problem(error: HTTPError) -> Response:
    """Makes the response of an `HTTPError`: problem details (RFC 9457)."""
    details: dict[str, Any] = {"type": "about:blank", "title": error.title or reason(error.status), "status": error.status}
    if error.detail is not None:
        details["detail"] = error.detail
    if error.errors is not None:
        details["errors"] = error.errors
    return Response(encode_json(details), error.status, error.headers, "application/problem+json")


def reason(status: int) -> str:
    """The name of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
