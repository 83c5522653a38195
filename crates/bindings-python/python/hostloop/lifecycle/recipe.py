"""Reading what can be called: its parameters, how it is called, and what its result is.

Nothing is called here. A recipe is all that wiring, container and compiler know of a function of the user's.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from ..errors import InvalidError
from .keys import Wanted, read_wanted
from .source import behind_partials, label_of, quoted, show_type, written_at

__all__ = ["NOTHING", "Parameter", "Recipe", "Style", "read_recipe"]

NOTHING: Any = inspect.Parameter.empty
"""Stands for an annotation or default that is not there."""


class Style(Enum):
    """How a value comes of a call."""

    CALL = "call"
    AWAIT = "await"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async generator"
    MANAGER = "context manager"
    ASYNC_MANAGER = "async context manager"

    @property
    def is_async(self) -> bool:
        """Whether making the value takes waiting."""
        return self in (Style.AWAIT, Style.ASYNC_GENERATOR, Style.ASYNC_MANAGER)

    @property
    def is_held(self) -> bool:
        """Whether the value is taken back at the end of its scope."""
        return self not in (Style.CALL, Style.AWAIT)


GENERATED = ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
"""Marks of classes whose constructors are generated from their bodies."""

GENERATORS = (Iterator, Iterable, Generator)
ASYNC_GENERATORS = (AsyncIterator, AsyncIterable, AsyncGenerator)


def code_made_by(decorator: Any) -> Any:
    """The code of what a decorator of `contextlib` makes: all of its functions share it."""
    return decorator(lambda: None).__code__


MANAGERS = (code_made_by(contextlib.contextmanager), code_made_by(contextlib.asynccontextmanager))


@dataclass(frozen=True)
class Parameter:
    """One parameter that is given."""

    name: str
    wanted: Wanted | None
    special: Any = None
    """A type of hostloop's own that stands for no node, such as `Stop`."""
    default: Any = NOTHING
    is_keyword_only: bool = False

    @property
    def fallback(self) -> Any:
        """What is given if nothing provides it."""
        return None if self.default is NOTHING else self.default


@dataclass(frozen=True)
class Recipe:
    """Something that can be called."""

    function: Callable[..., Any]
    style: Style
    parameters: tuple[Parameter, ...]
    returns: Any
    """The annotation of what is provided, or `NOTHING`."""
    label: str
    source: str

    @property
    def name(self) -> str:
        """What it is called, with its place."""
        return quoted(self.label, self.source)

    @property
    def wanted(self) -> list[Parameter]:
        """The parameters that the graph meets, in order."""
        return [parameter for parameter in self.parameters if parameter.wanted is not None]


def read_recipe(function: Any, word: str, specials: tuple[Any, ...] = (), *, label: str | None = None) -> Recipe:
    """Reads a function or class for the declaration `word`. Raises `InvalidError` with its place for what nobody could call."""
    if not callable(function):
        raise InvalidError(f"{word} is given {function!r}, which cannot be called; give a function or a class")
    label, source = label or label_of(function), written_at(function)
    where = f"{word}: {quoted(label, source)}"
    function = without_contextlib(function)
    hints = hints_of(function, where)
    returns = NOTHING if is_class(function) else hints.pop("return", NOTHING)
    style, returns = style_of(function, returns, where)
    made = typing.get_origin(function) or function if is_class(function) else function
    return Recipe(made, style, tuple(read_parameters(function, hints, specials, where)), returns, label, source)


def is_class(function: Any) -> bool:
    """Whether it is a class, or one with its parameters: `Repo`, `Repo[User]`."""
    return isinstance(typing.get_origin(function) or function, type)


def without_contextlib(function: Any) -> Any:
    """The generator under `@contextmanager` or `@asynccontextmanager`: we step it ourselves."""
    if isinstance(function, partial):
        inner = without_contextlib(function.func)
        return function if inner is function.func else partial(inner, *function.args, **function.keywords)
    is_managed = getattr(function, "__code__", None) in MANAGERS
    return function.__wrapped__ if is_managed else function


# Annotations.


def hints_of(function: Any, where: str) -> dict[str, Any]:
    """The annotations of a call, those written as text included."""
    try:
        return class_hints(function) if is_class(function) else typing.get_type_hints(called(function), include_extras=True)
    except NameError as error:
        raise InvalidError(
            f"{where} has an annotation that cannot be resolved: {error}; import or define that name at the top of its module, "
            "and not for type checkers alone"
        ) from None
    except TypeError as error:
        raise InvalidError(f"{where} has an annotation that cannot be read: {error}") from None


def called(function: Any) -> Any:
    """The function whose annotations count."""
    function = behind_partials(function)
    is_plain = inspect.isroutine(function) or inspect.isfunction(function)
    return function if is_plain else type(function).__call__


def class_hints(cls: Any) -> dict[str, Any]:
    origin = typing.get_origin(cls) or cls
    names = {parameter.name for parameter in signature_of(origin).parameters.values()}
    hints: dict[str, Any] = {}
    unresolved = None
    for annotated in annotated_parts(origin) if names else ():
        try:
            hints.update(typing.get_type_hints(annotated, include_extras=True))
        except NameError as error:
            unresolved = error
    if unresolved is not None and not names <= hints.keys():
        raise unresolved
    values = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(cls), strict=False))
    return {name: substituted(hint, values) for name, hint in hints.items()} if values else hints


def annotated_parts(cls: Any) -> Iterator[Any]:
    """Where a class annotates what its constructor takes: in its body if the constructor is generated, else in the constructor."""
    if not inspect.isfunction(cls.__init__) or any(hasattr(cls, mark) for mark in GENERATED):
        yield cls
    yield from (method for method in (cls.__new__, cls.__init__) if inspect.isfunction(method))


def substituted(hint: Any, values: dict[Any, Any]) -> Any:
    """An annotation of a generic class, as it is for these parameters."""
    if hint in values:
        return values[hint]
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(values.get(parameter, parameter) for parameter in parameters)]


# Styles.


def style_of(function: Any, returns: Any, where: str) -> tuple[Style, Any]:
    """How a value comes of the call, and the annotation of that value."""
    if is_class(function):
        return Style.CALL, function
    target = called(function)
    origin, arguments = typing.get_origin(returns), typing.get_args(returns)
    bare = origin or returns
    if inspect.isasyncgenfunction(target) or (bare in ASYNC_GENERATORS and not inspect.iscoroutinefunction(target)):
        return Style.ASYNC_GENERATOR, yielded(returns, ASYNC_GENERATORS, "AsyncIterator", where)
    if inspect.isgeneratorfunction(target) or (bare in GENERATORS and not inspect.iscoroutinefunction(target)):
        return Style.GENERATOR, yielded(returns, GENERATORS, "Iterator", where)
    if inspect.iscoroutinefunction(target):
        return Style.AWAIT, returns
    if origin in (Awaitable, Coroutine):
        return Style.AWAIT, arguments[-1]
    if origin is contextlib.AbstractContextManager:
        return Style.MANAGER, arguments[0]
    if origin is contextlib.AbstractAsyncContextManager:
        return Style.ASYNC_MANAGER, arguments[0]
    return Style.CALL, returns


def yielded(returns: Any, kinds: tuple[Any, ...], word: str, where: str) -> Any:
    """The annotation of what a generator yields."""
    if returns is NOTHING:
        return NOTHING
    if typing.get_origin(returns) not in kinds:
        shown = show_type(returns)
        raise InvalidError(f"{where} is a generator, and says that it returns `{shown}`; write `-> {word}[{shown}]`")
    return typing.get_args(returns)[0]


# Parameters.


# A class is asked for its parameters twice in a row.
signature_kept = functools.lru_cache(maxsize=4)(inspect.signature)


def signature_of(function: Any) -> inspect.Signature:
    try:
        is_kept = isinstance(function, type)
        return signature_kept(function) if is_kept else inspect.signature(function)
    except (ValueError, TypeError):
        raise InvalidError(f"{label_of(function)} does not tell its parameters; wrap it in a function that does") from None


def read_parameters(function: Any, hints: dict[str, Any], specials: tuple[Any, ...], where: str) -> Iterator[Parameter]:
    signature = signature_of(typing.get_origin(function) or function)
    bound = function.keywords if isinstance(function, partial) else {}
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) and parameter.name not in bound:
            read = read_parameter(parameter, hints.get(parameter.name, NOTHING), specials, where)
            if read is not None:
                yield read


def read_parameter(parameter: inspect.Parameter, annotation: Any, specials: tuple[Any, ...], where: str) -> Parameter | None:
    name, default = parameter.name, parameter.default
    keyword_only = parameter.kind is parameter.KEYWORD_ONLY
    if annotation in specials:
        return Parameter(name, None, annotation, is_keyword_only=keyword_only)
    if annotation is NOTHING and default is NOTHING:
        raise InvalidError(f"{where} has the parameter `{name}` without an annotation; annotate it, or give it a default")
    try:
        wanted = read_wanted(annotation)
    except InvalidError as error:
        if default is not NOTHING:
            return skipped(parameter)
        raise InvalidError(f"{where} has the parameter `{name}`, whose annotation {error}") from None
    if default is not NOTHING:
        wanted = Wanted(wanted.key, True, wanted.is_lazy, wanted.member, wanted.is_soft)
    return Parameter(name, wanted, default=default, is_keyword_only=keyword_only)


def skipped(parameter: inspect.Parameter) -> Parameter | None:
    """A parameter that keeps its default. One that others stand behind must be given it."""
    if parameter.kind is parameter.KEYWORD_ONLY:
        return None
    return Parameter(parameter.name, None, default=parameter.default)
