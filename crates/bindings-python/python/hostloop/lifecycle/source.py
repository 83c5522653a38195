"""What things are called, and where their user wrote them."""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
import sys
import sysconfig
import types
import typing
from typing import Any

__all__ = ["called_at", "is_own", "label_of", "quoted", "show_type", "show_value", "written_at"]

CLASS = re.compile(r"[ \t]*class[ \t]+(\w+)")


def label_of(thing: Any) -> str:
    """The name of a class or of something that is called."""
    thing = behind_partials(thing)
    if typing.get_origin(thing) is not None:
        return show_type(thing)
    return without_locals(getattr(thing, "__qualname__", None) or type(thing).__qualname__)


def without_locals(name: str) -> str:
    """A qualified name without the functions that it was written in."""
    return name.rpartition("<locals>.")[2]


def behind_partials(thing: Any) -> Any:
    """What a partial calls in the end."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    return thing


def show_type(annotation: Any) -> str:
    """A type as its user would write it."""
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is ...:
        return "..."
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return show_type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(show_type, arguments))
    if origin is typing.Literal or any(isinstance(argument, list) for argument in arguments):
        return str(annotation).replace("typing.", "").replace("collections.abc.", "")
    if origin is not None and arguments:
        return f"{show_type(origin)}[{', '.join(map(show_type, arguments))}]"
    name = getattr(annotation, "__qualname__", None) or getattr(annotation, "__name__", None)
    return without_locals(name) if name else str(annotation)


def show_value(value: Any) -> str:
    """What was given in the place of something else. Values may be secret: of most, the class is told alone."""
    if isinstance(value, type):
        return f"the class {quoted(label_of(value), written_at(value))}"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    return f"a `{label_of(type(value))}`"


def written_at(thing: Any) -> str:
    """Where a function or class was written, as `file.py:line`; empty if that cannot be known."""
    thing = inspect.unwrap(behind_partials(thing))
    if typing.get_origin(thing) is not None:
        thing = typing.get_origin(thing)
    if isinstance(thing, type):
        return class_written_at(thing)
    code = getattr(thing, "__code__", None) or getattr(getattr(type(thing), "__call__", None), "__code__", None)  # noqa: B004
    return place(code.co_filename, code.co_firstlineno) if code else ""


def class_written_at(cls: type) -> str:
    """Finds a class in its module's file. `inspect.getsource` parses the whole of it, each time."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        return ""
    line = getattr(cls, "__firstlineno__", None) or classes_in(file).get(cls.__name__)
    return place(file, line) if line else place(file, None)


@functools.lru_cache(maxsize=256)
def classes_in(file: str) -> dict[str, int]:
    """The line of the first class of each name."""
    found: dict[str, int] = {}
    for number, line in enumerate(linecache.getlines(file), 1):
        if match := CLASS.match(line):
            found.setdefault(match[1], number)
    return found


def is_own(cls: type) -> bool:
    """Whether a class is of the program itself, so that its user can change it: neither Python's nor an installed package's."""
    name = cls.__module__.partition(".")[0]
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    is_installed = file is not None and any(os.path.abspath(file).startswith(path + os.sep) for path in installed)
    return name not in sys.stdlib_module_names and not is_installed


def called_at(depth: int = 2) -> str:
    """Where the function that called this one's caller was at that moment."""
    frame = sys._getframe(depth)
    return place(frame.f_code.co_filename, frame.f_lineno)


def place(file: str, line: int | None) -> str:
    """A file, relative to the current folder if it is inside, with a line."""
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):
        relative = os.pardir
    shown = os.path.basename(file) if relative.startswith(os.pardir) else relative
    return f"{shown}:{line}" if line is not None else shown


def quoted(label: str, source: str) -> str:
    """A name with its place, as texts have it."""
    return f"`{label}` ({source})" if source else f"`{label}`"
