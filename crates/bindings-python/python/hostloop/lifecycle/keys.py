"""From annotations to keys: what is provided under which, and what a parameter asks for.

A key is a type, or a type with a name. `Database`, `Repo[User]`, a Protocol and a NewType are types; `Annotated[Database,
Named("replica")]` has a name. Around it may stand `| None` (do without), `list[...]` (all of them) and `Lazy[...]` (later).
"""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidError
from .lazy import Lazy
from .source import show_type, show_value

__all__ = ["Key", "Named", "Soft", "Wanted", "read_key", "read_wanted", "unhashable"]


@dataclass(frozen=True)
class Named:
    """Tells values of one type apart: `Annotated[Database, Named("replica")]`, provided with `name="replica"`."""

    name: str

    def __post_init__(self) -> None:
        check_name(self.name)


class Soft:
    """Makes a collection take what is there, and have nothing built: `Annotated[list[Plugin], Soft]`."""


@dataclass(frozen=True)
class Key:
    """What a value is provided and asked for by."""

    type: Any
    name: str | None = None

    @property
    def label(self) -> str:
        """The key as texts have it."""
        return show_type(self.type) if self.name is None else f'{show_type(self.type)} named "{self.name}"'


@dataclass(frozen=True)
class Wanted:
    """What a parameter asks for."""

    key: Key
    is_optional: bool = False
    is_lazy: bool = False
    member: Key | None = None
    """Of a collection, the key of its members."""
    is_soft: bool = False


NO_TYPES = frozenset((object, Lazy, inspect.Parameter.empty))
"""Classes that say nothing of what is meant."""


def read_wanted(annotation: Any) -> Wanted:
    """Reads what an annotation asks for. Raises `InvalidError` for what names no type."""
    if type(annotation) is type and annotation not in NO_TYPES:
        return Wanted(Key(annotation))
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return marked(read_wanted(arguments[0]), arguments[1:])
    if origin in (typing.Union, types.UnionType) and type(None) in arguments:
        rest = tuple(option for option in arguments if option is not type(None))
        return replace(read_wanted(typing.Union[rest]), is_optional=True)  # noqa: UP007
    if origin is Lazy:
        return replace(read_wanted(arguments[0]), is_lazy=True)
    if origin is list and arguments:
        return Wanted(Key(annotation), member=read_wanted(arguments[0]).key)
    if annotation is Lazy:
        raise InvalidError("Lazy says not of what; write Lazy[T]")
    if annotation in (Any, object, inspect.Parameter.empty) or isinstance(annotation, typing.TypeVar) or not is_type(annotation):
        is_instance = type(annotation).__module__ not in ("builtins", "typing") and not isinstance(annotation, type)
        shown = show_value(annotation) if is_instance else show_type(annotation)
        raise InvalidError(f"{shown} names no type; write the class or Protocol that is meant")
    return Wanted(Key(annotation))


def is_type(annotation: Any) -> bool:
    """Whether it is a class, or something of `typing` that stands for types."""
    is_class = isinstance(annotation, type) or typing.get_origin(annotation) is not None
    return is_class or type(annotation).__module__ in ("typing", "typing_extensions", "types")


def unhashable(wanted: Any) -> InvalidError | None:
    """The error of asking for what cannot be looked up; None if it can."""
    try:
        hash(wanted)
    except TypeError:
        pass
    else:
        return None
    try:
        read_wanted(wanted)
    except InvalidError as error:
        return error
    return InvalidError(f"{wanted!r} cannot be looked up: what stands in it is not hashable; use values that are")


def marked(wanted: Wanted, marks: tuple[Any, ...]) -> Wanted:
    """Applies what stands behind the type in `Annotated`."""
    for mark in marks:
        if isinstance(mark, Named) and wanted.member is not None:
            wanted = replace(wanted, key=replace(wanted.key, name=mark.name), member=replace(wanted.member, name=mark.name))
        elif isinstance(mark, Named):
            wanted = replace(wanted, key=replace(wanted.key, name=mark.name))
        elif mark is Soft or isinstance(mark, Soft):
            wanted = replace(wanted, is_soft=True)
    return wanted


def read_key(annotation: Any, name: str | None = None) -> Key:
    """Reads the key that something of this type is provided under."""
    key = read_wanted(annotation).key
    if name is None:
        return key
    check_name(name)
    return replace(key, name=name)


def check_name(name: Any) -> None:
    """Refuses what tells no values apart."""
    if not isinstance(name, str) or not name:
        raise InvalidError(f"name is {name!r}; use a text that is not empty")
