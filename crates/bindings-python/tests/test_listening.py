"""Where a server listens, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wire

from hostloop import App
from hostloop.errors import AddressError, ClosedError, EngineError, InvalidError

Run = Callable[..., Any]

has_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")


def greeting(text: str = "hello") -> App:
    app = App()

    @app.get("/")
    async def handler() -> str:
        return text

    return app


async def refused(**where: Any) -> str:
    with pytest.raises(AddressError) as raised:
        async with greeting().listen(**where):
            pass
    assert isinstance(raised.value, OSError)
    return str(raised.value)


def test_port_0_takes_a_free_port_and_the_url_tells_which(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen(port=0) as server:
            assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]*", server.url)
            assert server.addresses == [server.url.removeprefix("http://")]
            assert (await wire.get(server.addresses[0], "/")).text == "hello"

    run(main())


@has_ipv6
def test_ipv6_is_served(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen("::1", 0) as server:
            assert server.url.startswith("http://[::1]:")
            assert (await wire.get(server.addresses[0], "/")).text == "hello"

    run(main())


def test_every_address_of_a_name_is_served_on_one_port(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen("localhost", 0) as server:
            assert len({address.rpartition(":")[2] for address in server.addresses}) == 1
            for address in server.addresses:
                assert (await wire.get(address, "/")).text == "hello"

    run(main())


def test_no_host_is_every_address(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen("", 0) as server:
            assert server.addresses[0].startswith("0.0.0.0:")
            assert (await wire.get(server.addresses[0].replace("0.0.0.0", "127.0.0.1"), "/")).text == "hello"

    run(main())


def test_a_unix_socket_is_served_and_its_file_removed_after(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"

    async def main() -> None:
        async with greeting().listen(unix=str(path)) as server:
            assert server.url == f"unix:{path}"
            assert path.is_socket()
            assert (await wire.get(server.url, "/")).text == "hello"
        assert not path.exists()

    run(main())


def test_a_unix_socket_that_was_left_behind_is_replaced(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
        abandoned.listen()

    async def main() -> None:
        async with greeting().listen(unix=str(path)) as server:
            assert (await wire.get(server.url, "/")).text == "hello"

    run(main())


def test_a_file_that_is_no_socket_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")

    async def main() -> None:
        with pytest.raises(AddressError):
            async with greeting().listen(unix=str(path)):
                pass

    run(main())
    assert path.read_text() == "precious"


def test_a_unix_socket_that_somebody_listens_on_is_refused(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")

    async def main() -> None:
        async with greeting().listen(unix=path) as server:
            text = await refused(unix=path)
            assert f"cannot listen on unix:{path}: another socket listens there" in text
            assert (await wire.get(server.url, "/")).text == "hello"

    run(main())


@pytest.mark.parametrize("path", ["/nonexistent/folder/app.sock", "/tmp/" + "x" * 200])
def test_a_unix_socket_that_cannot_be_made_is_an_error_that_names_it(path: str, run: Run) -> None:
    async def main() -> None:
        with pytest.raises((AddressError, EngineError), match=f"cannot listen on unix:{path}"):
            async with greeting().listen(unix=path):
                pass

    run(main())


def test_a_port_in_use_is_refused_with_what_to_do(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen(port=0) as server:
            text = await refused(port=int(server.addresses[0].rpartition(":")[2]))
        assert f"cannot listen on {server.addresses[0]}: another socket listens there" in text
        assert "stop it, choose another port, or port 0 for any" in text

    run(main())


@pytest.mark.parametrize("port", [-1, 65_536, "80", None, 1.5, True])
def test_a_port_that_is_none_is_refused(port: Any, run: Run) -> None:
    assert run(refused(port=port)) == f"port {port!r} is not a port; use 0 to 65535, where 0 takes any free one"


def test_a_host_that_does_not_resolve_is_refused(run: Run) -> None:
    text = run(refused(host="nowhere.invalid", port=0))
    assert text.startswith("host 'nowhere.invalid' has no address: ")
    assert text.endswith("use 127.0.0.1, ::1, 0.0.0.0 or a name that resolves")


def test_an_address_of_another_machine_is_refused(run: Run) -> None:
    text = run(refused(host="192.0.2.1", port=0))
    assert "cannot listen on 192.0.2.1:0: this machine has no such address; 127.0.0.1 is this machine alone" in text


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "unix:", ":80"])
def test_an_address_that_is_none_is_refused(address: str, run: Run) -> None:
    async def main() -> None:
        async with greeting().unbound() as server:
            with pytest.raises(InvalidError, match=re.escape(f"`{address}`")):
                server.listen(address)

    run(main())


def test_two_servers_share_one_loop(run: Run) -> None:
    async def main() -> None:
        async with greeting("one").listen(port=0) as one, greeting("two").listen(port=0) as two:
            assert (await wire.get(one.addresses[0], "/")).text == "one"
            assert (await wire.get(two.addresses[0], "/")).text == "two"
            two.drain()
            await two.wait()
            assert (await wire.get(one.addresses[0], "/")).text == "one"

    run(main())


def test_one_application_is_served_twice(run: Run) -> None:
    async def main() -> None:
        app = greeting()
        async with app.listen(port=0) as one, app.listen(port=0) as two, app.test() as client:
            assert one.addresses != two.addresses
            for server in (one, two):
                assert (await wire.get(server.addresses[0], "/")).text == "hello"
            assert (await client.get("/")).text == "hello"

    run(main())


def test_an_application_is_served_again_in_another_loop(run: Run) -> None:
    app = greeting()

    async def main() -> None:
        async with app.listen(port=0) as server:
            assert (await wire.get(server.addresses[0], "/")).text == "hello"

    run(main())
    run(main())


def test_a_server_takes_over_a_socket_that_listens(run: Run) -> None:
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        async with greeting().unbound() as server:
            server.listen_on(sock)
            assert (await wire.get(server.addresses[0], "/")).text == "hello"

    run(main())


def test_a_server_that_listens_nowhere_has_no_url(run: Run) -> None:
    async def main() -> None:
        async with greeting().unbound() as server:
            with pytest.raises(ClosedError, match="the server does not listen; call listen first"):
                _ = server.url

    run(main())


def test_a_closed_server_cannot_listen(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen(port=0) as server:
            pass
        with pytest.raises((ClosedError, RuntimeError)):
            server.listen("127.0.0.1:0")

    run(main())


def test_the_status_counts_connections_and_requests(run: Run) -> None:
    async def main() -> None:
        app = App()
        begun, may_end = asyncio.Event(), asyncio.Event()

        @app.get("/")
        async def handler() -> str:
            begun.set()
            await may_end.wait()
            return "ok"

        async with app.listen(port=0) as server:
            assert server.status == (0, 0)
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("GET", "/")
                await begun.wait()
                assert server.status == (1, 1)
                may_end.set()
                await connection.reply()
                assert server.status == (1, 0)

    run(main())


def test_another_thread_is_told_to_go_through_the_loop(run: Run) -> None:
    async def main() -> None:
        async with greeting().listen(port=0) as server:
            with pytest.raises(RuntimeError, match=r"reach it from here with loop\.call_soon_threadsafe"):
                await asyncio.to_thread(server.drain)

    run(main())
