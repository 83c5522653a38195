"""A value is made anew beside the old one, swapped in at once, and the old one taken back when its last user has left."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wire

from hostloop import App, Lazy, Lifecycle, Lifetimes, StreamingResponse, provide, supply, worker
from hostloop.errors import ConflictError, InvalidError, NotProvidedError

Run = Callable[..., Any]


class Settings:
    """Is supplied."""


class Database:
    """Has a number, by which its generations are told apart."""

    def __init__(self, number: int) -> None:
        self.number = number


class Links:
    """Holds a database."""

    def __init__(self, database: Database) -> None:
        self.database = database


class Pool:
    """Provides databases, and writes down what becomes of them."""

    def __init__(self) -> None:
        self.made = 0
        self.lines: list[str] = []
        self.fails: list[Exception] = []
        self.may_make = asyncio.Event()
        self.may_make.set()

    def database(self) -> Iterator[Database]:
        if self.fails:
            raise self.fails.pop()
        self.made += 1
        number = self.made
        self.lines.append(f"+{number}")
        yield Database(number)
        self.lines.append(f"-{number}")

    async def async_database(self) -> AsyncIterator[Database]:
        await self.may_make.wait()
        made = self.database()
        yield next(made)
        next(made, None)


async def until(is_so: Callable[[], Any]) -> None:
    """Waits until something is so."""
    while not is_so():
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("kind", ["database", "async_database"])
def test_a_new_value_is_made_with_all_that_holds_it_and_the_old_one_is_taken_back(run: Run, kind: str) -> None:
    async def main() -> None:
        pool = Pool()
        async with App(provide(getattr(pool, kind)), provide(Links)) as app:
            old = await app.resolve(Links)
            await app.reload(Database)
            new = await app.resolve(Links)
            assert (old.database.number, new.database.number) == (1, 2)
            assert new.database is await app.resolve(Database)
            await until(lambda: "-1" in pool.lines)
            assert pool.lines == ["+1", "+2", "-1"]
        assert pool.lines == ["+1", "+2", "-1", "-2"]

    run(main())


def test_a_failure_keeps_the_old_value_and_leaks_nothing(run: Run) -> None:
    lines = []

    class Cache:
        """Is made before what fails."""

    def cache(database: Database) -> Iterator[Cache]:
        lines.append("+cache")
        yield Cache()
        lines.append("-cache")

    cache.__annotations__["return"] = Iterator[Cache]
    fails: list[Exception] = []

    def service(cache: Any) -> Links:
        if fails:
            raise fails.pop()
        return Links(Database(0))

    service.__annotations__["cache"] = Cache

    async def main() -> None:
        pool = Pool()
        async with App(provide(pool.database), provide(cache), provide(service)) as app:
            links = await app.resolve(Links)
            fails.append(LookupError("not now"))
            with pytest.raises(LookupError, match="not now"):
                await app.reload(Database)
            assert await app.resolve(Links) is links
            assert (await app.resolve(Database)).number == 1
            await until(lambda: "-2" in pool.lines)
            assert lines == ["+cache", "+cache", "-cache"]
            await app.reload(Database)
            assert (await app.resolve(Database)).number == 3

    run(main())


def test_hooks_of_the_new_value_start_before_the_swap_and_those_of_the_old_stop_after(run: Run) -> None:
    lines: list[str] = []
    count = iter(range(1, 10))

    class Consumer:
        def __init__(self, database: Database, lifecycle: Lifecycle) -> None:
            number = next(count)
            lifecycle.hook(on_start=lambda: lines.append(f"start {number}"), on_stop=lambda: lines.append(f"stop {number}"))

    async def work(consumer: Any) -> None:
        await asyncio.Event().wait()

    work.__annotations__["consumer"] = Consumer

    async def main() -> None:
        async with App(provide(Pool().database), provide(Consumer), worker(work)) as app:
            assert lines == ["start 1"]
            await app.reload(Database)
            await until(lambda: len(lines) == 3)
            assert lines == ["start 1", "start 2", "stop 1"]
        assert lines[-1] == "stop 2"

    run(main())


def test_workers_that_hold_the_value_are_run_again_with_the_new_one(run: Run) -> None:
    seen = []

    async def work(links: Links) -> None:
        seen.append(links.database.number)
        await asyncio.Event().wait()

    async def main() -> None:
        async with App(provide(Pool().database), provide(Links), worker(work)) as app:
            await until(lambda: seen == [1])
            await app.reload(Database)
            await until(lambda: seen == [1, 2])

    run(main())


def test_lazy_holders_are_not_rebuilt_and_see_the_new_value(run: Run) -> None:
    made = []

    class Holder:
        def __init__(self, database: Lazy[Database]) -> None:
            made.append("holder")
            self.database = database

    Holder.__init__.__annotations__["database"] = Lazy[Database]

    async def main() -> None:
        async with App(provide(Pool().database), provide(Holder)) as app:
            holder = await app.resolve(Holder)
            assert (await holder.database.get()).number == 1
            await app.reload(Database)
            assert holder.database().number == (await holder.database.get()).number == 2
            assert await app.resolve(Holder) is holder
            assert made == ["holder"]

    run(main())


def test_reloads_that_are_asked_for_meanwhile_are_done_together(run: Run) -> None:
    async def main() -> None:
        pool = Pool()
        async with App(provide(pool.async_database), provide(Links)) as app:
            await app.resolve(Links)
            pool.may_make.clear()
            reloads = [asyncio.ensure_future(app.reload(Database)) for _ in range(5)]
            await asyncio.sleep(0)
            pool.may_make.set()
            await asyncio.gather(*reloads)
            assert pool.made == 3

    run(main())


def test_what_cannot_be_made_anew_is_refused(run: Run) -> None:
    async def main() -> None:
        app = App(supply(Settings()), provide(Pool().database), provide(Links, scope="request"))
        async with app:
            with pytest.raises(ConflictError, match="`Settings` is not made by the application's scope, so it cannot be made anew"):
                await app.reload(Settings)
            with pytest.raises(ConflictError, match="`Links` is not made by the application's scope"):
                await app.reload(Links)
            with pytest.raises(NotProvidedError):
                await app.reload(str)
            app.stop()
            with pytest.raises(ConflictError, match=r"the application is .*; reload it while it runs"):
                await app.reload(Database)

    run(main())


def test_a_stop_gives_up_a_reload_that_is_under_way(run: Run) -> None:
    async def main() -> None:
        pool = Pool()
        async with App(provide(pool.async_database)) as app:
            await app.resolve(Database)
            pool.may_make.clear()
            reload = asyncio.ensure_future(app.reload(Database))
            await asyncio.sleep(0.01)
        with pytest.raises(Exception, match="the application stops: nothing is reloaded"):
            await reload
        assert pool.lines == ["+1", "-1"]

    run(main())


# Who uses a value.


def test_a_scope_that_is_under_way_keeps_the_old_value_until_it_ends(run: Run) -> None:
    async def main() -> None:
        pool = Pool()
        async with App(provide(pool.database), provide(Links, scope="request")) as app:
            async with app.scope() as old:
                await old.resolve(Links)
                await app.reload(Database)
                assert (await old.resolve(Database)).number == 1
                async with app.scope() as new:
                    assert (await new.resolve(Links)).database.number == 2
                await asyncio.sleep(0.01)
                assert pool.lines == ["+1", "+2"]
            await until(lambda: "-1" in pool.lines)

    run(main())


@pytest.mark.parametrize("style", ["app value", "request value", "request resource"])
def test_a_request_that_is_under_way_keeps_the_old_value_until_it_ends(run: Run, style: str) -> None:
    pool = Pool()
    begun, may_end = asyncio.Event(), asyncio.Event()

    def resource(database: Database) -> Iterator[Links]:
        yield Links(database)

    provided = {
        "app value": provide(Links),
        "request value": provide(Links, scope="request"),
        "request resource": provide(resource, scope="request"),
    }
    app = App(provide(pool.database), provided[style])

    @app.get("/slow")
    async def slow(links: Links) -> int:
        begun.set()
        await may_end.wait()
        assert "-1" not in pool.lines
        return links.database.number

    @app.get("/quick")
    async def quick(links: Links) -> int:
        return links.database.number

    async def main() -> None:
        async with app.test() as client:
            assert (await client.get("/quick")).json() == 1
            asking = asyncio.ensure_future(client.get("/slow"))
            await begun.wait()
            await app.reload(Database)
            assert (await client.get("/quick")).json() == 2
            await asyncio.sleep(0.01)
            assert pool.lines == ["+1", "+2"]
            may_end.set()
            assert (await asking).json() == 1
            await until(lambda: "-1" in pool.lines)
            assert (await client.get("/quick")).json() == 2

    run(main())


@pytest.mark.parametrize("scope", ["app", "request"])
def test_a_stream_of_an_inline_handler_keeps_the_old_value_until_it_is_sent(run: Run, scope: str) -> None:
    pool = Pool()
    may_end = asyncio.Event()
    app = App(provide(pool.database), provide(Links, scope=scope))

    async def pieces(links: Links) -> AsyncIterator[str]:
        yield f"{links.database.number}"
        await may_end.wait()
        yield f"{links.database.number}"

    @app.get("/", inline=True)
    def handler(links: Links) -> StreamingResponse:
        return StreamingResponse(pieces(links))

    async def main() -> None:
        async with app.test() as client:
            asking = asyncio.ensure_future(client.get("/"))
            await asyncio.sleep(0.01)
            await app.reload(Database)
            await asyncio.sleep(0.01)
            assert pool.lines == ["+1", "+2"]
            may_end.set()
            assert (await asking).text == "11"
            await until(lambda: "-1" in pool.lines)
            assert (await client.get("/")).text == "22"

    run(main())


def test_a_user_who_does_not_leave_keeps_the_old_value_no_longer_than_it_may_take(run: Run) -> None:
    async def main() -> None:
        pool = Pool()
        async with App(provide(pool.database), lifetimes=Lifetimes(retire_timeout=0.01, grace=0.01)) as app:
            await app.resolve(Database)
            async with app.scope():
                await app.reload(Database)
                await until(lambda: "-1" in pool.lines)

    run(main())


def test_values_of_many_generations_do_not_pile_up(run: Run) -> None:
    async def main() -> None:
        pool = Pool()
        app = App(provide(pool.database), provide(Links, scope="request"))

        @app.get("/")
        async def handler(links: Links) -> int:
            return links.database.number

        async with app.test() as client:
            for number in range(1, 11):
                assert (await client.get("/")).json() == number
                async with app.scope() as scope:
                    await scope.resolve(Links)
                await app.reload(Database)
            await until(lambda: "-10" in pool.lines)
            gc.collect()
            assert len([one for one in gc.get_objects() if isinstance(one, Database)]) == 1

    run(main())


# Files.


def read(path: Path) -> Any:
    def settings() -> Settings:
        settings = Settings()
        settings.text = path.read_text()  # type: ignore[attr-defined]
        return settings

    return settings


async def serve_while(app: App, reload: Any, check: Callable[[str], Any]) -> None:
    """Serves while a check runs."""
    port = wire.free_port()
    serving = asyncio.ensure_future(app.serve(port=port, reload=reload))
    await until(lambda: app.is_ready or serving.done())
    if not serving.done():
        await check(f"127.0.0.1:{port}")
        app.stop()
    await serving


@pytest.mark.parametrize("how", ["write", "replace", "folder"])
@pytest.mark.parametrize("what", ["type", "all"])
def test_a_value_is_made_anew_when_its_file_changes(run: Run, tmp_path: Path, how: str, what: str) -> None:
    path = tmp_path / "settings.txt"
    path.write_text("one")
    app = App(provide(read(path)))

    @app.get("/")
    async def handler(settings: Settings) -> str:
        return settings.text  # type: ignore[attr-defined, no-any-return]

    async def check(address: str) -> None:
        assert (await wire.get(address, "/")).text == "one"
        if how == "replace":
            (tmp_path / "new").write_text("two, by replacing")
            (tmp_path / "new").rename(path)
        else:
            path.write_text("two")
        while not (await wire.get(address, "/")).text.startswith("two"):
            await asyncio.sleep(0.01)

    async def main() -> None:
        paths = [tmp_path if how == "folder" else path]
        await serve_while(app, {Settings: paths} if what == "type" else paths, check)

    run(main())


def turn(link: Path, target: str) -> None:
    """Has a link lead elsewhere, in one step."""
    (link.parent / "turned").symlink_to(target)
    (link.parent / "turned").rename(link)


@pytest.mark.parametrize("watched", ["current/settings.txt", "current"])
@pytest.mark.parametrize("how", ["link", "folder"])
def test_what_is_replaced_on_the_way_to_a_file_is_followed(run: Run, tmp_path: Path, how: str, watched: str) -> None:
    for release in ("1", "2"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "settings.txt").write_text(release)
    if how == "link":
        (tmp_path / "current").symlink_to("1")
    else:
        (tmp_path / "1").rename(tmp_path / "current")
    path = tmp_path / "current" / "settings.txt"
    app = App(provide(read(path)), worker(needs_settings))

    async def until_read(text: str) -> None:
        while (await app.resolve(Settings)).text != text:  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)

    async def main() -> None:
        running = asyncio.ensure_future(app.run_until_signal(reload=[tmp_path / watched]))
        await until(lambda: app.is_ready)
        if how == "link":
            turn(tmp_path / "current", "2")
        else:
            (tmp_path / "current").rename(tmp_path / "old")
            (tmp_path / "2").rename(tmp_path / "current")
        await asyncio.wait_for(until_read("2"), 20)
        path.write_text("written after that")
        await asyncio.wait_for(until_read("written after that"), 20)
        app.stop()
        await running

    run(main())


def test_changes_that_never_rest_do_not_keep_others_from_being_seen(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "settings.txt"
    path.write_text("one")
    app = App(provide(read(path)), worker(needs_settings))

    async def noise() -> None:
        while True:
            (tmp_path / "log").write_text("noise")
            await asyncio.sleep(0.01)

    async def until_read(text: str) -> None:
        while (await app.resolve(Settings)).text != text:  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)

    async def main() -> None:
        running = asyncio.ensure_future(app.run_until_signal(reload=[tmp_path]))
        await until(lambda: app.is_ready)
        noisy = asyncio.ensure_future(noise())
        path.write_text("two")
        await asyncio.wait_for(until_read("two"), 20)
        noisy.cancel()
        app.stop()
        await running

    run(main())


def test_a_reload_that_fails_is_logged_and_the_old_value_stays(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "settings.txt"
    path.write_text("one")
    fails: list[Exception] = []

    def settings() -> Settings:
        if fails:
            raise fails.pop()
        return Settings()

    app = App(provide(settings), worker(needs_settings))

    async def main() -> None:
        running = asyncio.ensure_future(app.run_until_signal(reload=[path]))
        await until(lambda: app.is_ready)
        old = await app.resolve(Settings)
        fails.append(LookupError("half written"))
        path.write_text("two")
        await until(lambda: "half written" in caplog.text)
        assert await app.resolve(Settings) is old
        app.stop()
        await running

    with caplog.at_level(logging.ERROR, "hostloop.lifecycle"):
        run(main())


async def needs_settings(settings: Settings) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("reload", "message"),
    [
        (["/nowhere/at/all"], "reload has the path '/nowhere/at/all', which does not exist"),
        ({Settings: "settings.toml"}, "reload has 'settings.toml' for Settings; give a list of paths"),
        ("settings.toml", "reload has 'settings.toml' for reload; give a list of paths"),
    ],
)
def test_paths_that_cannot_be_watched_are_refused(run: Run, reload: Any, message: str) -> None:
    async def main() -> None:
        with pytest.raises(InvalidError, match=message):
            await App(provide(Settings)).run_until_signal(reload=reload)

    run(main())
