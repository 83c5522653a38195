"""Bodies, decoded into the type that a handler asks for; and the 422 that names the member that was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from hostloop import App, Request


@dataclass
class AsDataclass:
    url: str
    hits: int = 0
    tags: list[str] = field(default_factory=list)


class AsTypedDict(TypedDict):
    url: str
    hits: int


class AsStruct(msgspec.Struct):
    url: str
    hits: int = 0


class AsModel(pydantic.BaseModel):
    url: str
    hits: int = 0


def post(annotation: Any, *, default: Any = ..., **options: Any) -> Any:
    """Serves a handler with a body, and returns the response to a request with what the handler was given."""
    app = App()
    given = []

    async def handler(body: Any) -> None:
        given.append(body)

    handler.__annotations__["body"] = annotation
    if default is not ...:
        handler.__defaults__ = (default,)
    app.post("/")(handler)
    with app.test() as client:
        response = client.post("/", **options)
    return response, *given


@pytest.mark.parametrize(
    ("annotation", "sent", "value"),
    [
        (AsDataclass, {"url": "/a", "tags": ["x"]}, AsDataclass("/a", 0, ["x"])),
        (AsTypedDict, {"url": "/a", "hits": 1}, {"url": "/a", "hits": 1}),
        (AsStruct, {"url": "/a", "hits": 1}, AsStruct("/a", 1)),
        (AsModel, {"url": "/a", "hits": 1}, AsModel(url="/a", hits=1)),
        (dict, {"a": [1, None]}, {"a": [1, None]}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (list[AsStruct], [{"url": "/a"}, {"url": "/b"}], [AsStruct("/a"), AsStruct("/b")]),
        (list[AsModel], [{"url": "/a"}], [AsModel(url="/a")]),
        (AsStruct | None, {"url": "/a"}, AsStruct("/a")),
        (AsModel | None, {"url": "/a"}, AsModel(url="/a")),
    ],
)
def test_a_body_arrives_as_the_type_it_is_annotated_with(annotation: Any, sent: Any, value: Any) -> None:
    response, given = post(annotation, json=sent)
    assert response.status == 204
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize("sent", [b"", b"\x00\xff", b"x" * 100_000])
def test_a_body_asked_for_as_bytes_is_given_as_it_came(sent: bytes) -> None:
    response, given = post(bytes, content=sent)
    assert response.status == 204
    assert given == sent


@pytest.mark.parametrize("annotation", [AsStruct | None, AsModel | None, AsDataclass | None])
def test_a_body_with_a_default_may_be_absent(annotation: Any) -> None:
    response, given = post(annotation, default=None)
    assert response.status == 204
    assert given is None


@pytest.mark.parametrize("annotation", [AsDataclass, AsTypedDict, AsStruct, AsModel, dict, list[AsStruct], AsStruct | None])
@pytest.mark.parametrize("sent", [b"", b"nonsense", b"\xff"])
def test_a_body_that_is_not_json_is_a_422(annotation: Any, sent: bytes) -> None:
    response, *given = post(annotation, content=sent)
    assert given == []
    assert response.status == 422
    [error] = response.json()["errors"]
    assert (error["in"], error["name"], error["got"]) == ("body", None, None)
    assert "JSON" in error["wanted"]


@pytest.mark.parametrize("annotation", [AsDataclass, AsTypedDict, AsStruct, AsModel, dict])
@pytest.mark.parametrize("sent", [b"{", b'{"url": "/', b'{"url": "\xff"}', b'{"url": "/", "hits": 1} trailing'])
def test_a_body_that_breaks_off_or_goes_on_is_a_422(annotation: Any, sent: bytes) -> None:
    response, *given = post(annotation, content=sent)
    assert given == []
    assert response.status == 422
    assert "JSON" in response.json()["errors"][0]["wanted"]


@pytest.mark.parametrize(
    ("annotation", "sent", "name", "got", "wanted"),
    [
        (AsDataclass, {"url": 5}, "url", 5, "str"),
        (AsDataclass, {"hits": 1}, "url", None, "a value: it is required"),
        (AsDataclass, {"url": "/", "tags": ["a", 5]}, "tags[1]", 5, "str"),
        (AsTypedDict, {"url": "/", "hits": "1"}, "hits", "1", "int"),
        (AsTypedDict, {"url": "/"}, "hits", None, "a value: it is required"),
        (AsStruct, {"url": "/", "hits": 1.5}, "hits", 1.5, "int"),
        (AsStruct, {}, "url", None, "a value: it is required"),
        (AsStruct, [], None, None, "object"),
        (list[AsStruct], [{"url": 1}], "[0].url", 1, "str"),
        (list[AsStruct], {}, None, None, "array"),
        (dict[str, int], {"a": "b"}, "[...]", None, "int"),
        (dict, [], None, None, "object"),
        (AsStruct | None, {"url": 1}, "url", 1, "str"),
    ],
)
def test_a_wrong_member_is_a_422_that_names_it(annotation: Any, sent: Any, name: str | None, got: Any, wanted: str) -> None:
    response, *given = post(annotation, json=sent)
    assert given == []
    assert response.status == 422
    assert response.headers["content-type"] == "application/problem+json"
    [error] = response.json()["errors"]
    assert error == {"in": "body", "name": name, "got": got, "wanted": wanted}


def test_a_pydantic_model_reports_every_wrong_member() -> None:
    response, *given = post(AsModel, json={"url": 5, "hits": "many"})
    assert given == []
    assert response.status == 422
    url, hits = response.json()["errors"]
    assert (url["in"], url["name"], url["got"]) == ("body", "url", 5)
    assert url["wanted"] == "Input should be a valid string"
    assert (hits["in"], hits["name"], hits["got"]) == ("body", "hits", "many")


def test_a_missing_member_of_a_pydantic_model_is_named() -> None:
    response, *_ = post(AsModel, json={})
    assert response.json()["errors"] == [{"in": "body", "name": "url", "got": None, "wanted": "Field required"}]


def test_a_handler_may_take_its_request_beside_the_decoded_body() -> None:
    app = App()

    @app.post("/")
    async def handler(request: Request, body: AsStruct) -> dict[str, Any]:
        return {"url": body.url, "raw": await request.text(), "streamed": [piece.decode() async for piece in request.stream()]}

    with app.test() as client:
        sent = '{"url":"/a"}'
        assert client.post("/", content=sent).json() == {"url": "/a", "raw": sent, "streamed": [sent]}


def test_a_body_beyond_the_limit_is_a_413() -> None:
    from hostloop import Limits

    app = App(limits=Limits(body_bytes=10))

    @app.post("/")
    async def handler(body: bytes) -> bytes:
        return body

    with app.test() as client:
        assert client.post("/", content=b"x" * 10).content == b"x" * 10
        assert client.post("/", content=b"x" * 11).status == 413
