"""wireup, as its documentation says."""

from __future__ import annotations

import asyncio
from typing import Any

from graph import A, B, C, D, E, F, Full, G, Plain, Settings, Sync, chain, grid, make_h, make_i
from row import Row, rows
from wireup import create_async_container, create_sync_container, injectable

ROWS = rows()


def injectables(is_async: bool) -> list[Any]:
    app = [injectable(lifetime="singleton")(cls) for cls in (settings, A, B)]
    request = [C, D, E, F, G, Plain, Sync, make_h, *([make_i, Full] if is_async else [])]
    return app + [injectable(lifetime="scoped")(cls) for cls in request]


def settings() -> Settings:
    return Settings()


@ROWS.add("app value")
async def app_value(row: Row) -> None:
    container = create_async_container(injectables=injectables(True))
    await container.get(B)
    async with row.measure() as turns:
        for _ in turns:
            await container.get(B)
    await container.close()


@ROWS.add("empty scope")
async def empty_scope(row: Row) -> None:
    container = create_async_container(injectables=injectables(True))
    async with row.measure() as turns:
        for _ in turns:
            async with container.enter_scope():
                pass


async def resolving(row: Row, key: type) -> None:
    container = create_async_container(injectables=injectables(True))
    async with row.measure() as turns:
        for _ in turns:
            async with container.enter_scope() as request:
                await request.get(key)
    await container.close()


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
    container = create_sync_container(injectables=injectables(False))
    async with row.measure() as turns:
        for _ in turns:
            with container.enter_scope() as request:
                request.get(key)
    container.close()


@ROWS.add("sync scope, seven objects")
async def sync_seven_objects(row: Row) -> None:
    await resolving_sync(row, Plain)


@ROWS.add("sync scope, seven objects and a teardown")
async def sync_teardown(row: Row) -> None:
    await resolving_sync(row, Sync)


@ROWS.add("transient chain of 10")
async def transient_chain(row: Row) -> None:
    classes = chain(10)
    container = create_async_container(
        injectables=[injectable(lifetime="transient")(cls) for cls in classes]
    )
    async with row.measure() as turns:
        for _ in turns:
            async with container.enter_scope() as request:
                await request.get(classes[-1])


@ROWS.add("scope, grid of 6 x 6")
async def scoped_grid(row: Row) -> None:
    classes = grid(6, 6)
    container = create_async_container(
        injectables=[injectable(lifetime="scoped")(cls) for cls in classes]
    )
    async with row.measure() as turns:
        for _ in turns:
            async with container.enter_scope() as request:
                await request.get(classes[-1])


@ROWS.add("60 classes, check and plan")
async def startup_60(row: Row) -> None:
    await starting(row, grid(10, 6))


@ROWS.add("1,000 classes, check and plan", unit="wall")
async def startup_1000(row: Row) -> None:
    await starting(row, [cls for _ in range(25) for cls in grid(8, 5)])


async def starting(row: Row, classes: list[type]) -> None:
    async with row.measure() as turns:
        for _ in turns:
            create_async_container(injectables=[injectable(cls) for cls in classes])


@ROWS.add("10,000 wait for one", unit="wall")
async def waiters(row: Row) -> None:
    async def slow() -> Settings:
        await asyncio.sleep(0.01)
        return Settings()

    async with row.measure() as turns:
        for _ in turns:
            container = create_async_container(injectables=[injectable(slow)])
            await asyncio.gather(*(container.get(Settings) for _ in range(10_000)))
