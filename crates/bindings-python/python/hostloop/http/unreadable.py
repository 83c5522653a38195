"""What keeps a type from being read from JSON, found when a route is added.

msgspec knows what it can read; a class that it does not know could only fail in each request. Pydantic models read themselves. Of
both, a field is told that no JSON can fill: one that takes instances of an ordinary class and nothing else, not even null, and that
cannot be left out. What may be left out is nobody's mistake, and a client that gives it all the same is told so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from ..lifecycle.source import quoted, show_type, written_at

__all__ = ["is_pydantic", "why_unreadable"]


def why_unreadable(annotation: Any) -> str | None:
    """Why a body of a type cannot be read, and what to do; None if it can be, or if that cannot be told yet."""
    if annotation is bytes:
        return None
    try:
        found = unreadable_in_model(annotation) if is_pydantic(annotation) else unreadable_in(inspect.type_info(annotation), set())
        return next((told(where, cls) for where, cls in found), None)
    except TypeError:
        return refused_by_msgspec(annotation)
    except Exception:
        # A name that is defined later, as of a class further down.
        return None


def told(where: str, cls: Any) -> str:
    name = quoted(show_type(cls), written_at(cls))
    if where:
        what, fix = f"`{where}` is {name}, which cannot be read from JSON", "give it a default, make that class"
    else:
        what, fix = f"{name} cannot be read from JSON", "make that"
    return f"{what}; {fix} a dataclass, TypedDict, msgspec.Struct or pydantic model, or use a type that JSON can hold"


def is_pydantic(annotation: Any) -> bool:
    """Whether it is a pydantic model, without importing pydantic."""
    return isinstance(annotation, type) and hasattr(annotation, "model_validate_json")


def refused_by_msgspec(annotation: Any) -> str | None:
    """What msgspec has against a type, such as a union of two dataclasses."""
    try:
        msgspec.json.Decoder(annotation)
    except TypeError as error:
        what = str(error).partition(" - type ")[0]
        fix = "use types that JSON tells apart" if "union" in what else "write that otherwise"
        return f"{what}; {'make it an ordinary field' if 'InitVar' in what else fix}"
    return None


def unreadable_in(found: inspect.Type, seen: set[Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """The classes in a type that msgspec cannot read, each with the field that it stands in."""
    if isinstance(found, inspect.CustomType):
        if is_pydantic(found.cls):
            yield from unreadable_in_model(found.cls)
        elif found.cls is not object:
            yield where, found.cls
        return
    owner = getattr(found, "cls", None)
    if owner is not None:
        # A class may have fields of its own type.
        if owner in seen:
            return
        seen.add(owner)
    for name in found.__struct_fields__:
        for part in parts_of(getattr(found, name)):
            if isinstance(part, inspect.Field):
                if not must_be_given(part):
                    continue
                yield from unreadable_in(part.type, seen, f"{show_type(owner)}.{part.name}")
            elif isinstance(part, inspect.Type):
                yield from unreadable_in(part, seen, where)


def must_be_given(field: inspect.Field) -> bool:
    """Whether a field can neither be left out nor be null."""
    return field.required and not (isinstance(field.type, inspect.UnionType) and field.type.includes_none)


def parts_of(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def unreadable_in_model(model: Any) -> Iterator[tuple[str, Any]]:
    """The classes that required fields of a pydantic model take instances of, without anything that could make one."""
    schema = getattr(model, "__pydantic_core_schema__", None)
    # Validators of the whole model, and constructors, stand around the fields in another shape, and may make anything of anything.
    if not isinstance(schema, dict) or schema.get("type") != "model" or schema.get("custom_init") or reads_itself(model):
        return
    fields = schema["schema"]
    for name, field in fields["fields"].items() if fields["type"] == "model-fields" else ():
        if field["schema"]["type"] == "is-instance":
            yield f"{show_type(model)}.{name}", field["schema"]["cls"]


def reads_itself(model: Any) -> bool:
    """Whether a model has its own way to be read."""
    return any(not getattr(model, name).__module__.startswith("pydantic") for name in ("model_validate", "model_validate_json"))
