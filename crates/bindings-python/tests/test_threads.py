"""Handlers that are not `async`: in threads, or on the loop with `inline`."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
import wire

from hostloop import App

Run = Callable[..., Any]

PATIENCE = 10

current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="unset")


def test_a_def_handler_runs_in_a_thread_of_its_own(run: Run) -> None:
    app = App()

    @app.get("/{n}")
    def handler(n: int, *, name: str = "x") -> list[Any]:
        return [n, name, threading.current_thread().name]

    async def main() -> None:
        async with app.test() as client:
            n, name, thread = (await client.get("/5", query={"name": "y"})).json()
        assert (n, name) == (5, "y")
        assert thread.startswith("hostloop-handler")

    run(main())


def test_an_inline_handler_runs_on_the_loops_thread(run: Run) -> None:
    app = App()

    @app.get("/", inline=True)
    def handler() -> int:
        asyncio.get_running_loop()
        return threading.get_ident()

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).json() == threading.get_ident()

    run(main())


def test_an_async_handler_may_be_inline_too(run: Run) -> None:
    app = App()

    @app.get("/", inline=True)
    async def handler() -> str:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).text == "GET /"

    run(main())


def test_threads_see_a_copy_of_the_context(run: Run) -> None:
    app = App()

    @app.get("/")
    def handler() -> str:
        seen = current.get()
        current.set("changed in the thread")
        return seen

    async def main() -> None:
        current.set("set by the server's task")
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            for _ in range(3):
                assert (await connection.get("/")).text == "set by the server's task"
        assert current.get() == "set by the server's task"

    run(main())


def test_def_handlers_run_in_parallel_and_leave_the_loop_alone(run: Run) -> None:
    app = App()
    together = threading.Barrier(5)
    may_go = threading.Event()

    @app.get("/blocking")
    def blocking() -> str:
        together.wait(PATIENCE)
        assert may_go.wait(PATIENCE)
        return "done"

    @app.get("/quick")
    async def quick() -> str:
        return "quick"

    async def main() -> None:
        async with app.test() as client:
            blocked = [asyncio.ensure_future(client.get("/blocking")) for _ in range(4)]
            await asyncio.to_thread(together.wait, PATIENCE)
            for _ in range(3):
                assert (await client.get("/quick")).text == "quick"
            assert not any(request.done() for request in blocked)
            may_go.set()
            assert [response.text for response in await asyncio.gather(*blocked)] == ["done"] * 4

    run(main())


def test_no_more_def_handlers_run_at_once_than_there_are_threads(run: Run) -> None:
    app = App(threads=2)
    lock = threading.Lock()
    running, most = 0, 0
    both = threading.Barrier(2)

    @app.get("/")
    def handler() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(PATIENCE)
        with lock:
            running -= 1
        both.wait(PATIENCE)
        return "ok"

    async def main() -> None:
        async with app.test() as client:
            responses = await asyncio.gather(*(client.get("/") for _ in range(6)))
        assert {response.text for response in responses} == {"ok"}

    run(main())
    assert most == 2


def test_a_generator_handler_steps_in_threads(run: Run) -> None:
    app = App()
    threads = set()

    @app.get("/")
    def handler() -> Any:
        for n in range(3):
            threads.add(threading.get_ident())
            yield str(n)

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).text == "012"
        assert threading.get_ident() not in threads

    run(main())


def test_a_callable_object_is_a_handler_of_its_kind(run: Run) -> None:
    class InThread:
        def __call__(self, n: int) -> str:
            return f"{n} {threading.current_thread().name}"

    class AsTask:
        async def __call__(self, n: int) -> str:
            await asyncio.sleep(0)
            return f"{n} task"

    app = App()
    app.get("/thread/{n}")(InThread())
    app.get("/task/{n}")(AsTask())

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/thread/1")).text.startswith("1 hostloop-handler")
            assert (await client.get("/task/2")).text == "2 task"

    run(main())


@pytest.mark.parametrize("inline", [False, True])
def test_a_partial_is_a_handler(inline: bool, run: Run) -> None:
    import functools

    def add(a: int, b: int) -> int:
        return a + b

    app = App()
    app.get("/{a}", inline=inline)(functools.partial(add, b=5))

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/2")).json() == 7

    run(main())
