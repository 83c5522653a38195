"""What a handler may return, and what the client gets for it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from hostloop import App, Response, StreamingResponse, redirect
from hostloop.errors import InvalidError

TEXT, JSON, BYTES = "text/plain; charset=utf-8", "application/json", "application/octet-stream"


@dataclass
class AsDataclass:
    when: date


class AsTypedDict(TypedDict):
    x: int


class AsStruct(msgspec.Struct):
    x: int


class AsModel(pydantic.BaseModel):
    when: date


class Text(str):
    __slots__ = ()


def answer_to(value: Any) -> Any:
    """The response that a handler gets for returning a value."""
    app = App()

    @app.get("/")
    async def handler() -> Any:
        return value() if callable(value) else value

    with app.test() as client:
        return client.get("/")


DAY = date(2024, 2, 29)


@pytest.mark.parametrize(
    ("value", "content", "media_type"),
    [
        ("hé", "hé".encode(), TEXT),
        ("", b"", TEXT),
        (Text("x"), b"x", TEXT),
        ("x" * 100_000, b"x" * 100_000, TEXT),
        (b"\x00\xff", b"\x00\xff", BYTES),
        (bytearray(b"x"), b"x", BYTES),
        (memoryview(b"xyz")[::2], b"xz", BYTES),
        (b"x" * 100_000, b"x" * 100_000, BYTES),
        ({"a": [1, None, True, 1.5]}, b'{"a":[1,null,true,1.5]}', JSON),
        ([1, 2], b"[1,2]", JSON),
        ((1, 2), b"[1,2]", JSON),
        (5, b"5", JSON),
        (False, b"false", JSON),
        (AsDataclass(DAY), b'{"when":"2024-02-29"}', JSON),
        (AsTypedDict(x=1), b'{"x":1}', JSON),
        (AsStruct(1), b'{"x":1}', JSON),
        (AsModel(when=DAY), b'{"when":"2024-02-29"}', JSON),
        ([AsModel(when=DAY)], b'[{"when":"2024-02-29"}]', JSON),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"', JSON),
    ],
)
def test_a_value_is_sent_as_what_it_is(value: Any, content: bytes, media_type: str) -> None:
    response = answer_to(value)
    assert response.status == 200
    assert response.content == content
    assert response.headers["content-type"] == media_type
    assert response.headers["content-length"] == str(len(content))


def test_none_is_a_204() -> None:
    response = answer_to(None)
    assert response.status == 204
    assert response.content == b""
    assert "content-length" not in response.headers


def test_a_response_is_sent_as_it_was_made() -> None:
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("X-Mixed", "é")]
    response = answer_to(Response("hi", 201, cookies, "text/html"))
    assert (response.status, response.content) == (201, b"hi")
    assert response.headers["content-type"] == "text/html"
    assert response.headers.getall("set-cookie") == ["a=1", "b=2"]
    assert response.headers["x-mixed"] == "é"


def test_a_content_type_among_the_headers_wins() -> None:
    assert answer_to(Response("x", headers={"Content-Type": "text/css"})).headers.getall("content-type") == ["text/css"]


def test_a_response_of_json_and_one_of_html() -> None:
    response = answer_to(Response.json(AsModel(when=DAY), 201, {"x-a": "1"}))
    assert (response.status, response.content) == (201, b'{"when":"2024-02-29"}')
    assert (response.headers["content-type"], response.headers["x-a"]) == (JSON, "1")
    assert answer_to(Response.html("<p>")).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_its_target(status: int) -> None:
    response = answer_to(redirect("https://example.org/a?b=c#d", status, {"x-a": "1"}))
    assert (response.status, response.content) == (status, b"")
    assert response.headers["location"] == "https://example.org/a?b=c#d"
    assert response.headers["x-a"] == "1"


def test_a_redirect_cannot_carry_a_line_break() -> None:
    assert redirect("/ü b\r\nset-cookie: x").headers == [("location", "/%C3%BC%20b%0D%0Aset-cookie:%20x")]


def test_a_redirect_with_another_status_is_refused() -> None:
    with pytest.raises(InvalidError, match="redirect has the status 200; use 301, 302, 303, 307 or 308"):
        redirect("/", 200)


async def async_pieces() -> AsyncIterator[bytes | str]:
    yield b"a"
    yield "é"
    yield b""
    yield memoryview(b"c")  # type: ignore[misc]


def pieces() -> Iterator[bytes | str]:
    yield b"a"
    yield "é"
    yield b""
    yield bytearray(b"c")  # type: ignore[misc]


class Countdown:
    """An asynchronous iterator that is not a generator."""

    def __init__(self) -> None:
        self.left = 3

    def __aiter__(self) -> Countdown:
        return self

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return str(self.left)


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        (async_pieces, "aéc"),
        (pieces, "aéc"),
        (Countdown, "210"),
        (lambda: iter(["x", "y"]), "xy"),
        (lambda: map(str, range(3)), "012"),
        (lambda: StreamingResponse(async_pieces()), "aéc"),
        (lambda: StreamingResponse(["x", b"y"]), "xy"),
    ],
)
def test_an_iterator_that_is_returned_is_streamed(stream: Callable[[], Any], content: str) -> None:
    response = answer_to(stream)
    assert response.status == 200
    assert response.headers["content-type"] == BYTES
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.content == content.encode()


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("handler", [async_pieces, pieces])
def test_a_handler_may_be_a_generator_itself(handler: Callable[[], Any], inline: bool) -> None:
    app = App()
    app.get("/", inline=inline)(handler)
    with app.test() as client:
        response = client.get("/")
    assert response.content == "aéc".encode()
    assert response.headers["transfer-encoding"] == "chunked"


def test_a_streaming_response_has_the_head_that_was_asked_for() -> None:
    response = answer_to(lambda: StreamingResponse(["abc"], 201, {"content-length": "3", "x-a": "1"}, "text/csv"))
    assert (response.status, response.content) == (201, b"abc")
    assert response.headers["content-type"] == "text/csv"
    assert response.headers["content-length"] == "3"
    assert "transfer-encoding" not in response.headers


def test_an_empty_stream_is_an_empty_response() -> None:
    response = answer_to(lambda: iter([]))
    assert (response.status, response.content) == (200, b"")


class Opaque:
    pass


@pytest.mark.parametrize("value", [Opaque(), {"a": Opaque()}, "\ud800", {1j}])
def test_a_value_that_cannot_be_sent_is_a_500_and_logged(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = answer_to(value)
    assert response.status == 500
    assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    [record] = caplog.records
    assert (record.name, record.levelno) == ("hostloop", logging.ERROR)
    assert record.getMessage().startswith("GET /: the handler raised ")


def test_the_log_says_what_to_return_instead(caplog: pytest.LogCaptureFixture) -> None:
    answer_to(Opaque())
    assert "Opaque cannot be written as JSON; return a dataclass, a model, or what JSON can hold" in caplog.text


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Response(headers={"a": "b\nset-cookie: c"}), "header a has the value"),
        (lambda: Response(headers={"a": "b\r"}), "header a has the value"),
        (lambda: Response(headers={"a": "€"}), "header a has the value"),
        (lambda: Response(headers={"a b": "c"}), "header name"),
        (lambda: Response(headers={"": "c"}), "header name"),
        (lambda: Response(media_type="text/\nhtml"), "header content-type has the value"),
        (lambda: StreamingResponse([], headers={"a": "b\nc"}), "header a has the value"),
        (lambda: Response(5), "a response has the content 5; use bytes or str, or Response.json"),  # type: ignore[arg-type]
        (lambda: StreamingResponse(b"x"), "a streaming response has the content b'x'; use an iterator"),  # type: ignore[arg-type]
        (lambda: StreamingResponse(5), "a streaming response has the content 5; use an iterator"),  # type: ignore[arg-type]
    ],
)
def test_a_response_that_would_break_is_refused_where_it_is_made(make: Callable[[], Any], named: str) -> None:
    with pytest.raises(InvalidError) as raised:
        make()
    assert named in str(raised.value)


@pytest.mark.parametrize("status", [-1, 0, 99, 100, 101, 199, 1000, 70_000])
def test_a_status_that_cannot_end_a_request_is_refused(status: int) -> None:
    with pytest.raises(InvalidError, match=f"status {status} is not a final response; use 200 to 999"):
        Response(status=status)


def test_a_head_request_gets_the_head_of_a_get() -> None:
    app = App()

    @app.get("/")
    async def whole() -> str:
        return "hello"

    @app.get("/stream")
    async def stream() -> AsyncIterator[str]:
        yield "hello"

    with app.test() as client:
        response = client.head("/")
        assert (response.status, response.content, response.headers["content-length"]) == (200, b"", "5")
        response = client.head("/stream")
        assert (response.status, response.content) == (200, b"")
