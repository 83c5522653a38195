"""Runs the link shortener: `python main.py`, with HOST, PORT and DATABASE from the environment."""

import sqlite3
import sys

from hostloop.errors import AddressError

from app import build_app
from database import Database
from links import Links
from settings import Settings, SettingsError


def greet(settings: Settings) -> None:
    """Says where the service is and what to try first."""
    link = '{"url": "https://example.com", "code": "home"}'
    print(
        f"{settings.url} keeps its links in {settings.database}",
        f"  curl -i {settings.url}/links -H 'content-type: application/json' -d '{link}'",
        f"  curl -i {settings.url}/home",
        f"  curl -i {settings.url}/links/home",
        sep="\n",
        flush=True,
    )


def main() -> None:
    """Reads the settings, opens the database and serves; once drained, closes the database."""
    try:
        settings = Settings.from_env()
        database = Database(settings.database)
    except SettingsError as error:
        sys.exit(f"links: {error}")
    except sqlite3.Error as error:
        sys.exit(f"links: cannot open the database {settings.database}: {error}")
    greet(settings)
    try:
        build_app(Links(database)).run(settings.host, settings.port)
    except AddressError as error:
        sys.exit(f"links: {error}")
    finally:
        database.close()


if __name__ == "__main__":
    main()
