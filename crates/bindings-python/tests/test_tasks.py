"""Each request's handler is an ordinary task of the loop: it has a name, a context, a cancellation and timeouts of its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
import wire

from hostloop import App, Request, Timeouts

Run = Callable[..., Any]

current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="unset")

needs_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="new in Python 3.11")


def request_of(app: App, path: str = "/", **options: Any) -> Coroutine[Any, Any, Any]:
    async def main() -> Any:
        async with app.test() as client:
            return await client.get(path, **options)

    return main()


def test_the_current_task_is_the_handlers_and_has_the_routes_name(run: Run) -> None:
    app = App()

    @app.get("/links/{code}")
    async def handler(code: str) -> str:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task is before
        assert task in asyncio.all_tasks()
        return task.get_name()

    assert run(request_of(app, "/links/x")).text == "GET /links/{code}"


@needs_3_11
def test_a_timeout_within_a_handler_cancels_what_it_encloses_and_no_more(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> str:
        try:
            async with asyncio.timeout(0.01):  # type: ignore[attr-defined, unused-ignore]
                await asyncio.Event().wait()
        except TimeoutError:
            await asyncio.sleep(0)
            return "in time"
        return "never"

    assert run(request_of(app)).text == "in time"


@needs_3_11
def test_a_task_group_within_a_handler_works(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> list[int]:
        async def square(n: int) -> int:
            await asyncio.sleep(0)
            return n * n

        async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined, unused-ignore]
            tasks = [group.create_task(square(n)) for n in range(4)]
        return [task.result() for task in tasks]

    assert run(request_of(app)).json() == [0, 1, 4, 9]


def test_anyio_scopes_and_task_groups_within_a_handler_work(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> list[str]:
        seen = []

        async def child(name: str) -> None:
            await anyio.sleep(0)
            seen.append(name)

        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            group.start_soon(child, "a")
            group.start_soon(child, "b")
        seen.append(str(scope.cancelled_caught))
        seen.append(await anyio.to_thread.run_sync(lambda: "thread"))
        return seen

    assert run(request_of(app)).json() == ["a", "b", "True", "thread"]


def test_context_variables_are_a_requests_own(run: Run) -> None:
    app = App()
    set_by: set[str] = set()
    all_have_set = asyncio.Event()

    @app.get("/{name}")
    async def handler(name: str) -> list[str]:
        before = current.get()
        current.set(name)
        set_by.add(name)
        if len(set_by) == 3:
            all_have_set.set()
        await all_have_set.wait()
        return [before, current.get()]

    async def main() -> None:
        async with app.test() as client:
            responses = await asyncio.gather(*(client.get(f"/{name}") for name in "abc"))
        assert [response.json() for response in responses] == [["unset", "a"], ["unset", "b"], ["unset", "c"]]
        assert current.get() == "unset"

    run(main())


class Waiter:
    """A handler that waits, and notes what becomes of it."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ended = asyncio.Event()
        self.cancellations = 0
        self.reached_the_end = False
        self.task: asyncio.Task[Any] | None = None

    async def __call__(self) -> str:
        self.task = asyncio.current_task()
        self.started.set()
        try:
            await self.may_end.wait()
            self.reached_the_end = True
        except asyncio.CancelledError:
            self.cancellations += 1
            # A second cancellation would end this wait.
            for _ in range(10):
                await asyncio.sleep(0)
            raise
        finally:
            self.ended.set()
        return "done"


def test_a_handler_is_cancelled_once_when_its_client_goes_away(run: Run) -> None:
    async def main() -> None:
        app, waiter = App(), Waiter()
        app.get("/")(waiter)
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("GET", "/")
                await waiter.started.wait()
                connection.abort()
            await waiter.ended.wait()
            assert waiter.task is not None
            await asyncio.wait([waiter.task])
            assert waiter.task.cancelled()
            assert waiter.cancellations == 1

    run(main())


def test_a_handler_in_a_test_client_is_cancelled_when_its_request_is(run: Run) -> None:
    async def main() -> None:
        app, waiter = App(), Waiter()
        app.get("/")(waiter)
        async with app.test() as client:
            request = asyncio.ensure_future(client.get("/"))
            await waiter.started.wait()
            request.cancel()
            await waiter.ended.wait()
            assert waiter.cancellations == 1

    run(main())


@pytest.mark.parametrize("on", ["the application", "the route"])
def test_a_handler_that_ignores_disconnects_runs_to_its_end(on: str, run: Run) -> None:
    async def main() -> None:
        waiter = Waiter()
        if on == "the route":
            app = App()
            app.get("/", on_disconnect="ignore")(waiter)
        else:
            app = App(on_disconnect="ignore")
            app.get("/")(waiter)
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("GET", "/")
                await waiter.started.wait()
                connection.abort()
            while server.status != (0, 0):
                await asyncio.sleep(0.001)
            gc.collect()
            assert not waiter.ended.is_set()
            waiter.may_end.set()
            await waiter.ended.wait()
            assert waiter.task is not None
            await waiter.task
            assert waiter.cancellations == 0
            assert waiter.reached_the_end

    run(main())


def test_a_route_may_cancel_where_the_application_ignores(run: Run) -> None:
    async def main() -> None:
        app, waiter = App(on_disconnect="ignore"), Waiter()
        app.get("/", on_disconnect="cancel")(waiter)
        async with app.listen(port=0) as server:
            async with wire.connected(server.addresses[0]) as connection:
                await connection.request("GET", "/")
                await waiter.started.wait()
            await waiter.ended.wait()
            assert waiter.cancellations == 1

    run(main())


def test_a_handler_that_is_too_slow_is_cancelled_and_its_client_told(run: Run) -> None:
    async def main() -> None:
        app, waiter = App(timeouts=Timeouts(handler=0.05)), Waiter()
        app.get("/")(waiter)
        async with app.test() as client:
            assert (await client.get("/")).status == 503
            await waiter.ended.wait()
            assert waiter.cancellations == 1

    run(main())


def test_a_waiting_handlers_task_is_held_although_nobody_else_does(run: Run) -> None:
    async def main() -> None:
        app = App()
        started = asyncio.Event()
        found: list[weakref.ref[Any]] = []

        @app.get("/")
        async def handler() -> str:
            # Nothing but the task holds this future.
            future = asyncio.get_running_loop().create_future()
            found.append(weakref.ref(future))
            started.set()
            await future
            return "woken"

        async with app.test() as client:
            request = asyncio.ensure_future(client.get("/"))
            await started.wait()
            for _ in range(3):
                gc.collect()
                await asyncio.sleep(0)
            future = found[0]()
            assert future is not None
            future.set_result(None)
            del future
            assert (await request).text == "woken"

    run(main())


class LoudTask(asyncio.Task):  # type: ignore[type-arg]
    pass


def test_a_loops_task_factory_makes_the_handlers_tasks(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> str:
        task = asyncio.current_task()
        assert task is not None
        return f"{type(task).__name__} {task.get_name()}"

    async def main() -> None:
        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> LoudTask:
            return LoudTask(coroutine, loop=loop, **options)

        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        async with app.test() as client:
            assert (await client.get("/")).text == "LoudTask GET /"

    run(main())


def test_a_loop_in_debug_mode_serves(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> str:
        await asyncio.sleep(0)
        return "ok"

    @app.get("/thread")
    def in_thread() -> str:
        return "ok"

    async def main() -> None:
        async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
            assert (await connection.get("/")).text == "ok"
            assert (await connection.get("/thread")).text == "ok"

    run(main(), debug=True)


def test_debug_mode_may_be_switched_on_while_serving(run: Run) -> None:
    app = App()

    @app.get("/")
    async def handler() -> str:
        await asyncio.sleep(0)
        return "ok"

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/")).text == "ok"
            asyncio.get_running_loop().set_debug(True)
            assert (await client.get("/")).text == "ok"
            asyncio.get_running_loop().set_debug(False)

    run(main())


def test_call_soon_is_the_loops_own_while_handlers_run(run: Run) -> None:
    app = App()
    order: list[str] = []

    @app.get("/{name}")
    async def handler(name: str) -> str:
        loop = asyncio.get_running_loop()
        assert "call_soon" not in vars(loop)
        called = loop.create_future()

        def call(*args: int) -> None:
            order.append(f"{name} called")
            called.set_result(args)

        handle = loop.call_soon(call, 1, 2)
        loop.call_soon(order.append, "cancelled").cancel()
        assert not handle.cancelled()
        assert current.get() == "unset"
        context = contextvars.copy_context()
        context.run(current.set, "given")
        seen = loop.create_future()
        loop.call_soon(lambda: seen.set_result(current.get()), context=context)
        order.append(f"{name} asked")
        assert await called == (1, 2)
        assert await seen == "given"
        assert "call_soon" not in vars(loop)
        return name

    async def main() -> None:
        async with app.test() as client:
            await asyncio.gather(client.get("/a"), client.get("/b"), client.get("/c"))
        assert "call_soon" not in vars(asyncio.get_running_loop())

    run(main())
    assert "cancelled" not in order
    for name in "abc":
        assert order.index(f"{name} asked") < order.index(f"{name} called")


def test_finalizers_that_run_while_tasks_are_made_may_use_call_soon(run: Run) -> None:
    app = App()
    called: list[int] = []
    elsewhere: list[int] = []

    class Finalized:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # collected by another thread, which has no loop
                elsewhere.append(1)
            else:
                loop.call_soon(called.append, 1)

    @app.get("/")
    async def handler() -> str:
        Finalized()
        return "ok"

    async def main() -> None:
        before = gc.get_threshold()
        gc.set_threshold(1, 1, 1)
        try:
            async with app.listen(port=0) as server, wire.connected(server.addresses[0]) as connection:
                for _ in range(50):
                    await connection.request("GET", "/")
                    await connection.request("GET", "/")
                    assert (await connection.reply()).text == "ok"
                    assert (await connection.reply()).text == "ok"
        finally:
            gc.set_threshold(*before)
        gc.collect()
        await asyncio.sleep(0)

    run(main())
    assert len(called) + len(elsewhere) == 100
    assert len(called) > 50


def test_many_requests_at_once_each_have_their_own_answer(run: Run) -> None:
    app = App()

    @app.get("/{n}")
    async def handler(n: int, request: Request) -> str:
        await asyncio.sleep(0.001 * (n % 3))
        return f"{n} {request.query['q']}"

    async def main() -> None:
        async with app.test() as client:
            responses = await asyncio.gather(*(client.get(f"/{n}", query={"q": n * 2}) for n in range(300)))
        assert [response.text for response in responses] == [f"{n} {n * 2}" for n in range(300)]

    run(main())
