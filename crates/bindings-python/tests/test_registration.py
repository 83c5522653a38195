"""Mistakes in an application are found when it is written, and their messages name the thing and the fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hostloop import App, Limits, Timeouts
from hostloop.errors import ConflictError, HostloopError, InvalidError
from hostloop.http.options import MOST


class Body(msgspec.Struct):
    x: int


class Database:
    pass


async def fine() -> None: ...


async def of_an_unknown_type(db: Database) -> None: ...


async def not_annotated(x) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


async def with_args(*args: int) -> None: ...


async def with_kwargs(**kwargs: int) -> None: ...


async def with_two_bodies(a: Body, b: bytes) -> None: ...


async def unresolvable(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


async def structured_path(a: Body) -> None: ...


@pytest.mark.parametrize(
    ("handler", "path", "named", "fix"),
    [
        (of_an_unknown_type, "/", "the parameter db: Database, which no request can give", "use a path or query value"),
        (not_annotated, "/", "the parameter x, which is not in the path and has no annotation", "annotate it"),
        (with_args, "/", "takes *args", "name each parameter"),
        (with_kwargs, "/", "takes *kwargs", "name each parameter"),
        (with_two_bodies, "/", "takes 2 bodies (a, b)", "join them in one type"),
        (unresolvable, "/", "name 'Nowhere' is not defined", "import the name where the handler is defined"),
        (structured_path, "/{a}", "the path parameter a as Body", "use str, int or another single value"),
    ],
)
def test_a_handler_that_no_request_can_call_is_refused(handler: Callable[..., Any], path: str, named: str, fix: str) -> None:
    with pytest.raises(InvalidError) as raised:
        App().get(path)(handler)
    text = str(raised.value)
    assert text.startswith(f"GET {path}: handler {handler.__name__}() ({__file__}:")
    assert named in text
    assert text.endswith(fix) or fix in text


def test_a_route_given_twice_is_refused() -> None:
    app = App()
    app.get("/a")(fine)
    app.post("/a")(fine)
    with pytest.raises(ConflictError, match=re.escape("route `GET /a` is given twice; remove one of them")):
        app.get("/a")(fine)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("nope", "must start with `/`"),
        ("", "must start with `/`"),
        ("/{a", "has a `{` without `}`"),
        ("/a}", "has a `}`"),
        ("/{}", "has a parameter named ``; use letters, digits and `_`"),
        ("/{a-b}", "has a parameter named `a-b`; use letters, digits and `_`"),
        ("/{a:int}", "has a parameter named `a:int`"),
        ("/{a:path}/b", "must be at the end"),
        ("/{a}{b}", "a segment may hold one parameter"),
        ("/a?b", "has a `}`, `?` or `#` outside a parameter"),
    ],
)
def test_a_path_that_cannot_be_served_is_refused(path: str, named: str) -> None:
    app = App()
    with pytest.raises(InvalidError) as raised:  # noqa: PT012
        app.get(path)(fine)
        with app.test():
            pass
    assert f"`{path}`" in str(raised.value)
    assert named in str(raised.value)


def test_a_parameter_that_is_twice_in_a_path_is_refused() -> None:
    app = App()
    with pytest.raises(InvalidError, match=re.escape("path `/{a}/{a}` has two parameters named `a`; rename one")):  # noqa: PT012
        app.get("/{a}/{a}")(fine)
        with app.test():
            pass


def test_two_paths_that_cannot_be_told_apart_are_refused() -> None:
    app = App()
    app.get("/{a}")(fine)
    with pytest.raises(InvalidError, match=re.escape("path `/{b}`: it cannot be told from `/{a}`; rename one")):  # noqa: PT012
        app.get("/{b}")(fine)
        with app.test():
            pass


def test_a_method_that_is_not_a_token_is_refused() -> None:
    app = App()
    with pytest.raises(InvalidError, match="GE T"):  # noqa: PT012
        app.route("/", ["GE T"])(fine)
        with app.test():
            pass


@pytest.mark.parametrize("make", [lambda: App(on_disconnect="stop"), lambda: App().get("/", on_disconnect="stop")(fine)])  # type: ignore[arg-type]
def test_an_unknown_on_disconnect_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidError, match="on_disconnect is 'stop'; use 'cancel' or 'ignore'"):
        make()


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, None])
def test_a_number_of_threads_that_cannot_be_is_refused(threads: Any) -> None:
    with pytest.raises(InvalidError, match=re.escape(f"threads is {threads!r}; use 1 or more")):
        App(threads=threads)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, None])
def test_a_number_of_workers_that_cannot_be_is_refused(workers: Any) -> None:
    with pytest.raises(InvalidError, match=re.escape(f"workers is {workers!r}; use 1 or more")):
        App().run(workers=workers)


@pytest.mark.parametrize("name", Limits.__dataclass_fields__)
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "1", 2**32])
def test_a_limit_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(
        InvalidError, match=re.escape(f"Limits.{name} is {value!r}; use a whole number from 1 to {MOST.get(name, 2**32 - 1):,}")
    ):
        Limits(**{name: value})


@pytest.mark.parametrize("name", Timeouts.__dataclass_fields__)
@pytest.mark.parametrize("value", [0, -1, True, "1", float("nan"), float("inf")])
def test_a_timeout_that_cannot_be_is_refused(name: str, value: Any) -> None:
    text = f"Timeouts.{name} is {value!r}; use seconds above 0, or None to wait without end"
    with pytest.raises(InvalidError, match=re.escape(text)):
        Timeouts(**{name: value})


def test_every_limit_and_timeout_that_can_be_is_taken() -> None:
    app = App(
        limits=Limits(**(dict.fromkeys(Limits.__dataclass_fields__, 2**32 - 1) | MOST)),
        timeouts=Timeouts(**dict.fromkeys(Timeouts.__dataclass_fields__, None)),
    )
    app.get("/")(fine)
    with app.test() as client:
        assert client.get("/").status == 204


def test_mistakes_are_value_errors_and_hostloop_errors() -> None:
    assert issubclass(InvalidError, ValueError)
    assert issubclass(InvalidError, HostloopError)


def test_a_decorated_handler_stays_the_function_it_was() -> None:
    assert App().get("/")(fine) is fine
    assert App().route("/", ["GET", "POST"])(fine) is fine


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("GET", "links", "path `links` must start with `/`"),
        ("GET", "/{a}/{b}/{a b}", "path `/{a}/{b}/{a b}` has a parameter named `a b`; use letters, digits and `_`"),
        ("GET", "/{rest:path}/more", "path `/{rest:path}/more`: a `:path` parameter must be at the end"),
        ("GET", "/{code", "path `/{code` has a `{` without `}`"),
        ("G ET", "/ok", 'method "G ET" is not a token; use GET, POST, ...'),
    ],
)
def test_a_route_that_can_never_match_is_refused_where_it_is_written(method: str, path: str, why: str) -> None:
    with pytest.raises(InvalidError, match=re.escape(why)):
        App().route(path, [method])(lambda: None)


def test_paths_that_cannot_be_told_apart_are_refused_where_the_second_is_written() -> None:
    app = App()
    app.get("/{a}")(lambda a: None)
    with pytest.raises(InvalidError, match=re.escape("path `/{b}`: it cannot be told from `/{a}`; rename one")):
        app.get("/{b}")(lambda b: None)
