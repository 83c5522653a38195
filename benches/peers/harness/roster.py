"""Who is measured on what, and how it gets here: a language has servers, cases and an installer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.scenarios import Case


@dataclass(frozen=True)
class Server:
    """`{port}` in the command and the environment stands for the port of the measurement."""

    name: str
    package: str  # without it the server is not measured
    folder: Path  # where the command runs
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.name.partition("-")[0]

    def argv(self, scenario: str, port: int) -> list[str]:
        words = (*self.command, *self.arguments_for.get(scenario, ()))
        return [word.replace("{port}", str(port)) for word in words]

    def environ(self, port: int) -> dict[str, str]:
        return {key: text.replace("{port}", str(port)) for key, text in self.environment.items()}


@dataclass(frozen=True)
class Language:
    """`install` gets the pinned peers that are missing; `versions` tells what there is then."""

    name: str
    title: str
    servers: tuple[Server, ...]
    cases: tuple[Case, ...]
    install: Callable[[], None]
    versions: Callable[[], dict[str, str | None]]

    @property
    def baseline(self) -> str:
        """The server that the others are compared with."""
        return self.servers[0].name

    @property
    def scenarios(self) -> set[str]:
        return {case.scenario for case in self.cases}
