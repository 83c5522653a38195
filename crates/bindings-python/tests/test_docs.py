"""Every Python example in the documentation runs as it is written."""

import re
from pathlib import Path

import pytest

import hostloop

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "crates/bindings-python/README.md"]
SOURCES = sorted(Path(hostloop.__file__).parent.rglob("*.py"))
BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def examples() -> list[object]:
    found = []
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text()):
            line = page.read_text()[: block.start()].count("\n") + 2
            found.append(pytest.param(block[2], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("source", examples())
def test_an_example_runs_as_it_is_written(source: str) -> None:
    exec(compile(source, "<example>", "exec"), {"__name__": "example"})


def test_every_page_has_examples_and_every_example_in_the_sources_can_be_read() -> None:
    assert all(BLOCK.search(page.read_text()) for page in PAGES)
    for source in SOURCES:
        for block in BLOCK.finditer(source.read_text()):
            lines = [line.removeprefix(block[1]) for line in block[2].splitlines()]
            compile("\n".join(lines), str(source), "exec")
