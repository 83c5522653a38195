"""Runs the link shortener: `python main.py`, with settings from the environment.

`python main.py explain` prints its graph as a web page instead.
"""

import sqlite3
import sys

from hostloop.errors import AddressError

from app import build_app
from settings import Settings, SettingsError


def main() -> None:
    """Reads the settings and serves."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        sys.exit(f"links: {error}")
    app = build_app(settings)
    if sys.argv[1:] == ["explain"]:
        print(app.explain("html"))
        return
    try:
        app.run(settings.host, settings.port)
    except AddressError as error:
        sys.exit(f"links: {error}")
    except sqlite3.Error as error:
        sys.exit(f"links: cannot open the database {settings.database}: {error}")


if __name__ == "__main__":
    main()
