"""Reloading when files change.

Paths are watched natively; this decides when to follow. A file that is written in several steps, or a folder full of them, is one
change: it counts when nothing has changed for a moment, or when changes go on for too long.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .._core import Watcher
from ..errors import HostloopError, InvalidError
from .events import log
from .source import show_type

if TYPE_CHECKING:
    from .container import Container

__all__ = ["Reloads", "reloading"]

Reloads = Mapping[Any, Sequence["str | os.PathLike[str]"]] | Sequence["str | os.PathLike[str]"]
"""Which types are made anew when which paths change, or paths for all that the application makes."""

QUIET = 0.1
"""Seconds without a change that end a series of them."""

LONGEST_SERIES = 1.0
"""Seconds after which a series of changes is followed that does not end."""


@contextmanager
def reloading(container: Container, reloads: Reloads | None) -> Iterator[None]:
    """Makes values anew when files change, as long as the block runs."""
    if reloads is None:
        yield
        return
    watch = Watch(container, by_path(container, reloads))
    try:
        yield
    finally:
        watch.close()


def by_path(container: Container, reloads: Reloads) -> dict[str, set[int]]:
    """The nodes to be made anew for each path."""
    wiring = container.wiring
    if isinstance(reloads, Mapping):
        pairs = [({wiring.find(wanted)}, show_type(wanted), paths) for wanted, paths in reloads.items()]
    else:
        pairs = [({node.index for node in wiring.nodes if node.is_reloadable}, "reload", reloads)]
    found: dict[str, set[int]] = {}
    for nodes, name, paths in pairs:
        if isinstance(paths, (str, os.PathLike)):
            raise InvalidError(f"reload has {paths!r} for {name}; give a list of paths")
        for path in paths:
            found.setdefault(os.path.abspath(path), set()).update(nodes)
    for path in found:
        if not os.path.exists(path):
            raise InvalidError(f"reload has the path {path!r}, which does not exist")
    return found


class Watch:
    """Watches paths, and reloads what belongs to them."""

    def __init__(self, container: Container, nodes: dict[str, set[int]]) -> None:
        self._container = container
        self._nodes = nodes
        self._due: set[int] = set()
        self._latest = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reload: asyncio.Task[None] | None = None
        loop = container.loop

        def changed(path: str) -> None:
            # The watcher's thread may outlive the loop by a moment.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._changed, path)

        self._watcher = Watcher(changed)
        for path in nodes:
            self._watcher.watch(path)

    def close(self) -> None:
        """Ends the watching."""
        self._watcher.close()
        if self._timer is not None:
            self._timer.cancel()

    def _changed(self, path: str) -> None:
        now = self._container.loop.time()
        if not self._due:
            self._latest = now + LONGEST_SERIES
        self._due |= self._nodes[path]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._container.loop.call_at(min(now + QUIET, self._latest), self._start)

    def _start(self) -> None:
        nodes, self._due = self._due, set()
        self._reload = self._container.loop.create_task(self._run(sorted(nodes)))

    async def _run(self, nodes: list[int]) -> None:
        try:
            await self._container.up()
            await self._container.reload(nodes)
        except HostloopError as error:
            log.error("what the changed files belong to was not reloaded: %s", error)
        except Exception as error:
            log.error("what the changed files belong to was not reloaded", exc_info=error)
