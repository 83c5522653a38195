"""What the service takes from its environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(ValueError):
    """A variable of the environment has a value that the service cannot use."""

    def __init__(self, name: str, got: str, fix: str) -> None:
        super().__init__(f"{name} is {got!r}; {fix}")


@dataclass(frozen=True)
class Settings:
    """Where the service listens and where it keeps its links."""

    host: str = "127.0.0.1"
    port: int = 8000
    database: Path = Path("links.db")
    sweep: float = 3600
    """Seconds between two deletions of what has expired."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Reads HOST, PORT, DATABASE and SWEEP; each has a default.

        Raises `SettingsError` for the first value that cannot be used.
        """
        return cls(
            host=_host(env.get("HOST", cls.host)),
            port=_port(env.get("PORT", str(cls.port))),
            database=_database(env.get("DATABASE", str(cls.database))),
            sweep=_sweep(env.get("SWEEP", str(cls.sweep))),
        )

    @property
    def url(self) -> str:
        """The service's address, as a browser takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def _host(value: str) -> str:
    if not value or value != value.strip():
        raise SettingsError("HOST", value, "set it to a host name or an address, such as 127.0.0.1")
    return value


def _port(value: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise SettingsError("PORT", value, "set it to a number from 1 to 65535")
    return int(value)


def _database(value: str) -> Path:
    path = Path(value).absolute()
    if path.is_dir():
        raise SettingsError("DATABASE", value, "set it to the path of a file, such as links.db")
    if not path.parent.is_dir():
        raise SettingsError("DATABASE", value, f"create the directory {path.parent} first")
    return path


def _sweep(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise SettingsError("SWEEP", value, "set it to a number of seconds above 0, such as 3600")
    return seconds
