"""Whether a value can be of a type, as far as that can be told for certain.

Of a value that is there, and of what a class makes, it is told what `isinstance` or `issubclass` denies: of classes, of abstract
ones with all that is registered with them, and of values of Protocols that are for run-time checks. What a function returns may be
of any subclass of what it is annotated to return; only that nothing can be of both is told. Of everything else, a Protocol, a
TypedDict or `typing.TextIO` among them, nothing is said.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any

__all__ = ["is_no", "makes_no"]

PROMOTED: dict[Any, tuple[type, ...]] = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}
"""What type checkers take for a type besides its subclasses."""

HEAP_TYPE, BASE_TYPE = 1 << 9, 1 << 10
"""CPython's flags of a class that is made at run time, and of one that can be extended."""


def is_no(value: Any, wanted: Any) -> bool:
    """Whether a value is certainly not of the type `wanted`."""
    classes = classes_of(wanted)
    return bool(classes) and not is_of_mock(type(value)) and not any(is_of(value, cls) for cls in classes)


def makes_no(returned: Any, wanted: Any, *, is_called: bool) -> bool:
    """Whether a function that is annotated to return a type makes certainly nothing of the type `wanted`.

    Or, with `is_called`, that class itself when it is called, which makes no other.
    """
    made, classes = [class_of(option) for option in options_of(returned)], classes_of(wanted)
    if len(made) != 1 or made[0] is None or not classes or not is_plain(made[0]):
        return False
    could_be = is_or_may_be if is_called else could_share
    return not any(could_be(made[0], cls) for cls in classes)


def classes_of(wanted: Any) -> tuple[type, ...]:
    """The classes of which a value of a type must be one; none if nobody can tell."""
    found: list[type] = []
    for option in options_of(wanted):
        cls = class_of(option)
        if cls is None:
            return ()
        found += (cls, *PROMOTED.get(cls, ()))
    return tuple(found)


def options_of(wanted: Any) -> tuple[Any, ...]:
    """The types of which a value may be any."""
    origin = typing.get_origin(wanted)
    if origin is typing.Annotated:
        return options_of(typing.get_args(wanted)[0])
    if isinstance(wanted, typing.NewType):
        return options_of(wanted.__supertype__)
    if origin in (typing.Union, types.UnionType):
        return tuple(part for option in typing.get_args(wanted) for part in options_of(option))
    return (wanted,)


def class_of(wanted: Any) -> type | None:
    """The class of what is no union; None if nobody can tell."""
    found = types.NoneType if wanted is None else typing.get_origin(wanted) or wanted
    if (
        not isinstance(found, type)
        or found is Any
        or typing.is_typeddict(found)
        or found.__module__ in ("typing", "typing_extensions")
    ):
        return None
    return found


def is_of(value: Any, cls: type) -> bool:
    """Whether a value is of a class, or nobody can tell."""
    try:
        return isinstance(value, cls)
    except Exception:
        # A Protocol that is not for run-time checks, or a class that answers by code of its own.
        return True


def is_of_mock(cls: type) -> bool:
    """Whether what is of a class stands for anything, as a test's mock and sentinel do, also those of the package `mock`."""
    return any(base.__module__ == "unittest.mock" or base.__module__.partition(".")[0] == "mock" for base in cls.__mro__)


def is_plain(cls: type) -> bool:
    """Whether a class is what its own call gives, and its subclasses are all that can stand for it."""
    makes_itself = type(cls).__call__ is type.__call__ and not inspect.isfunction(cls.__new__)
    return makes_itself and not is_protocol(cls) and not is_of_mock(cls) and cls is not object


def is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def is_or_may_be(made: type, cls: type) -> bool:
    """Whether what is of one class alone is of another, or may turn out to be."""
    try:
        # With an abstract class it may still be registered.
        return type(cls) is not type or is_protocol(cls) or issubclass(made, cls)
    except Exception:
        return True


def could_share(made: type, cls: type) -> bool:
    """Whether a value could be of both classes."""
    if type(made) is not type or type(cls) is not type or issubclass(made, cls) or issubclass(cls, made):
        return True
    return not (is_final(made) or is_final(cls) or are_at_odds(made, cls))


def is_final(cls: type) -> bool:
    """Whether no class can extend it."""
    return "__final__" in vars(cls) or not cls.__flags__ & BASE_TYPE


def are_at_odds(made: type, cls: type) -> bool:
    """Whether two classes lie in memory in ways that no class can have both of, as `str` and `int` do."""
    first, second = built_in_under(made), built_in_under(cls)
    return not (issubclass(first, second) or issubclass(second, first))


def built_in_under(cls: type) -> type:
    """The class of CPython's own that says how a class lies in memory."""
    while (base := cls.__base__) is not None:
        if not cls.__flags__ & HEAP_TYPE and (cls.__basicsize__, cls.__itemsize__) != (base.__basicsize__, base.__itemsize__):
            break
        cls = base
    return cls
