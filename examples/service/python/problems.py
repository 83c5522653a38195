"""Problem details (RFC 9457) for values that hostloop accepts and the service does not."""

import json
from dataclasses import dataclass
from typing import Literal

from hostloop import Response


@dataclass(frozen=True)
class Fault:
    """One wrong value: where it came from, what it is called, what came and what was wanted."""

    place: Literal["body", "path", "query"]
    name: str
    got: object
    wanted: str


def unprocessable(faults: list[Fault]) -> Response:
    """Answers 422 in the words that hostloop uses for its own checks."""
    problem = {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "; ".join(f"{fault.name} must be {fault.wanted}" for fault in faults),
        "errors": [
            {"in": fault.place, "name": fault.name, "got": fault.got, "wanted": fault.wanted}
            for fault in faults
        ],
    }
    return Response(json.dumps(problem), status=422, media_type="application/problem+json")
