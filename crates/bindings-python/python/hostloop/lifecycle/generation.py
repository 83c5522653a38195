"""The values of the application's scope that are current, as compiled code names them.

Compiled functions are made for one generation: its values are in their namespaces. A reload makes a new generation, with functions
of its own; who runs or holds a function of an old one goes on with the old values. Each namespace holds its generation's mark, so
the mark is gone when the last of them has left, and nobody counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .mark import Mark
from .table import Table

if TYPE_CHECKING:
    from .container import Container

__all__ = ["Generation"]


class Generation:
    """One set of current values. Nothing that it holds refers back to it, so that its end is noticed at once."""

    def __init__(self, container: Container) -> None:
        self.mark = Mark(container)
        scopes = enumerate(container.wiring.scopes[1:], 1)
        self.tables = {name: Table(container, self.mark, (depth,)) for depth, name in scopes}
        """What gives values in a scope of each name that is right inside the application's."""
