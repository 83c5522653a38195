"""A value that cannot be of the type that it is provided as is refused where it is declared; what may be of it is taken."""

from __future__ import annotations

import collections.abc
import io
import logging
import os
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from enum import Enum
from typing import (
    IO,
    Annotated,
    Any,
    BinaryIO,
    Generic,
    NewType,
    Protocol,
    TextIO,
    TypedDict,
    TypeVar,
    cast,
    final,
    runtime_checkable,
)
from unittest.mock import MagicMock, Mock, create_autospec, sentinel

import pytest

from hostloop import App, Declaration, Named, provide, supply
from hostloop.errors import InvalidError

PLACE = r"\(.*test_fit.py:\d+\)"

T = TypeVar("T")

tells_final = pytest.mark.skipif(sys.version_info < (3, 11), reason="`final` leaves its mark since Python 3.11")


class Mailer:
    """What is asked for."""

    def send(self) -> str:
        return "sent"


class Smtp(Mailer):
    """Is one."""


class Silent:
    """Looks like one."""

    def send(self) -> str:
        return "kept"


class Rock:
    """Does not even look like one."""


class Abstract(ABC):
    """May have others registered."""

    @abstractmethod
    def send(self) -> str: ...


class Colour(Enum):
    """Has members."""

    RED = 1


@Abstract.register
class Registered:
    """Is one by registration."""


@runtime_checkable
class Sends(Protocol):
    """Can be checked."""

    def send(self) -> str: ...


class Receives(Protocol):
    """Cannot be checked."""

    def receive(self) -> str: ...


class Repo(Generic[T]):
    """Is another type for each parameter."""


class Options(TypedDict):
    """Is a dict at run time."""

    a: int


class Lenient(type):
    """Has instances of its own choice."""

    def __instancecheck__(cls, instance: object) -> bool:
        return True

    def __subclasscheck__(cls, subclass: type) -> bool:
        return True


class Anything(metaclass=Lenient):
    """Takes anything for its instance."""


class Failing(type):
    """Cannot be asked."""

    def __instancecheck__(cls, instance: object) -> bool:
        raise LookupError

    def __subclasscheck__(cls, subclass: type) -> bool:
        raise LookupError


class Unasked(metaclass=Failing):
    """Nobody can tell."""


class MadeByAnother:
    """Gives what it likes."""

    def __new__(cls) -> Any:
        return Smtp()


class Reader:
    """One half."""


class Writer:
    """The other."""


class File(Reader, Writer):
    """Is both."""


class BothErrors(ValueError, KeyError):
    """Is both, of CPython's own classes."""


@final
class Sealed:
    """Nothing extends it."""


OldMock = type("NonCallableMock", (), {"__module__": "mock.mock"})
"""As that of the package `mock`."""

Main = NewType("Main", Mailer)
Seconds = NewType("Seconds", float)


def a_rock() -> Rock:
    return Rock()


def nothing() -> None: ...


async def a_rock_later() -> Rock:
    return Rock()


def a_rock_held() -> Iterator[Rock]:
    yield Rock()


async def a_rock_held_later() -> AsyncIterator[Rock]:
    yield Rock()


def named_rock() -> Annotated[Rock, Named("x")]:
    return Rock()


def rocks() -> list[Rock]:
    return [Rock()]


def a_mailer() -> Mailer:
    return Smtp()


def a_registered() -> Registered:
    return Registered()


def an_object() -> object:
    return Smtp()


def any_mailer() -> Any:
    return Smtp()


def one_of_two() -> Mailer | Rock:
    return Smtp()


def one_who_sends() -> Sends:
    return Smtp()


def unannotated():  # type: ignore[no-untyped-def]  # noqa: ANN201
    return Smtp()


def a_reader() -> Reader:
    return File()


def a_file() -> io.TextIOWrapper: ...  # type: ignore[empty-body]


def a_text() -> TextIO: ...  # type: ignore[empty-body]


def a_number() -> int:
    return 1


async def a_number_later() -> int:
    return 1


def a_number_held() -> Iterator[int]:
    yield 1


def truth() -> bool:
    return True


def an_error() -> ValueError:
    return BothErrors()


def a_namespace() -> types.SimpleNamespace:
    return types.SimpleNamespace()


def a_sealed() -> Sealed:
    return Sealed()


def a_silent_mailer() -> Mailer:
    return cast(Mailer, Silent())


# What is supplied.


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: supply(), "supply is given nothing; give it a value"),
        (lambda: supply(None), rf"supply {PLACE} is given None, which nobody can ask for; leave it out, and ask for `T \| None`"),
        (lambda: supply(Mailer(), None), rf"supply {PLACE} is given None, which nobody can ask for"),
        (lambda: supply(None, name="x"), rf"supply {PLACE} is given None, which nobody can ask for"),
        (
            lambda: supply(Mailer),
            rf"supply {PLACE} is given the class `Mailer` {PLACE} itself; write supply\(Mailer\(\.\.\.\)\), or provide\(Mailer\)",
        ),
        (lambda: supply(Mailer(), Rock), rf"is given the class `Rock` {PLACE} itself"),
        (lambda: supply(Mailer, name="x"), rf"is given the class `Mailer` {PLACE} itself; .* supply\(Mailer, as_=type\[Mailer\]\)"),
        (
            lambda: supply(Abstract),
            rf"is given the class `Abstract` {PLACE} itself; supply an instance of a class that extends it; the class is",
        ),
        (lambda: supply(Sends), rf"`Sends` {PLACE} itself; supply an instance of a class that extends it; the class is"),
        (lambda: supply(Colour), rf"`Colour` {PLACE} itself; supply one of its members; the class is what supply\(Colour, as_="),
        (
            lambda: supply(Smtp, as_=Mailer),
            rf"supply {PLACE} is given the class `Smtp` {PLACE} as `Mailer`, which it is no instance of; supply\(Smtp\(...\), ",
        ),
        (
            lambda: supply(Silent(), as_=Mailer),
            rf"supply {PLACE} is given a `Silent` as `Mailer`, which it is no instance of; let `Silent` extend `Mailer`, "
            r"mend as_, or, if it serves as one all the same, provide\(f\) with a function that is annotated to return `Mailer`$",
        ),
        (
            lambda: supply("/", as_=os.PathLike, name="x"),
            "is given a `str` as `PathLike`, which it is no instance of; mend as_, or",
        ),
        (lambda: supply(Colour.RED, as_=Mailer), "is given a `Colour` as `Mailer`"),
        (lambda: supply(print, as_=types.FunctionType), "which it is no instance of; mend as_, or"),
        (lambda: supply(None, as_=Mailer), rf"supply {PLACE} is given None as `Mailer`, which it is no instance of"),
        (lambda: supply(5, as_=Mailer), rf"supply {PLACE} is given 5 as `Mailer`, which it is no instance of"),
        (lambda: supply("secret", as_=Mailer), rf"supply {PLACE} is given a `str` as `Mailer`"),
        (lambda: supply(Rock(), as_=(Rock, Mailer)), "is given a `Rock` as `Mailer`"),
        (lambda: supply(Rock(), as_=Annotated[Mailer, Named("x")]), "is given a `Rock` as `Mailer`"),
        (lambda: supply(Rock(), as_=Main), "is given a `Rock` as `Main`"),
        (lambda: supply(Rock(), as_=Mailer | None), r"is given a `Rock` as `Mailer \| None`"),
        (lambda: supply(Rock(), as_=Abstract), "is given a `Rock` as `Abstract`"),
        (lambda: supply(Rock(), as_=Sends), "is given a `Rock` as `Sends`"),
        (lambda: supply(Rock(), as_=Repo[int]), r"is given a `Rock` as `Repo\[int\]`"),
        (lambda: supply(Rock(), as_=list[Rock]), r"is given a `Rock` as `list\[Rock\]`"),
        (lambda: supply(Rock(), as_=type[Rock]), r"is given a `Rock` as `type\[Rock\]`"),
        (lambda: supply("5", as_=int, name="x"), "is given a `str` as `int`"),
    ],
)
def test_what_cannot_be_supplied_is_refused_where_it_is_written(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        declare()


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Smtp(), Mailer),
        (Smtp(), (Mailer, Smtp)),
        (Smtp(), Main),
        (Smtp(), Mailer | None),
        (None, Mailer | None),
        (Smtp(), Annotated[Mailer, Named("x")]),
        (Registered(), Abstract),
        (Silent(), Sends),
        (Silent(), Receives),
        (Rock(), Anything),
        (Rock(), Unasked),
        (Repo(), Repo[int]),
        ({"a": 1}, Options),
        ({"a": 1}, Mapping[str, int]),
        (Smtp, type[Mailer]),
        (Smtp, type),
        (Smtp, Callable[[], Mailer]),
        (print, collections.abc.Callable),
        (5, Seconds),
        (Mock(), Mailer),
        (MagicMock(spec=Silent), Mailer),
        (create_autospec(Silent, instance=True), Mailer),
        (sentinel.mailer, Mailer),
        (OldMock(), Mailer),
        (sys.stdout, TextIO),
        (io.BytesIO(), BinaryIO),
        (io.StringIO(), IO[str]),
    ],
)
def test_what_may_be_of_a_type_is_supplied_as_it(value: Any, wanted: Any) -> None:
    assert isinstance(supply(value, as_=wanted), Declaration)


def test_a_number_may_be_another_of_its_kind() -> None:
    assert isinstance(supply(5, as_=float, name="seconds"), Declaration)
    with pytest.raises(InvalidError, match=r"is given 0.5 as `int`"):
        supply(0.5, as_=int, name="count")


def test_a_class_is_supplied_as_the_type_of_classes() -> None:
    app = App(supply(Smtp, as_=type[Mailer]))

    @app.get("/")
    async def handler(mailers: type[Mailer]) -> str:
        return mailers().send()

    with app.test() as client:
        assert client.get("/").text == "sent"


def test_an_override_is_held_to_the_same() -> None:
    app = App(provide(Mailer))
    with pytest.raises(InvalidError, match="is given a `Silent` as `Mailer`"):
        app.override(supply(Silent(), as_=Mailer))
    assert isinstance(app.override(supply(Mock(), as_=Mailer)), App)


def test_what_only_serves_as_a_type_is_provided_by_a_function_that_says_so() -> None:
    app = App(provide(Mailer))

    @app.get("/")
    async def handler(mailer: Mailer) -> str:
        return mailer.send()

    with app.override(provide(a_silent_mailer)).test() as client:
        assert client.get("/").text == "kept"


# What is provided.


@pytest.mark.parametrize(
    ("factory", "wanted", "message"),
    [
        (
            Rock,
            Mailer,
            rf"provide: `Rock` {PLACE} makes `Rock`, which is no `Mailer`; let `Rock` extend `Mailer`, mend as_, or, if it",
        ),
        (Rock, (Rock, Mailer), "makes `Rock`, which is no `Mailer`"),
        (Rock, Main, "makes `Rock`, which is no `Main`"),
        (Rock, Annotated[Mailer, Named("x")], "makes `Rock`, which is no `Mailer`"),
        (Rock, Repo[int], r"makes `Rock`, which is no `Repo\[int\]`"),
        (Repo[int], Mailer, r"makes `Repo\[int\]`, which is no `Mailer`"),
        (logging.Filter, Mailer, "makes `Filter`, which is no `Mailer`; mend as_, or"),
        (nothing, Mailer, "makes `None`, which is no `Mailer`; mend as_ or the return annotation"),
        (truth, Mailer, "makes `bool`, which is no `Mailer`; mend as_ or the return annotation"),
        pytest.param(a_sealed, Mailer, "makes `Sealed`, which is no `Mailer`", marks=tells_final),
        pytest.param(a_rock, Sealed, "makes `Rock`, which is no `Sealed`", marks=tells_final),
        (rocks, dict[str, Rock], r"makes `list\[Rock\]`, which is no `dict\[str, Rock\]`"),
        (a_number_later, Annotated[str, Named("x")], "makes `int`, which is no `str`"),
        (a_number_held, Annotated[str, Named("x")], "makes `int`, which is no `str`"),
    ],
)
def test_a_factory_of_another_type_is_refused_where_it_is_written(factory: Any, wanted: Any, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        provide(factory, as_=wanted)


@pytest.mark.parametrize(
    ("factory", "wanted"),
    [
        (Smtp, Mailer),
        (Smtp, Sends),
        (a_mailer, Mailer),
        (a_mailer, Main),
        (a_mailer, Mailer | None),
        (a_mailer, Smtp),
        (a_mailer, Sends),
        (a_mailer, Receives),
        (a_registered, Abstract),
        (a_rock, Mailer),
        (a_rock, (Rock, Mailer)),
        (a_rock_later, Mailer),
        (a_rock_held, Mailer),
        (a_rock_held_later, Mailer),
        (named_rock, Mailer),
        (a_rock, Abstract),
        (Rock, Abstract),
        (a_reader, (Reader, Writer)),
        (rocks, Mailer),
        (a_number, Mailer),
        (an_error, KeyError),
        (a_namespace, Mailer),
        (a_file, TextIO),
        (a_text, io.TextIOWrapper),
        (a_silent_mailer, Mailer),
        (a_rock, Anything),
        (a_rock, Unasked),
        (a_rock, Receives),
        (a_rock, Sends),
        (an_object, Mailer),
        (any_mailer, Mailer),
        (one_of_two, Mailer),
        (one_who_sends, Mailer),
        (unannotated, Mailer),
        (lambda: Smtp(), Mailer),
        (MadeByAnother, Mailer),
        (Repo[int], Repo[str]),
        (rocks, collections.abc.Sequence),
        (lambda: {"a": 1}, Options),
    ],
)
@pytest.mark.parametrize("scope", ["app", "request", "transient"])
def test_a_factory_that_may_make_a_type_is_taken(factory: Any, wanted: Any, scope: str) -> None:
    assert isinstance(provide(factory, as_=wanted, scope=scope), Declaration)
