"""What lives shorter than the application is made once in its scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from scope_parts import Account, Ledger, Report, Session, Settings, app_with, keys

from hostloop import App, Lazy, decorate, provide, supply

Run = Callable[..., Any]


@pytest.mark.parametrize("make", [Session, Ledger().resource("session"), Ledger().async_resource("session")])
def test_a_value_is_made_once_in_its_scope(run: Run, make: Any) -> None:
    async def main() -> None:
        async with app_with(provide(make, as_=Session, scope="request")) as app:
            async with app.scope() as scope:
                report = await scope.resolve(Report)
                assert report.session is report.account.session is await scope.resolve(Session)
                assert report.account is await scope.resolve(Account)
                assert report.account.settings is await scope.resolve(Settings) is await app.resolve(Settings)
            async with app.scope() as other:
                assert await other.resolve(Session) is not report.session

    run(main())


def test_a_diamond_is_made_once_though_several_tasks_ask(run: Run) -> None:
    made = []

    async def session() -> Session:
        made.append(asyncio.current_task())
        await asyncio.sleep(0)
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            reports = await asyncio.gather(*(scope.resolve(Report) for _ in range(10)), scope.resolve(Report))
            assert len(set(map(id, reports))) == 1
        assert len(made) == 1

    run(main())


@pytest.mark.parametrize("kind", ["class", "generator"])
@pytest.mark.parametrize("first", ["own task", "other task"])
def test_what_is_made_of_something_that_takes_waiting_is_made_once_though_several_tasks_ask(
    run: Run, kind: str, first: str
) -> None:
    made = []
    may_end = asyncio.Event()

    async def session() -> AsyncIterator[Session]:
        await may_end.wait()
        yield Session()

    def account(session: Session, settings: Settings) -> Account:
        made.append("account")
        return Account(session, settings)

    def held(session: Session, settings: Settings) -> Iterator[Account]:
        yield account(session, settings)
        made.append("left")

    async def main() -> None:
        provided = provide(account if kind == "class" else held, scope="request")
        app = App(supply(Settings()), provide(session, scope="transient"), provided)
        async with app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account))]
            if first == "other task":
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.01, may_end.set)
            own = await scope.resolve(Account)
            assert await asking[0] is own
            assert made == ["account"]
        assert made == ["account"] + ["left"] * (kind == "generator")

    run(main())


@pytest.mark.parametrize("value", [None, 0, ""])
def test_a_value_that_is_false_or_none_is_kept(run: Run, value: Any) -> None:
    made = []

    def sync() -> Any:
        made.append("sync")
        return value

    async def waiting() -> Any:
        made.append("async")
        return value

    first, second = keys(2)

    async def main() -> None:
        async with App(provide(sync, as_=first, scope="request"), provide(waiting, as_=second, scope="request")) as app:  # noqa: SIM117
            async with app.scope() as scope:
                for _ in range(2):
                    assert await scope.resolve(first) == value
                    assert await scope.resolve(second) == value
        assert made == ["sync", "async"]

    run(main())


def test_what_is_transient_is_made_for_each_and_each_is_taken_back(run: Run) -> None:
    ledger = Ledger()

    async def main() -> None:
        async with app_with(provide(ledger.resource("s"), as_=Session, scope="transient")) as app, app.scope() as scope:
            report = await scope.resolve(Report)
            assert report.session is not report.account.session
            assert await scope.resolve(Session) is not await scope.resolve(Session)
            assert ledger.lines == ["+s"] * 4
        assert ledger.lines == ["+s"] * 4 + ["-s"] * 4

    run(main())


def test_a_failure_is_told_to_all_who_wait_and_tried_again_for_the_next(run: Run) -> None:
    failures = [LookupError("first")]
    may_fail = asyncio.Event()

    async def session() -> Session:
        await may_fail.wait()
        if failures:
            raise failures[0]
        return Session()

    async def main() -> None:
        async with app_with(provide(session, scope="request")) as app, app.scope() as scope:
            asking = [asyncio.ensure_future(scope.resolve(Account)) for _ in range(3)]
            await asyncio.sleep(0)
            may_fail.set()
            errors = await asyncio.gather(*asking, return_exceptions=True)
            assert errors == failures * 3
            failures.clear()
            assert isinstance(await scope.resolve(Account), Account)

    run(main())


def test_what_was_made_for_something_that_failed_is_kept_and_taken_back(run: Run) -> None:
    ledger = Ledger()

    def failing(session: Session) -> Account:
        raise LookupError

    async def main() -> None:
        app = App(provide(ledger.resource("s"), as_=Session, scope="request"), provide(failing, scope="request"))
        async with app, app.scope() as scope:
            with pytest.raises(LookupError):
                await scope.resolve(Account)
            with pytest.raises(LookupError):
                await scope.resolve(Account)
            assert ledger.lines == ["+s"]
        assert ledger.lines == ["+s", "-s"]

    run(main())


def test_lists_and_lazy_values_of_a_scope(run: Run) -> None:
    class Later:
        def __init__(self, session: Lazy[Session]) -> None:
            self.session = session

    Later.__init__.__annotations__["session"] = Lazy[Session]
    ledger = Ledger()

    def wrapped(later: Later) -> Later:
        return later

    wrapped.__annotations__.update({"later": Later, "return": Later})

    async def main() -> None:
        app = app_with(
            provide(ledger.resource("s"), as_=Session, scope="request"), provide(Later, scope="request"), decorate(wrapped)
        )
        async with app, app.scope() as scope:
            later = await scope.resolve(Later)
            assert ledger.lines == []
            assert await later.session.get() is later.session() is await scope.resolve(Session)
            assert await scope.resolve(list[Session]) == [later.session()]

    run(main())
