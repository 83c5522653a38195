"""Texts and bytes of a request, as the types that a handler asks for; and the 422 that says what was wrong."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import msgspec

from ..errors import HTTPError
from .parameters import Parameter, show, without_none
from .unreadable import is_pydantic

__all__ = ["Refused", "body_decoder", "converter"]

Converter = Callable[[Any], Any]

WHOLE_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)


class Refused(Exception):
    """A value is not what the handler asks for. `faults` are entries of problem details."""

    def __init__(self, *faults: dict[str, Any]) -> None:
        super().__init__(faults)
        self.faults = faults

    def as_http(self) -> HTTPError:
        """The answer that names every fault."""
        detail = "; ".join(describe_fault(fault) for fault in self.faults)
        return HTTPError(422, detail, title="Unprocessable Content", errors=list(self.faults))


def describe_fault(fault: dict[str, Any]) -> str:
    name = f" parameter {fault['name']}" if fault["in"] != "body" else f" member {fault['name']}" if fault["name"] else ""
    return f"{fault['in']}{name}: wanted {fault['wanted']}"


def fault(source: str, name: str | None, got: Any, wanted: str) -> dict[str, Any]:
    return {"in": source, "name": name, "got": got, "wanted": wanted}


def converter(parameter: Parameter) -> Converter | None:
    """Makes the function from a parameter's text, or list of texts, to its type; None where that is the text itself."""
    annotation = without_none(parameter.annotation)
    return None if annotation is str else convert_all(annotation) if parameter.is_list else convert_one(annotation)


def convert_one(annotation: Any) -> Converter:
    if annotation is int:
        return to_int
    if annotation is float:
        return to_float
    convert = msgspec.convert
    if typing.get_origin(annotation) is typing.Annotated and typing.get_args(annotation)[0] is int:
        return lambda text: convert(to_int(text), annotation)
    return lambda text: convert(text, annotation, strict=False)


def convert_all(annotation: Any) -> Converter:
    collection, (item, *rest) = typing.get_origin(annotation), typing.get_args(annotation)
    if rest and rest != [...]:
        return convert_one(annotation)
    convert = convert_one(item)
    return lambda texts: collection(map(convert, texts))


def to_int(text: str) -> int:
    """A whole number, written with digits alone."""
    if WHOLE_NUMBER.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def to_float(text: str) -> float:
    """A number that JSON could hold: neither infinite nor NaN."""
    number = msgspec.convert(text, float, strict=False)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def wanted(annotation: Any) -> str:
    """What a type is called in an answer."""
    annotation = without_none(annotation)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return one_of(member.value for member in annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return one_of(typing.get_args(annotation))
    return names.get(annotation) or show(annotation)


def one_of(values: Iterable[Any]) -> str:
    return f"one of {', '.join(map(str, values))}"


def diagnose(parameter: Parameter, value: Any, convert: Converter | None) -> dict[str, Any] | None:
    """Says what is wrong with a value, or None if nothing is."""
    if value is None or value == []:
        return fault(parameter.source, parameter.name, None, wanted(parameter.annotation)) if parameter.is_required else None
    try:
        if convert is not None:
            convert(value)
    except Exception:
        return fault(parameter.source, parameter.name, value, wanted(parameter.annotation))
    return None


def body_decoder(annotation: Any) -> Callable[[bytes], Any]:
    """Makes the function from a body's bytes to its type. It raises `Refused`."""
    if annotation is bytes:
        return lambda body: body
    if is_pydantic(annotation):
        return pydantic_decoder(annotation)
    decode = msgspec.json.Decoder(annotation, dec_hook=decode_unknown).decode

    def decode_body(body: bytes) -> Any:
        try:
            return decode(body)
        except msgspec.ValidationError as error:
            raise Refused(body_fault(str(error), body)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(fault("body", None, None, f"JSON: {error}")) from None

    return decode_body


def body_faults(decode: Callable[[bytes], Any], body: bytes) -> list[dict[str, Any]]:
    """Says what is wrong with a body, if anything."""
    try:
        decode(body)
    except Refused as error:
        return list(error.faults)
    return []


def decode_unknown(annotation: Any, value: Any) -> Any:
    """What msgspec does not know: a pydantic model within another type, `object`, which is anything, and what no JSON can hold."""
    if annotation is object:
        return value
    if is_pydantic(annotation):
        return annotation.model_validate(value)
    # msgspec adds the place to it.
    raise ValueError(f"Expected nothing: {show(annotation)} cannot be read from JSON")


def pydantic_decoder(model: Any) -> Callable[[bytes], Any]:
    def decode_body(body: bytes) -> Any:
        try:
            return model.model_validate_json(body)
        except ValueError as error:
            errors = getattr(error, "errors", None)
            if errors is None:
                raise Refused(fault("body", None, None, f"JSON: {error}")) from None
            raise Refused(*map(pydantic_fault, errors(include_url=False, include_context=False))) from None

    return decode_body


def pydantic_fault(error: dict[str, Any]) -> dict[str, Any]:
    name = ".".join(map(str, error["loc"])) or None
    got = error["input"] if isinstance(error["input"], (str, int, float, bool)) and name else None
    return fault("body", name, got, error["msg"])


MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `(?P<where>.*)`)?", re.DOTALL)
EXPECTED = re.compile(r"Expected (?P<wanted>.+?)(?:, got (?P<got>.+))?", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(?P<name>.+)`")
STEP = re.compile(r"\[(?P<index>[0-9]+)\]|\[\.\.\.\]|[^.\[]+")


def body_fault(message: str, body: bytes) -> dict[str, Any]:
    """Takes msgspec's message apart: what was wanted, and where."""
    parts = MESSAGE.fullmatch(message)
    what, where = (parts["what"], parts["where"]) if parts else (message, None)
    place = (where or "$").removeprefix("$").removeprefix(".")
    if missing := MISSING.fullmatch(what):
        return fault("body", f"{place}.{missing['name']}".removeprefix("."), None, "a value: it is required")
    expected = EXPECTED.fullmatch(what)
    wanted = expected["wanted"].replace("`", "") if expected else what
    return fault("body", place or None, value_at(body, place) if place else None, wanted)


def value_at(body: bytes, place: str) -> Any:
    """The value that a fault is about, if it can be told without doubt."""
    try:
        value = msgspec.json.decode(body)
        for step in STEP.finditer(place):
            value = value[step[0] if step["index"] is None else int(step["index"])]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        return None
    return value
