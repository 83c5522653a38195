"""hostloop, as its guide says."""

from __future__ import annotations

import asyncio
from typing import Any

from graph import (
    A,
    B,
    C,
    D,
    E,
    F,
    Full,
    G,
    Plain,
    Settings,
    Sync,
    chain,
    grid,
    layers,
    make_h,
    make_i,
    make_sleeper,
)
from hostloop import App, invoke, provide, supply
from row import Row, rows

ROWS = rows()


def declared(is_async: bool = True) -> App:
    request = [C, D, E, F, G, Plain, Sync, make_h, *([make_i, Full] if is_async else [])]
    app = [supply(Settings()), provide(A), provide(B), invoke(needs_b)]
    return App(*app, *(provide(cls, scope="request") for cls in request))


def needs_b(b: B) -> None:
    """What nobody needs when the application starts is made when it is first asked for."""


@ROWS.add("app value")
async def app_value(row: Row) -> None:
    async with declared() as app, row.measure() as turns:
        for _ in turns:
            await app.resolve(B)


@ROWS.add("empty scope")
async def empty_scope(row: Row) -> None:
    async with declared() as app, row.measure() as turns:
        for _ in turns:
            async with app.scope("request"):
                pass


async def resolving(row: Row, key: type) -> None:
    async with declared() as app, row.measure() as turns:
        for _ in turns:
            async with app.scope("request") as request:
                await request.resolve(key)


@ROWS.add("scope, one object")
async def one_object(row: Row) -> None:
    await resolving(row, C)


@ROWS.add("scope, seven objects")
async def seven_objects(row: Row) -> None:
    await resolving(row, Plain)


@ROWS.add("scope, seven objects and two teardowns")
async def two_teardowns(row: Row) -> None:
    await resolving(row, Full)


async def resolving_sync(row: Row, key: type) -> None:
    async with declared(is_async=False) as app, row.measure() as turns:
        for _ in turns:
            with app.scope("request") as request:
                request.get(key)


@ROWS.add("sync scope, seven objects")
async def sync_seven_objects(row: Row) -> None:
    await resolving_sync(row, Plain)


@ROWS.add("sync scope, seven objects and a teardown")
async def sync_teardown(row: Row) -> None:
    await resolving_sync(row, Sync)


@ROWS.add("transient chain of 10")
async def transient_chain(row: Row) -> None:
    classes = chain(10)
    async with (
        App(*(provide(cls, scope="transient") for cls in classes)) as app,
        row.measure() as turns,
    ):
        for _ in turns:
            async with app.scope("request") as request:
                await request.resolve(classes[-1])


@ROWS.add("scope, grid of 6 x 6")
async def scoped_grid(row: Row) -> None:
    classes = grid(6, 6)
    async with (
        App(*(provide(cls, scope="request") for cls in classes)) as app,
        row.measure() as turns,
    ):
        for _ in turns:
            async with app.scope("request") as request:
                await request.resolve(classes[-1])


@ROWS.add("125 that sleep 1 ms, 5 layers", unit="wall")
async def sleepers(row: Row) -> None:
    classes = layers(5, 25)
    providers = [provide(make_sleeper(cls)) for cls in classes]
    async with row.measure() as turns:
        for _ in turns:
            async with App(*providers) as app:
                await asyncio.gather(*(app.resolve(cls) for cls in classes[-25:]))


@ROWS.add("10,000 wait for one", unit="wall")
async def waiters(row: Row) -> None:
    async def slow() -> Settings:
        await asyncio.sleep(0.01)
        return Settings()

    async with row.measure() as turns:
        for _ in turns:
            async with App(provide(slow)) as app:
                await asyncio.gather(*(app.resolve(Settings) for _ in range(10_000)))


@ROWS.add("60 classes, check and plan")
async def startup_60(row: Row) -> None:
    await starting(row, grid(10, 6))


@ROWS.add("1,000 classes, check and plan", unit="wall")
async def startup_1000(row: Row) -> None:
    await starting(row, [cls for _ in range(25) for cls in grid(8, 5)])


async def starting(row: Row, classes: list[Any]) -> None:
    async with row.measure() as turns:
        for _ in turns:
            App(*(provide(cls) for cls in classes)).check()
