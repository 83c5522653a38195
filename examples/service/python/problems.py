"""Values that hostloop accepts and the service does not, answered in hostloop's own words."""

from dataclasses import dataclass
from typing import Literal

from hostloop import HTTPError


@dataclass(frozen=True)
class Fault:
    """One wrong value: where it came from, what it is called, what came and what was wanted."""

    place: Literal["body", "path", "query"]
    name: str
    got: object
    wanted: str


def unprocessable(faults: list[Fault]) -> HTTPError:
    """The 422 (RFC 9457) that names every fault."""
    detail = "; ".join(f"{fault.name} must be {fault.wanted}" for fault in faults)
    errors = [{"in": f.place, "name": f.name, "got": f.got, "wanted": f.wanted} for f in faults]
    return HTTPError(422, detail, title="Unprocessable Content", errors=errors)
