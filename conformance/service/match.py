"""Compare what a service answered with what a scenario expects. README.md lists the matchers."""

import re
from collections.abc import Callable
from typing import Any

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
KINDS: dict[str, Callable[[Any], bool]] = {
    "value": lambda got: True,
    "string": lambda got: isinstance(got, str),
    "integer": lambda got: isinstance(got, int) and not isinstance(got, bool),
    "timestamp": lambda got: isinstance(got, str) and TIMESTAMP.fullmatch(got) is not None,
}


def differences(wanted: Any, got: Any, place: str) -> list[str]:
    """Lists where `got` differs from `wanted`; an empty list means that they agree."""
    if isinstance(wanted, dict):
        operator = next((key for key in wanted if key.startswith("$")), None)
        if operator is not None:
            return _apply(operator, wanted[operator], got, place)
        if isinstance(got, dict) and wanted.keys() == got.keys():
            return _members(wanted, got, place)
    elif isinstance(wanted, list):
        if isinstance(got, list) and len(wanted) == len(got):
            pairs = enumerate(zip(wanted, got, strict=True))
            return [line for i, (a, b) in pairs for line in differences(a, b, f"{place}[{i}]")]
    elif type(wanted) is type(got) and wanted == got:
        return []
    return [f"{place}: wanted {wanted!r}, got {got!r}"]


def problem_differences(wanted: dict[str, Any], got: Any, status: int, kind: str) -> list[str]:
    """Lists what keeps a response from being problem details (RFC 9457) with these members."""
    shape = {"type": {"$match": "."}, "title": {"$match": "."}, "detail": {"$match": "."}}
    found = differences({"$match": "^application/problem\\+json"}, kind, "header content-type")
    return found + differences({"$has": {**shape, "status": status, **wanted}}, got, "problem")


def lookup(value: Any, path: str) -> Any:
    """Follows a dotted path, `links.0.code`, into parsed JSON."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _members(wanted: dict[str, Any], got: dict[str, Any], place: str) -> list[str]:
    return [line for key in wanted for line in differences(wanted[key], got[key], f"{place}.{key}")]


def _apply(operator: str, operand: Any, got: Any, place: str) -> list[str]:
    if operator == "$has" and isinstance(got, dict) and operand.keys() <= got.keys():
        return _members(operand, got, place)
    if operator == "$all":
        return [line for each in operand for line in differences(each, got, place)]
    agrees: dict[str, Callable[[], bool]] = {
        "$has": lambda: False,
        "$any": lambda: KINDS[operand](got),
        "$size": lambda: isinstance(got, list) and len(got) == operand,
        "$match": lambda: isinstance(got, str) and re.search(operand, got) is not None,
        "$not": lambda: differences(operand, got, place) != [],
        "$tokens": lambda: isinstance(got, str) and set(operand) <= set(re.split(r"\s*,\s*", got)),
    }
    return [] if agrees[operator]() else [f"{place}: wanted {operator} {operand!r}, got {got!r}"]
