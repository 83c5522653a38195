"""The small examples run as they are written."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
PATIENCE = 15


def loaded(path: Path) -> ModuleType:
    """Imports an example."""
    spec = importlib.util.spec_from_file_location(f"example_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def until(is_so: Callable[[], Any]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_worker_script_does_its_jobs_and_closes_its_ledger_last(tmp_path: Path) -> None:
    inbox, ledger = tmp_path / "inbox", tmp_path / "ledger.txt"
    script = subprocess.Popen([sys.executable, str(EXAMPLES / "worker_script" / "main.py"), str(inbox)])
    try:
        until(lambda: ledger.exists() and "open" in ledger.read_text())
        (inbox / ".job").write_text("three little words")
        (inbox / ".job").rename(inbox / "job")
        until(lambda: "job: 3 words" in ledger.read_text())
        assert list(inbox.iterdir()) == []
        script.send_signal(signal.SIGTERM)
        assert script.wait(PATIENCE) == 0
    finally:
        script.kill()
        script.wait()
    assert ledger.read_text().splitlines() == ["open", "job: 3 words", "closed"]


def test_the_container_lives_inside_fastapi() -> None:
    testing = pytest.importorskip("fastapi.testclient")
    example = loaded(EXAMPLES / "fastapi" / "main.py")
    with testing.TestClient(example.api) as client:
        assert client.post("/notes/first").json() == {"noted": "first"}
        with pytest.raises(ValueError, match="a note needs a text"):
            client.post("/notes/%20")
        assert client.post("/notes/second").status_code == 200
        assert client.get("/notes").json() == ["first", "second"]
        database = example.container._only.peek(example.container._wire().find(example.Database))
        assert database.is_open
    assert not database.is_open
