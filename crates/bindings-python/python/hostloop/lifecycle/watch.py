"""Reloading when files change.

Folders are watched natively; this decides what the changes mean. A file that is written in several steps, or a folder full of
them, is one change: it counts when nothing has changed for a moment.
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
        self._seen = {path: signature(path) for path in nodes if not os.path.isdir(path)}
        self._due: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reload: asyncio.Task[None] | None = None
        loop = container.loop

        def changed(path: str) -> None:
            # The watcher's thread may outlive the loop by a moment.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._changed, path)

        self._watcher = Watcher(changed)
        for path in nodes:
            is_folder = os.path.isdir(path)
            # A file is often replaced by another of its name: its folder tells of that.
            self._watcher.watch(path if is_folder else os.path.dirname(path), is_folder)

    def close(self) -> None:
        """Ends the watching."""
        self._watcher.close()
        if self._timer is not None:
            self._timer.cancel()

    def _changed(self, changed: str) -> None:
        for path, nodes in self._nodes.items():
            if is_inside(changed, path) or self._is_new(path):
                self._due |= nodes
        if self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._container.loop.call_later(QUIET, self._start)

    def _is_new(self, path: str) -> bool:
        """Whether a file is another than before, though what has changed is called otherwise: the target of a link."""
        if path not in self._seen:
            return False
        before, self._seen[path] = self._seen[path], signature(path)
        return self._seen[path] != before

    def _start(self) -> None:
        nodes, self._due = self._due, set()
        self._reload = self._container.loop.create_task(self._run(sorted(nodes)))

    async def _run(self, nodes: list[int]) -> None:
        try:
            await self._container.up()
            await self._container.reload(nodes)
        except HostloopError as error:
            log.error("what the changed files belong to was not reloaded: %s", error)
        except Exception:
            log.exception("what the changed files belong to was not reloaded")


def is_inside(path: str, outer: str) -> bool:
    """Whether a path is another, or in it."""
    return any(path == own or path.startswith(own + os.sep) for own in (outer, os.path.realpath(outer)))


def signature(path: str) -> tuple[int, int, int] | None:
    """What tells one state of a file from another, through symbolic links too."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
