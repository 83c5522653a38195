"""The mark of a generation: it lives as long as somebody uses it, and knows its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compile import Writer
    from .container import Container

__all__ = ["Mark"]


class Mark:
    """What every namespace of a generation holds. When the last of them is gone, so is it, and nobody has to count."""

    __slots__ = ("__weakref__", "_container", "_kept")

    def __init__(self, container: Container) -> None:
        self._container = container
        self._kept: dict[int, Any] = {}
        """Of a generation that was replaced, the values that it had."""

    def keep(self, values: dict[int, Any]) -> None:
        """Keeps what is about to be replaced, for those who go on with it."""
        self._kept = values

    def peek(self, node: int) -> Any:
        """Returns the value of a node of the application's scope in this generation, or `UNSET`."""
        return self._kept[node] if node in self._kept else self._container.peek(node)

    def namespace(self, writer: Writer) -> dict[str, Any]:
        """Makes the namespace of what was written: names, values, and itself."""
        return {
            **writer.names,
            **{f"v{node}": self.peek(node) for node in writer.values},
            **{f"z{node}": self._container.lazy(node) for node in writer.lazies},
            "mark": self,
        }
