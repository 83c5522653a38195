"""Where each parameter of a handler comes from, decided when its route is added.

In this order: a path parameter of that name; what the graph provides for that type; `Request`; a body (a structured type, or
`bytes`); else a query parameter.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec

from ..errors import InvalidError
from ..lifecycle.keys import Wanted
from .inject import Provided
from .request import Request
from .unreadable import is_pydantic, why_unreadable

__all__ = ["Parameter", "describe", "parameters_of"]

SCALARS = (str, int, float, bool, UUID, Decimal, datetime, date, time, timedelta, Enum)

Source = Literal["path", "graph", "request", "body", "query"]


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a handler."""

    name: str
    source: Source
    annotation: Any
    default: Any = inspect.Parameter.empty
    index: int = 0
    """Of a path parameter: its place in the path."""
    is_keyword_only: bool = False
    is_list: bool = False
    """Of a query parameter: takes every value of its name."""
    wanted: Wanted | None = None
    """Of one that the graph meets: what it asks for."""

    @property
    def is_required(self) -> bool:
        """Whether a request without it is refused."""
        return self.default is inspect.Parameter.empty


def parameters_of(handler: Callable[..., Any], path_names: tuple[str, ...], route: str, provided: Provided) -> list[Parameter]:
    """Reads a handler's signature. What no request can give is an error that names the parameter and the fix."""
    where = f"{route}: handler {describe(handler)}"
    hints = resolve_hints(handler, where)
    found = [
        parameter_of(parameter, hints.get(parameter.name, parameter.annotation), path_names, where, provided)
        for parameter in inspect.signature(handler).parameters.values()
    ]
    bodies = [parameter.name for parameter in found if parameter.source == "body"]
    if len(bodies) > 1:
        raise InvalidError(f"{where} takes {len(bodies)} bodies ({', '.join(bodies)}); a request has one: join them in one type")
    return found


def resolve_hints(handler: Callable[..., Any], where: str) -> dict[str, Any]:
    """Resolves annotations, also those written as text."""
    target = handler
    while hasattr(target, "func") and not inspect.isfunction(target):  # functools.partial
        target = target.func
    if not (inspect.isfunction(target) or inspect.ismethod(target)):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise InvalidError(
            f"{where} has an annotation that cannot be resolved: {error}; import the name where the handler is defined"
        ) from error


def parameter_of(
    parameter: inspect.Parameter, annotation: Any, path_names: tuple[str, ...], where: str, provided: Provided
) -> Parameter:
    name, default = parameter.name, parameter.default
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise InvalidError(f"{where} takes *{name}, which no request can fill; name each parameter")
    keyword_only = parameter.kind is parameter.KEYWORD_ONLY
    if name in path_names:
        annotation = str if annotation is inspect.Parameter.empty else annotation
        if not is_scalar(annotation):
            raise InvalidError(
                f"{where} takes the path parameter {name} as {show(annotation)}; use str, int or another single value"
            )
        return Parameter(name, "path", annotation, index=path_names.index(name), is_keyword_only=keyword_only)
    if annotation is inspect.Parameter.empty:
        raise InvalidError(f"{where} has the parameter {name}, which is not in the path and has no annotation; annotate it")
    if (wanted := provided.wanted(annotation)) is not None:
        return from_graph(name, annotation, default, keyword_only, wanted)
    if annotation is Request:
        return Parameter(name, "request", annotation, is_keyword_only=keyword_only)
    if is_body(annotation):
        if why := why_unreadable(annotation):
            raise InvalidError(
                f"{where} has the parameter {name}: {show(annotation)}, which no request can give: {why}, or provide it: "
                "App(provide(...))"
            )
        return Parameter(name, "body", annotation, default, is_keyword_only=keyword_only)
    is_list = is_scalar_list(without_none(annotation))
    if is_list or is_scalar(annotation):
        return Parameter(name, "query", annotation, default, is_keyword_only=keyword_only, is_list=is_list)
    if provided.has_declarations and (wanted := provided.read(annotation)) is not None:
        # The check of the whole graph says what comes close.
        return from_graph(name, annotation, default, keyword_only, wanted)
    raise InvalidError(
        f"{where} has the parameter {name}: {show(annotation)}, which no request can give; "
        "use a path or query value (str, int, ...), a body (dataclass, TypedDict, msgspec.Struct, pydantic model, bytes) or "
        "Request, or provide it: App(provide(...))"
    )


def from_graph(name: str, annotation: Any, default: Any, keyword_only: bool, wanted: Wanted) -> Parameter:
    """A parameter that the graph meets, or its default does."""
    if default is not inspect.Parameter.empty:
        wanted = dataclasses.replace(wanted, is_optional=True)
    return Parameter(name, "graph", annotation, default, is_keyword_only=keyword_only, wanted=wanted)


def is_scalar(annotation: Any) -> bool:
    """Whether one text can stand for it."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return is_scalar(typing.get_args(annotation)[0])
    if origin is Literal:
        return True
    if origin in (typing.Union, types.UnionType):
        return all(option is type(None) or is_scalar(option) for option in typing.get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, SCALARS)


def without_none(annotation: Any) -> Any:
    """What `X | None` is when it is given. Nothing that a client can send stands for None."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    return typing.Union[tuple(option for option in typing.get_args(annotation) if option is not type(None))]  # noqa: UP007


def is_scalar_list(annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    return typing.get_origin(annotation) in (list, set, frozenset, tuple) and all(a is ... or is_scalar(a) for a in arguments)


def is_body(annotation: Any) -> bool:
    """Whether it is structured, so that it can only come as a body."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return is_body(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(annotation) if option is not type(None)]
        return bool(options) and all(is_body(option) for option in options)
    if origin is not None:
        return origin is dict or is_structured(origin) or (origin in (list, tuple) and not is_scalar_list(annotation))
    return annotation in (bytes, dict, list) or is_structured(annotation)


def is_structured(annotation: Any) -> bool:
    return isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation)
        or issubclass(annotation, msgspec.Struct)
        or typing.is_typeddict(annotation)
        or hasattr(annotation, "__attrs_attrs__")
        or is_pydantic(annotation)
    )


def describe(handler: Callable[..., Any]) -> str:
    """The name of a handler and where it was written."""
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return f"{name}() ({code.co_filename}:{code.co_firstlineno})" if code else name


def show(annotation: Any) -> str:
    # Python 3.10 takes `list[int]` for a type.
    is_plain = isinstance(annotation, type) and typing.get_origin(annotation) is None
    return annotation.__qualname__ if is_plain else str(annotation)
