"""What every language's binding must do, run against this one over real sockets."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


def load(suite: str) -> ModuleType:
    """Imports a suite's runner: each of them is a program called run.py."""
    folder = ROOT / "conformance" / suite
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(f"conformance_{suite}", folder / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


http1 = load("http1")
service = load("service")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("conformance_app.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.terminate()


@pytest.mark.parametrize("case", http1.load_cases(), ids=str)
def test_a_raw_request_gets_what_the_corpus_says(port: int, case: Any) -> None:
    failure = http1.run_case(case, "127.0.0.1", port)
    assert failure is None, failure


@pytest.mark.parametrize("scenario", service.load_scenarios(), ids=str)
def test_the_link_shortener_keeps_its_contract(scenario: Any) -> None:
    service.run_scenario(scenario, [sys.executable, str(ROOT / "examples/service/python/main.py")])
