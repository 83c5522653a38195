"""What happens is logged, and the picture shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from start_stop_parts import Database, Ledger, Settings

from hostloop import App, provide, supply
from hostloop.errors import InvalidError

Run = Callable[..., Any]


def test_everything_that_happens_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()

    async def main() -> None:
        with caplog.at_level(logging.DEBUG, "hostloop.lifecycle"):
            async with App(provide(Settings), ledger.hook("x", Settings)):
                pass

    run(main())
    lines = [(record.levelname, record.getMessage().partition(" (")[0]) for record in caplog.records]
    assert ("INFO", "phase: building") in lines
    assert ("DEBUG", "constructing Settings") in lines
    assert ("DEBUG", "hook starting x") in lines
    assert ("DEBUG", "hook stopped x") in lines
    assert lines[-1] == ("INFO", "closed")


def test_the_picture_shows_states_and_durations(run: Run) -> None:
    ledger = Ledger()
    app = App(supply(Settings()), provide(Database), ledger.hook("x", Database))

    async def main() -> None:
        assert app.explain()["stage"] == "planned"
        async with app:
            picture = app.explain()
            assert picture["stage"] == "running"
            states = {node["label"]: node["state"] for node in picture["nodes"]}
            assert states["Database"] == "ready"
            assert states["x"] == "up"
            assert "digraph" in app.explain("dot")
            assert app.explain("mermaid").startswith("flowchart")
            assert app.explain("html").startswith("<!doctype html>")
            with pytest.raises(InvalidError, match='explain has the format "png"; use "json", "dot", "mermaid" or "html"'):
                app.explain("png")  # type: ignore[call-overload]

    run(main())
