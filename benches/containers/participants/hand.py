"""Wired by hand: what a careful person writes without a container. This is the floor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from graph import A, B, C, D, E, F, Full, G, Plain, Settings, Sync, chain, grid, make_h, make_i
from row import Row, rows

ROWS = rows()

open_h = contextmanager(make_h)
open_i = asynccontextmanager(make_i)


class App:
    def __init__(self) -> None:
        self.settings = Settings()
        self.a = A(self.settings)
        self.b = B(self.a)


class Scope:
    """What one would write to have a request's objects somewhere."""

    __slots__ = ("app",)

    def __init__(self, app: App) -> None:
        self.app = app

    async def __aenter__(self) -> Scope:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Scope:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def plain(app: App) -> Plain:
    c = C()
    d = D(c)
    e = E(c, d)
    f = F(c, d, e)
    return Plain(app.a, app.b, c, d, e, f, G(c, d, e, f))


@contextmanager
def sync(app: App) -> Iterator[Sync]:
    c = C()
    d = D(c)
    e = E(c, d)
    f = F(c, d, e)
    with open_h(c, d) as h:
        yield Sync(app.a, app.b, c, d, e, f, G(c, d, e, f), h)


@asynccontextmanager
async def full(app: App) -> AsyncIterator[Full]:
    c = C()
    d = D(c)
    e = E(c, d)
    f = F(c, d, e)
    with open_h(c, d) as h:
        async with open_i(e, f) as i:
            yield Full(app.a, app.b, c, d, e, f, G(c, d, e, f), h, i)


@ROWS.add("app value")
async def app_value(row: Row) -> None:
    app = App()

    def get() -> B:
        return app.b

    async with row.measure() as turns:
        for _ in turns:
            get()


@ROWS.add("empty scope")
async def empty_scope(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            async with Scope(app):
                pass


@ROWS.add("scope, one object")
async def one_object(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            async with Scope(app):
                C()


@ROWS.add("scope, seven objects")
async def seven_objects(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            async with Scope(app) as scope:
                plain(scope.app)


@ROWS.add("scope, seven objects and two teardowns")
async def two_teardowns(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            async with full(app):
                pass


@ROWS.add("sync scope, seven objects")
async def sync_seven_objects(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            with Scope(app) as scope:
                plain(scope.app)


@ROWS.add("sync scope, seven objects and a teardown")
async def sync_teardown(row: Row) -> None:
    app = App()
    async with row.measure() as turns:
        for _ in turns:
            with sync(app):
                pass


@ROWS.add("transient chain of 10")
async def transient_chain(row: Row) -> None:
    classes = chain(10)

    def get() -> object:
        last = classes[0]()
        for cls in classes[1:]:
            last = cls(last)
        return last

    async with row.measure() as turns:
        for _ in turns:
            get()


@ROWS.add("scope, grid of 6 x 6")
async def scoped_grid(row: Row) -> None:
    classes = grid(6, 6)

    def get() -> object:
        before: list[object] = []
        for layer in range(6):
            before = [cls(*before) for cls in classes[layer * 6 : layer * 6 + 6]]
        return before[-1]

    async with row.measure() as turns:
        for _ in turns:
            get()


@ROWS.add("125 that sleep 1 ms, 5 layers", unit="wall")
async def sleepers(row: Row) -> None:
    async with row.measure() as turns:
        for _ in turns:
            for _layer in range(5):
                await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(25)))


@ROWS.add("10,000 wait for one", unit="wall")
async def waiters(row: Row) -> None:
    async def one(ready: asyncio.Future[Settings]) -> Settings:
        return await ready

    async with row.measure() as turns:
        for _ in turns:
            ready: asyncio.Future[Settings] = asyncio.get_running_loop().create_future()
            tasks = [asyncio.ensure_future(one(ready)) for _ in range(10_000)]
            await asyncio.sleep(0.01)
            ready.set_result(Settings())
            await asyncio.gather(*tasks)
