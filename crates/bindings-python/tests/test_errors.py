"""What happens when a handler raises."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
import wire

from hostloop import App, HTTPError
from hostloop.errors import InvalidError

Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_an_http_error_is_answered_with_problem_details(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    async def handler() -> None:
        raise HTTPError(404, "no link is named 'x'", headers={"x-a": "1"})

    with app.test() as client:
        response = client.get("/")
    assert response.status == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-a"] == "1"
    assert response.json() == {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no link is named 'x'"}
    assert caplog.records == []


def test_an_http_error_may_have_a_title_and_single_errors() -> None:
    app = App()
    errors = [{"in": "body", "name": "url", "got": "x", "wanted": "a URL"}]

    @app.get("/")
    def handler() -> None:
        raise HTTPError(499, title="Odd", errors=errors)

    with app.test() as client:
        assert client.get("/").json() == {"type": "about:blank", "title": "Odd", "status": 499, "errors": errors}


def test_an_http_error_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidError, match=re.escape("HTTPError has the status 200; use 400 to 599")):
        HTTPError(200)


def test_an_http_error_shows_its_status_and_detail() -> None:
    assert str(HTTPError(404)) == "404"
    assert str(HTTPError(404, "gone")) == "404: gone"


async def raises_as_task() -> None:
    raise LookupError("the secret")


def raises_in_thread() -> None:
    raise LookupError("the secret")


@pytest.mark.parametrize(("handler", "inline"), [(raises_as_task, False), (raises_in_thread, False), (raises_in_thread, True)])
def test_an_exception_is_a_500_that_tells_nothing_and_a_log_that_tells_all(
    handler: Callable[[], Any], inline: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.get("/x/{y}", inline=inline)(handler)
    with app.test() as client:
        response = client.get("/x/1")
        assert response.status == 500
        assert response.json() == {"type": "about:blank", "title": "Internal Server Error", "status": 500}
        assert client.get("/x/1").status == 500
    assert b"secret" not in response.content
    record = caplog.records[0]
    assert (record.name, record.levelno) == ("hostloop", logging.ERROR)
    assert record.getMessage() == "GET /x/{y}: the handler raised LookupError"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert f"in {handler.__name__}" in caplog.text


def test_a_users_logging_that_fails_keeps_nobody_from_being_answered(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_: logging.LogRecord) -> bool:
        raise KeyError("full")

    app = App()
    app.get("/")(raises_as_task)
    log = logging.getLogger("hostloop")
    log.addFilter(fails)
    try:
        with app.test() as client:
            assert client.get("/").status == 500
    finally:
        log.removeFilter(fails)
    assert "KeyError: 'full'" in capsys.readouterr().err


def test_a_traceback_shows_the_lines_that_were_compiled_for_the_route(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.get("/")(raises_as_task)
    with app.test() as client:
        client.get("/")
    assert 'File "<hostloop GET />"' in caplog.text
    assert "result = await handler()" in caplog.text


async def breaks_off() -> AsyncIterator[bytes]:
    yield b"first"
    raise LookupError("the secret")


def breaks_off_in_a_thread() -> Iterator[bytes]:
    yield b"first"
    raise LookupError("the secret")


async def yields_what_is_no_text() -> AsyncIterator[Any]:
    yield b"first"
    yield 5


@pytest.mark.parametrize("handler", [breaks_off, breaks_off_in_a_thread, yields_what_is_no_text])
def test_a_stream_that_raises_is_seen_to_be_incomplete(
    handler: Callable[[], Any], run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    app = App()
    app.get("/")(handler)

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            head = await connection.head()
            assert head.status == 200
            assert head.headers["transfer-encoding"] == "chunked"
            assert not (await connection.rest()).endswith(b"0\r\n\r\n")

    run(main())
    assert "GET /: the handler raised" in caplog.text


def test_a_handler_that_is_cancelled_by_its_own_application_is_a_500(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).status == 500

    run(main())
    assert "GET /: the handler was cancelled by the application before it had answered" in caplog.text


def test_a_server_goes_on_after_an_exception(run: Run) -> None:
    app = App()
    app.get("/bad")(raises_as_task)

    @app.get("/good")
    async def good() -> str:
        return "good"

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            for _ in range(3):
                assert (await connection.get("/bad")).status == 500
                assert (await connection.get("/good")).text == "good"

    run(main())
