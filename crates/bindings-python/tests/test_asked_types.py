"""What is asked for or given by no type is refused, and the error names what came and what is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, NewType, Protocol, runtime_checkable
from unittest.mock import Mock

import pytest

from hostloop import App, Named, context, provide, supply
from hostloop.errors import InvalidError, NotProvidedError

Run = Callable[..., Any]

PLACE = r"\(.*test_asked_types.py:\d+\)"


class Settings:
    """Is there."""


class User:
    """Comes with the request."""


class Admin(User):
    """Another one."""


class Fake:
    """Is no user."""


@runtime_checkable
class HasName(Protocol):
    """Can be checked."""

    def name(self) -> str: ...


class HasAge(Protocol):
    """Cannot be checked."""

    def age(self) -> int: ...


Boss = NewType("Boss", User)

NO_TYPES = [
    (5, "5"),
    (0, "0"),
    (None, "None"),
    ([1], "[1]"),
    ([Settings], "Settings"),
    ({"a": 1}, "{'a': 1}"),
    ((Settings, User), "Settings"),
    (Settings(), "a `Settings`"),
    (print, "print"),
    ("Settings", "Settings"),
]


@pytest.mark.parametrize(("wanted", "shown"), NO_TYPES)
@pytest.mark.parametrize("where", ["app", "app in a scope", "scope", "scope.get", "reload"])
def test_what_is_no_type_cannot_be_asked_for(run: Run, where: str, wanted: Any, shown: str) -> None:
    async def main() -> None:
        async with App(supply(Settings())) as app:
            with pytest.raises(
                InvalidError, match=f"{re.escape(shown)}.* names no type; write the class or Protocol that is meant"
            ):
                await ask(app, where, wanted)

    run(main())


async def ask(app: App, where: str, wanted: Any) -> None:
    if where == "app":
        await app.resolve(wanted)
    elif where == "reload":
        await app.reload(wanted)
    else:
        async with app.scope() as scope:
            if where == "scope.get":
                scope.get(wanted)
            else:
                await (app if where == "app in a scope" else scope).resolve(wanted)


def test_a_number_is_no_type_to_ask_for(run: Run) -> None:
    async def main() -> None:
        async with App(supply(Settings())) as app, app.scope() as scope:
            with pytest.raises(InvalidError, match="0 names no type"):
                await scope.resolve(0)

    run(main())


def test_a_type_with_something_unhashable_in_it_is_told_apart_from_no_type(run: Run) -> None:
    async def main() -> None:
        async with App(supply(Settings())) as app:
            with pytest.raises(InvalidError, match="cannot be looked up: what stands in it is not hashable"):
                await app.resolve(Annotated[Settings, [1]])

    run(main())


def test_a_type_error_of_a_constructor_is_its_own(run: Run) -> None:
    class Failing:
        def __init__(self) -> None:
            raise TypeError("its own")

    async def main() -> None:
        async with App(provide(Failing, scope="request")) as app:
            with app.scope() as scope, pytest.raises(TypeError, match="its own"):
                scope.get(Failing)

    run(main())


def test_a_type_that_nothing_provides_is_told_as_before(run: Run) -> None:
    async def main() -> None:
        async with App(supply(Settings())) as app:
            for wanted in (User, HasName, Boss, Annotated[Settings, Named("x")], Settings | User):
                with pytest.raises(NotProvidedError, match="nothing provides"):
                    await app.resolve(wanted)

    run(main())


@pytest.mark.parametrize("declare", [lambda: context(5), lambda: provide(Settings, as_=5), lambda: supply(Settings(), as_=5)])
def test_what_is_no_type_cannot_be_provided_as(declare: Callable[[], Any]) -> None:
    with pytest.raises(InvalidError, match="5 names no type; write the class or Protocol that is meant"):
        declare()


# What comes with a scope.


@pytest.mark.parametrize(("given", "shown"), [(5, "5"), (User(), "a `User`"), ([User], "a `list`"), (User, "the class `User`")])
def test_what_comes_with_a_scope_is_given_by_its_type(run: Run, given: Any, shown: str) -> None:
    async def main() -> None:
        async with App(context(User)) as app:
            with pytest.raises(InvalidError) as raised:
                app.scope("request", given)
            assert str(raised.value).startswith(f'scope "request" is given {shown}')
            assert "give it values by their types, as declared with context: app.scope(" in str(raised.value)

    run(main())


@pytest.mark.parametrize(("value", "shown"), [(5, "5"), (Fake(), "a `Fake`"), (User, "the class `User` .*"), ("Ann", "a `str`")])
def test_a_value_that_comes_with_a_scope_is_as_declared(run: Run, value: Any, shown: str) -> None:
    async def main() -> None:
        async with App(context(User)) as app:
            wanted = f'scope "request" is given {shown} as `User` {PLACE}, which it is no instance of; give it a `User`'
            scope = app.scope("request", {User: value})
            with pytest.raises(InvalidError, match=wanted):
                async with scope:
                    pass
            assert app._running().scopes == set()

    run(main())


@pytest.mark.parametrize("name", [5, "User", None])
def test_a_value_that_comes_with_a_scope_is_given_by_a_type(run: Run, name: Any) -> None:
    async def main() -> None:
        async with App(context(User)) as app:
            with pytest.raises(InvalidError, match=f"{name} names no type"):
                async with app.scope("request", {name: User()}):
                    pass

    run(main())


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (User, User()),
        (User, Admin()),
        (User, None),
        (User, Mock()),
        (Boss, User()),
        (HasAge, Fake()),
        (list[User], [User()]),
        (Annotated[User, Named("me")], Admin()),
    ],
)
def test_a_value_that_may_be_as_declared_is_taken(run: Run, wanted: Any, value: Any) -> None:
    async def main() -> None:
        async with App(context(wanted)) as app, app.scope("request", {wanted: value}) as scope:
            assert await scope.resolve(wanted) is value

    run(main())
