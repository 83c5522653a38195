"""The test client: the whole server, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from http.client import HTTPException
from typing import Any

import msgspec
import pytest

from hostloop import App, Request, Response

Run = Callable[..., Any]


def example() -> App:
    app = App()

    @app.route("/echo", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def echo(request: Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "query": request.query.multi_items(),
            "type": request.headers.get("content-type"),
            "body": await request.text(),
            "host": request.headers["host"],
        }

    @app.get("/stream")
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000
            await asyncio.sleep(0)

    @app.get("/broken")
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError

    @app.get("/cookies")
    async def cookies() -> Response:
        return Response(headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])

    return app


METHODS = ["get", "post", "put", "patch", "delete", "options"]


@pytest.mark.parametrize("method", METHODS)
def test_a_synchronous_client_makes_requests_from_ordinary_code(method: str) -> None:
    with example().test() as client:
        response = getattr(client, method)("/echo")
        assert response.status == 200
        assert response.json()["method"] == method.upper()
        assert response.json()["host"] == "testserver"


@pytest.mark.parametrize("method", METHODS)
def test_an_asynchronous_client_makes_requests_from_a_coroutine(method: str, run: Run) -> None:
    async def main() -> None:
        async with example().test() as client:
            response = await getattr(client, method)("/echo")
            assert response.json()["method"] == method.upper()

    run(main())


def test_queries_json_forms_and_contents_are_encoded() -> None:
    class Item(msgspec.Struct):
        x: int

    def sent(**options: Any) -> dict[str, Any]:
        with example().test() as client:
            result: dict[str, Any] = client.post("/echo", **options).json()
            return result

    assert sent(query={"a": "1 &", "b": [2, 3]})["query"] == [["a", "1 &"], ["b", "2"], ["b", "3"]]
    assert sent(json={"a": None}) | {"type": 0} == sent(content='{"a":null}') | {"type": 0}
    assert sent(json=Item(1))["body"] == '{"x":1}'
    assert sent(json=[])["type"] == "application/json"
    form = sent(data={"a": "é", "b": [1, 2]})
    assert (form["type"], form["body"]) == ("application/x-www-form-urlencoded", "a=%C3%A9&b=1&b=2")
    assert sent(content=b"raw", headers={"Content-Type": "text/csv"})["type"] == "text/csv"


def test_a_response_has_a_status_headers_and_content() -> None:
    with example().test() as client:
        response = client.get("/cookies")
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert repr(response) == "<TestResponse 200, 0 bytes>"
        assert client.get("/echo").text == client.get("/echo").content.decode()


def test_a_streamed_response_is_joined() -> None:
    with example().test() as client:
        assert client.get("/stream").content == b"x" * 1_000_000


def test_a_body_that_a_connection_cannot_hold_is_sent_as_the_handler_reads() -> None:
    app = App()

    @app.post("/read")
    async def read(request: Request) -> str:
        return str(sum([len(piece) async for piece in request.stream()]))

    @app.post("/refuse")
    async def refuse(request: Request) -> Response:
        return Response("too much", status=413)

    with app.test() as client:
        assert client.post("/read", content=b"x" * 3_000_000).text == "3000000"
        assert client.post("/refuse", content=b"x" * 3_000_000).status == 413


def test_a_response_that_breaks_off_is_an_error() -> None:
    with example().test() as client:
        with pytest.raises(HTTPException):
            client.get("/broken")
        assert client.get("/echo").status == 200


def test_a_path_that_nothing_serves_is_a_404() -> None:
    with example().test() as client:
        response = client.get("/nowhere")
    assert response.status == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 404


def test_a_path_that_is_served_for_other_methods_is_a_405_that_names_them() -> None:
    with example().test() as client:
        response = client.post("/stream")
    assert response.status == 405
    assert {method.strip() for method in response.headers["allow"].split(",")} == {"GET", "HEAD"}


def test_requests_run_at_the_same_time(run: Run) -> None:
    async def main() -> None:
        app = App()
        both, here = asyncio.Event(), 0

        @app.get("/")
        async def handler() -> str:
            nonlocal here
            here += 1
            if here == 2:
                both.set()
            await both.wait()
            return "ok"

        async with app.test() as client:
            responses = await asyncio.gather(client.get("/"), client.get("/"))
        assert [response.text for response in responses] == ["ok", "ok"]

    run(main())


def test_large_bodies_go_both_ways() -> None:
    app = App()

    @app.post("/")
    async def handler(request: Request) -> bytes:
        return await request.body()

    sent = bytes(range(256)) * 20_480
    with app.test() as client:
        assert client.post("/", content=sent).content == sent
