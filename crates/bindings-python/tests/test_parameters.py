"""Path and query parameters, and the 422 that says what was wrong with them."""

from __future__ import annotations

import dataclasses
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from hostloop import App

ID = UUID("12345678-1234-5678-1234-567812345678")


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


Page = Annotated[int, msgspec.Meta(ge=1)]


def ask(annotation: Any, path: str, target: str, **defaults: Any) -> Any:
    """Serves a handler with one parameter `v`, and returns the response to a request with what the handler was given."""
    app = App()
    given = []

    async def handler(v: Any) -> None:
        given.append(v)

    handler.__annotations__["v"] = annotation
    if "default" in defaults:
        handler.__defaults__ = (defaults["default"],)
    app.get(path)(handler)
    with app.test() as client:
        response = client.get(target)
    return response, *given


PATH_VALUES = [
    (str, "a", "a"),
    (str, "a%20b%2Fc", "a b/c"),
    (str, "%C3%BC", "ü"),
    (str, "a+b", "a+b"),
    (int, "7", 7),
    (int, "-7", -7),
    (int, "007", 7),
    (float, "1.5", 1.5),
    (float, "2", 2.0),
    (bool, "true", True),
    (bool, "0", False),
    (UUID, str(ID), ID),
    (Color, "red", Color.RED),
    (Level, "2", Level.HIGH),
    (Literal["a", "b"], "b", "b"),
    (Literal[1, 2], "2", 2),
    (date, "2024-02-29", date(2024, 2, 29)),
    (Page, "1", 1),
]


@pytest.mark.parametrize(("annotation", "sent", "value"), PATH_VALUES)
def test_a_path_parameter_arrives_as_the_type_it_is_annotated_with(annotation: Any, sent: str, value: Any) -> None:
    response, given = ask(annotation, "/{v}", f"/{sent}")
    assert response.status == 204
    assert given == value
    assert type(given) is type(value)


REFUSED = [
    (int, "1_0", "a whole number"),
    (int, "2.0", "a whole number"),
    (int, "+5", "a whole number"),
    (int, "%20" + "5", "a whole number"),
    (int, "%D9%A1", "a whole number"),
    (int, "9" * 5000, "a whole number"),
    (float, "x", "a number"),
    (float, "1_0", "a number"),
    (bool, "yes", "true or false"),
    (UUID, "1", "UUID"),
    (Color, "green", "one of red, blue"),
    (Level, "3", "one of 1, 2"),
    (Literal["a", "b"], "c", "one of a, b"),
    (date, "2023-02-29", "date"),
    (Page, "2.0", None),
    (Page, "0", None),
]


@pytest.mark.parametrize(("annotation", "sent", "wanted"), REFUSED)
def test_a_wrong_path_parameter_is_a_422_that_names_it(annotation: Any, sent: str, wanted: str | None) -> None:
    response, *given = ask(annotation, "/{v}", f"/{sent}")
    assert given == []
    assert response.status == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert problem["title"] == "Unprocessable Content"
    [error] = problem["errors"]
    decoded = sent.replace("%20", " ").replace("%D9%A1", "\u0661")
    assert (error["in"], error["name"], error["got"]) == ("path", "v", decoded)
    if wanted is not None:
        assert error["wanted"] == wanted
        assert problem["detail"] == f"path parameter v: wanted {wanted}"


@pytest.mark.parametrize("annotation", [str, int])
def test_a_path_parameter_that_is_not_utf_8_is_a_422(annotation: Any) -> None:
    response, *given = ask(annotation, "/{v}", "/%ff")
    assert given == []
    assert response.status == 422
    [error] = response.json()["errors"]
    assert error == {"in": "path", "name": "v", "got": "/%ff", "wanted": "percent-encoded UTF-8"}


def test_a_path_parameter_without_an_annotation_is_text() -> None:
    app = App()

    @app.get("/{v}")
    async def handler(v) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return f"{type(v).__name__} {v}"

    with app.test() as client:
        assert client.get("/7").text == "str 7"


@pytest.mark.parametrize(("sent", "rest"), [("a", "a"), ("a/b/c", "a/b/c"), ("a%2Fb//c/", "a/b//c/")])
def test_a_path_parameter_takes_the_remainder(sent: str, rest: str) -> None:
    response, given = ask(str, "/files/{v:path}", f"/files/{sent}")
    assert response.status == 204
    assert given == rest


def test_path_parameters_are_told_apart_by_name_and_not_by_place() -> None:
    app = App()

    @app.get("/{first}/{second}")
    async def handler(second: int, first: str) -> str:
        return f"{first} {second}"

    with app.test() as client:
        assert client.get("/a/2").text == "a 2"


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (str, "v=a+b%26c", "a b&c"),
        (str, "v=", ""),
        (str, "v=1&v=2", "1"),
        (str | None, "v=null", "null"),
        (int, "v=7", 7),
        (int | None, "v=7", 7),
        (float | None, "v=1.5", 1.5),
        (list[str], "v=a&w=b&v=c", ["a", "c"]),
        (list[int], "v=1&v=2", [1, 2]),
        (set[int], "v=1&v=1", {1}),
        (tuple[int, ...], "v=1&v=2", (1, 2)),
        (tuple[str, int], "v=1&v=2", ("1", 2)),
        (list[str] | None, "v=a", ["a"]),
        (list[Color], "v=red&v=blue", [Color.RED, Color.BLUE]),
    ],
)
def test_a_query_parameter_arrives_as_the_type_it_is_annotated_with(annotation: Any, query: str, value: Any) -> None:
    response, given = ask(annotation, "/", f"/?{query}")
    assert response.status == 204
    assert given == value


@pytest.mark.parametrize(
    ("annotation", "default"), [(str, "x"), (int, 3), (int | None, None), (str | None, None), (list[str], ["x"])]
)
def test_a_query_parameter_that_is_not_sent_has_its_default(annotation: Any, default: Any) -> None:
    response, given = ask(annotation, "/", "/?other=1", default=default)
    assert response.status == 204
    assert given is default


@pytest.mark.parametrize(
    ("annotation", "wanted"), [(str, "text"), (int, "a whole number"), (int | None, "a whole number"), (list[int], "list[int]")]
)
def test_a_query_parameter_that_is_required_and_not_sent_is_a_422(annotation: Any, wanted: str) -> None:
    response, *given = ask(annotation, "/", "/")
    assert given == []
    assert response.status == 422
    assert response.json()["errors"] == [{"in": "query", "name": "v", "got": None, "wanted": wanted}]


@pytest.mark.parametrize("sent", ["", "1_0", "2.0", "%2B5", "%205", "0x1", "null"])
@pytest.mark.parametrize(("annotation", "many"), [(int, False), (int | None, False), (list[int], True), (Page, False)])
def test_a_whole_number_is_written_with_digits_alone(annotation: Any, many: bool, sent: str) -> None:
    response, *given = ask(annotation, "/", f"/?v={sent}", default=None)
    assert given == []
    assert response.status == 422
    [error] = response.json()["errors"]
    decoded = sent.replace("%2B", "+").replace("%20", " ")
    assert (error["in"], error["name"], error["got"]) == ("query", "v", [decoded] if many else decoded)


def test_keyword_only_parameters_are_filled() -> None:
    app = App()

    @app.get("/{a}")
    async def handler(a: int, *, b: int, c: str = "c") -> str:
        return f"{a} {b} {c}"

    with app.test() as client:
        assert client.get("/1?b=2").text == "1 2 c"
        assert client.get("/1?b=2&c=3").text == "1 2 3"


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    app = App()

    class Body(msgspec.Struct):
        x: int

    async def handler(a: int, b: float, body: Body, c: bool = False, d: str = "fine") -> None: ...

    handler.__annotations__["body"] = Body
    app.post("/{a}")(handler)

    with app.test() as client:
        response = client.post("/x?b=y&c=z", content=b"{}")
    assert response.status == 422
    found = [(error["in"], error["name"], error["got"]) for error in response.json()["errors"]]
    assert ("path", "a", "x") in found
    assert ("query", "b", "y") in found
    assert ("query", "c", "z") in found
    assert all(name != "d" for _, name, _ in found)
    assert ("body", "x", None) in found


@dataclasses.dataclass
class Picky:
    number: int

    def __post_init__(self) -> None:
        raise KeyError(self.number)


def test_a_validator_that_raises_something_else_is_a_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.post("/")
    async def take(body: Picky) -> str:
        return "taken"

    with app.test() as client:
        assert client.post("/", json={"number": 1}).status == 500
    assert "KeyError" in caplog.text
