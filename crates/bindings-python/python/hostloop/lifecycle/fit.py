"""Whether a value can be of a type, as far as that can be told for certain.

Only what `isinstance` or `issubclass` denies is denied here: of classes, of abstract ones with all that is registered with them,
and of values of Protocols that are for run-time checks. Of everything else, a Protocol or a TypedDict among them, nothing is said.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from typing import Any

__all__ = ["is_no", "makes_no"]

PROMOTED: dict[Any, tuple[type, ...]] = {float: (int,), complex: (int, float), bytes: (bytearray, memoryview)}
"""What type checkers take for a type besides its subclasses."""


def is_no(value: Any, wanted: Any) -> bool:
    """Whether a value is certainly not of the type `wanted`."""
    classes = classes_of(wanted)
    return bool(classes) and not is_mock(value) and not any(is_of(value, cls) for cls in classes)


def makes_no(returned: Any, wanted: Any) -> bool:
    """Whether what is annotated as `returned`, or that class called, is certainly not of the type `wanted`."""
    made, classes = [class_of(option) for option in options_of(returned)], classes_of(wanted)
    if len(made) != 1 or made[0] is None or not classes:
        return False
    return is_plain(made[0]) and not any(could_stand_for(made[0], cls) for cls in classes)


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
    if not isinstance(found, type) or found is Any or typing.is_typeddict(found):
        return None
    return found


def is_of(value: Any, cls: type) -> bool:
    """Whether a value is of a class, or nobody can tell."""
    try:
        return isinstance(value, cls)
    except Exception:
        # A Protocol that is not for run-time checks, or a class that answers by code of its own.
        return True


def is_mock(value: Any) -> bool:
    """Whether a value stands for anything, as a test's does."""
    return issubclass(type(value), mocks())


def mocks() -> tuple[type, ...]:
    """The class of what stands for anything, if anybody uses it."""
    mock = sys.modules.get("unittest.mock")
    return () if mock is None else (mock.NonCallableMock,)


def is_plain(cls: type) -> bool:
    """Whether a class is what its own call gives, and its subclasses are all that can stand for it."""
    makes_itself = type(cls).__call__ is type.__call__ and not inspect.isfunction(cls.__new__)
    return makes_itself and not is_protocol(cls) and not issubclass(cls, mocks()) and cls is not object


def is_protocol(cls: type) -> bool:
    return bool(getattr(cls, "_is_protocol", False))


def could_stand_for(made: type, cls: type) -> bool:
    """Whether what is annotated as one class may be of another."""
    try:
        # A function may know more than it says: what it returns as the base class can be of the derived one.
        return is_protocol(cls) or issubclass(made, cls) or issubclass(cls, made)
    except Exception:
        return True
