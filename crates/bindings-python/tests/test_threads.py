"""Handlers that are not `async`: in threads, or on the loop with `inline`."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import wire

from hostloop import App, HTTPError, Timeouts

Run = Callable[..., Any]

PATIENCE = 10

current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="unset")


@dataclass
class Thing:
    """A body that a test can watch."""

    fails: bool


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


def test_more_calls_than_threads_are_all_answered(run: Run) -> None:
    app = App(threads=3)

    @app.get("/{n}")
    def handler(n: int) -> int:
        return n

    async def main() -> None:
        async with app.test() as client:
            responses = await asyncio.gather(*(client.get(f"/{n}") for n in range(100)))
        assert [response.json() for response in responses] == list(range(100))

    run(main())


def test_one_call_after_the_other_needs_one_thread(run: Run) -> None:
    app = App()

    @app.get("/")
    def handler() -> str:
        return threading.current_thread().name

    async def main() -> None:
        async with app.test() as client:
            assert {(await client.get("/")).text for _ in range(20)} == {"hostloop-handler_0"}

    run(main())


def test_a_call_that_is_cancelled_before_a_thread_is_free_never_runs(run: Run) -> None:
    app = App(threads=1)
    begun, may_end = threading.Event(), threading.Event()
    ran = []

    @app.get("/{name}")
    def handler(name: str) -> str:
        ran.append(name)
        begun.set()
        may_end.wait(PATIENCE)
        return name

    async def main() -> None:
        async with app.listen(port=0) as server:
            address = server.addresses[0]
            first = asyncio.ensure_future(wire.get(address, "/first"))
            await asyncio.to_thread(begun.wait, PATIENCE)
            async with wire.connected(address) as leaving:
                await leaving.request("GET", "/second")
                while server.status[1] != 2:
                    await asyncio.sleep(0.01)
            while server.status[1] != 1:
                await asyncio.sleep(0.01)
            third = asyncio.ensure_future(wire.get(address, "/third"))
            may_end.set()
            assert [(await request).text for request in (first, third)] == ["first", "third"]

    run(main())
    assert ran == ["first", "third"]


def test_a_stop_iteration_in_a_thread_is_an_error_like_any_other(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    def handler() -> str:
        return next(iter(()))

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).status == 500

    run(main())
    assert "raised StopIteration" in caplog.text


def test_threads_end_with_their_server(run: Run) -> None:
    app = App(threads=2)
    started = set()

    @app.get("/")
    def handler() -> None:
        started.add(threading.current_thread())

    async def main() -> None:
        async with app.test() as client:
            await asyncio.gather(*(client.get("/") for _ in range(4)))

    run(main())
    for thread in started:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in started)


def test_a_call_may_end_after_the_loop_was_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hostloop.http.server.LAST_WORDS", 0.01)
    app = App(timeouts=Timeouts(drain=0.01))
    running, may_end = [], threading.Event()

    @app.get("/")
    def handler() -> None:
        running.append(threading.current_thread())
        may_end.wait(PATIENCE)

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            await connection.request("GET", "/")
            while not running:
                await asyncio.sleep(0.01)

    run(main())
    may_end.set()
    running[0].join(PATIENCE)
    assert not running[0].is_alive()
    assert "was abandoned in thread hostloop-handler_0" in caplog.text


def test_a_waiting_thread_keeps_nothing_of_its_last_request(run: Run) -> None:
    app = App()
    kept: list[weakref.ref[Any]] = []

    class Failure(Exception):
        """What a handler raises."""

    @app.post("/")
    def handler(body: Thing) -> Thing:
        kept.append(weakref.ref(body))
        if body.fails:
            failure = Failure()
            kept.append(weakref.ref(failure))
            raise HTTPError(400) from failure
        return body

    async def main() -> None:
        async with app.test() as client:
            for fails in (False, True):
                await client.post("/", json={"fails": fails})
            while any(ref() is not None for ref in kept):
                await asyncio.sleep(0.01)

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()
    assert len(kept) == 3


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
