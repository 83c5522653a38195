"""What a handler sees of its request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import wire

from hostloop import App, Limits, Request
from hostloop.errors import ClientDisconnected

Run = Callable[..., Any]

BIG = bytes(range(256)) * 20_480  # 5 MiB


def seen_by(look: Callable[[Request], Any], method: str = "GET", target: str = "/", **options: Any) -> Any:
    """What a handler reads from a request."""
    app = App()
    seen = []

    @app.route("/", ["GET"])
    @app.route("/{rest:path}", ["GET", "POST"])
    async def handler(request: Request) -> None:
        seen.append(look(request))

    with app.test() as client:
        assert client.request(method, target, **options).status == 204
    return seen[0]


def test_a_request_has_its_method_and_target_as_sent_and_decoded() -> None:
    def look(request: Request) -> tuple[str, ...]:
        return request.method, request.path, request.raw_path, request.target, request.query_string, request.http_version

    seen = seen_by(look, "POST", "/a%20b/%C3%BC?x=%41&y")
    assert seen == ("POST", "/a b/ü", "/a%20b/%C3%BC", "/a%20b/%C3%BC?x=%41&y", "x=%41&y", "1.1")


def test_a_request_shows_its_method_and_target() -> None:
    assert seen_by(repr, target="/a?b") == "<Request GET /a?b>"


def test_path_parameters_are_there_by_name() -> None:
    assert seen_by(lambda request: request.path_params, target="/a/b%2Fc") == {"rest": "a/b/c"}


def test_headers_are_looked_up_in_any_case(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler(request: Request) -> dict[str, Any]:
        headers = request.headers
        assert headers is request.headers
        assert "X-A" in headers
        assert "x-b" not in headers
        with pytest.raises(KeyError, match="X-B"):
            headers["X-B"]
        assert headers.get("X-B") is None
        assert list(headers).count("x-a") == 1
        assert ("x-a", "2") in headers.multi_items()
        return {"first": headers["X-a"], "all": headers.getall("X-A"), "none": headers.getall("x-b"), "latin": headers["x-c"]}

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.send(b"GET / HTTP/1.1\r\nhost: x\r\nX-A: 1\r\nx-a:  2 \r\nX-C: \xe9\r\n\r\n")
            reply = await connection.reply()
        assert reply.body == '{"first":"1","all":["1","2"],"none":[],"latin":"é"}'.encode()

    run(main())


def test_the_query_is_decoded_and_may_repeat_names() -> None:
    query = seen_by(lambda request: request.query, target="/?a=1&a=2&b=%26+c&empty=&bare")
    assert query["a"] == "1"
    assert query.getall("a") == ["1", "2"]
    assert dict(query) == {"a": "1", "b": "& c", "empty": "", "bare": ""}
    assert len(query) == 4
    assert "A" not in query


def test_cookies_are_split_and_the_first_of_a_name_wins() -> None:
    seen = seen_by(lambda request: request.cookies, headers={"Cookie": 'a=1; b="x y"; a=2; junk; c=k=v'})
    assert seen == {"a": "1", "b": "x y", "c": "k=v"}
    assert seen_by(lambda request: request.cookies) == {}


def test_the_client_is_its_address_and_port(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler(request: Request) -> Any:
        return list(request.client or ())

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            port = connection.writer.get_extra_info("sockname")[1]
            assert (await connection.get("/")).body == f'["127.0.0.1",{port}]'.encode()

    run(main())


def test_a_test_client_has_no_address() -> None:
    assert seen_by(lambda request: request.client) is None


def echo() -> App:
    app = App()

    @app.post("/body")
    async def body(request: Request) -> bytes:
        first = await request.body()
        assert await request.body() is first
        return first

    @app.post("/bytes")
    async def as_bytes(body: bytes) -> bytes:
        return body

    @app.post("/text")
    async def text(request: Request) -> str:
        return await request.text()

    @app.post("/json")
    async def json(request: Request) -> Any:
        return await request.json()

    @app.post("/stream")
    async def stream(request: Request) -> Any:
        async for piece in request.stream():
            assert piece
            yield piece

    @app.post("/gathered")
    async def gathered(request: Request) -> bytes:
        return b"".join([piece async for piece in request.stream()])

    return app


@pytest.mark.parametrize("path", ["/body", "/bytes", "/stream", "/gathered"])
@pytest.mark.parametrize("size", [0, 1, 5_000, 40_000, 70_000, len(BIG)])
def test_a_body_of_any_size_arrives_whole(path: str, size: int, run: Run) -> None:
    sent = BIG[:size]

    async def main() -> None:
        async with echo().listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            for _ in range(2):
                sending = asyncio.ensure_future(connection.request("POST", path, body=sent))
                reply = await connection.reply()
                await sending
                assert reply.status == 200
                assert len(reply.body) == size
                assert reply.body == sent

    run(main())


@pytest.mark.parametrize("path", ["/body", "/bytes", "/stream", "/gathered"])
def test_a_chunked_body_arrives_whole(path: str, run: Run) -> None:
    pieces = [BIG[:1], BIG[:100], BIG[: 1 << 17], BIG[:3], BIG[: 1 << 20]]

    async def main() -> None:
        async with echo().listen(port=0) as server, wire.connected(server.addresses[0]) as connection:

            async def send() -> None:
                await connection.request("POST", path, "transfer-encoding: chunked")
                for piece in pieces:
                    await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
                await connection.send(b"0\r\n\r\n")

            sending = asyncio.ensure_future(send())
            reply = await connection.reply()
            await sending
            assert reply.body == b"".join(pieces)
            assert (await connection.get("/nowhere")).status == 404

    run(main())


def test_json_and_text_are_decoded() -> None:
    with echo().test() as client:
        assert client.post("/json", json={"a": [1]}).json() == {"a": [1]}
        assert client.post("/text", content="é").text == "é"


@pytest.mark.parametrize(
    ("path", "sent", "wanted"),
    [("/json", b"{", "JSON"), ("/json", b"", "JSON"), ("/json", b'"\xff"', "JSON"), ("/text", b"\xff", "UTF-8 text")],
)
def test_a_body_that_cannot_be_decoded_is_a_422(path: str, sent: bytes, wanted: str) -> None:
    with echo().test() as client:
        response = client.post(path, content=sent)
    assert response.status == 422
    assert response.json()["errors"] == [{"in": "body", "name": None, "got": None, "wanted": wanted}]


def test_a_body_can_be_streamed_once() -> None:
    app = App()

    @app.post("/")
    async def handler(request: Request) -> str:
        first = [piece async for piece in request.stream()]
        assert b"".join(first) == b"abc"
        with pytest.raises(
            RuntimeError,
            match=r"the body was streamed already, or reading it was cancelled; read it once, with body\(\) to keep it",
        ):
            [piece async for piece in request.stream()]
        with pytest.raises(RuntimeError, match="the body was streamed already"):
            await request.body()
        return "ok"

    with app.test() as client:
        assert client.post("/", content=b"abc").text == "ok"


def test_a_body_that_was_read_whole_can_be_streamed_again() -> None:
    app = App()

    @app.post("/")
    async def handler(request: Request) -> list[str]:
        return [await request.text(), *[piece.decode() async for piece in request.stream()], await request.text()]

    with app.test() as client:
        assert client.post("/", content=b"abc").json() == ["abc"] * 3


def test_a_body_beyond_the_limit_is_a_413(run: Run) -> None:
    app = App(limits=Limits(body_bytes=1000))

    @app.post("/")
    async def handler(request: Request) -> bytes:
        return await request.body()

    async def main() -> None:
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("POST", "/", body=b"x" * 1001)
                assert (await connection.reply()).status == 413
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("POST", "/", "transfer-encoding: chunked")
                await connection.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
                assert (await connection.reply()).status == 413

    run(main())


@pytest.mark.parametrize("framing", ["content-length: 100", "transfer-encoding: chunked"])
def test_a_client_that_leaves_in_the_middle_of_its_upload_is_noticed(framing: str, run: Run) -> None:
    async def main() -> None:
        app = App(on_disconnect="ignore")
        begun = asyncio.Event()
        raised = asyncio.get_running_loop().create_future()

        @app.post("/")
        async def handler(request: Request) -> None:
            try:
                async for _ in request.stream():
                    begun.set()
            except BaseException as error:
                raised.set_result(error)
                raise

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("POST", "/", framing)
            await connection.send(b"5\r\nhello\r\n")
            await begun.wait()
            connection.abort()
            error = await raised
        assert isinstance(error, ClientDisconnected)
        assert isinstance(error, ConnectionError)

    run(main())


def test_a_handler_that_reads_is_cancelled_when_its_client_leaves(run: Run) -> None:
    async def main() -> None:
        app = App()
        begun = asyncio.Event()
        ended = asyncio.get_running_loop().create_future()

        @app.post("/")
        async def handler(request: Request) -> None:
            begun.set()
            try:
                await request.body()
            except BaseException as error:
                ended.set_result(error)
                raise

        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("POST", "/", "content-length: 100")
            await begun.wait()
            connection.abort()
            assert isinstance(await ended, (ClientDisconnected, asyncio.CancelledError))

    run(main())


def test_an_upload_that_is_not_read_does_not_spoil_the_connection(run: Run) -> None:
    app = App()

    @app.post("/")
    async def handler(request: Request) -> str:
        return "unread"

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            for _ in range(3):
                await connection.request("POST", "/", body=b"x" * 1000)
                assert (await connection.reply()).text == "unread"

    run(main())
