"""Runs the link shortener: `python main.py`, with HOST, PORT and DATABASE from the environment."""

import asyncio
import signal
import sqlite3
import sys
from contextlib import suppress

from app import build_app
from database import Database
from links import Links
from settings import Settings, SettingsError


async def serve(settings: Settings, database: Database) -> None:
    """Serves until SIGINT or SIGTERM, then drains and closes the database."""
    app = build_app(Links(database))
    try:
        server = asyncio.ensure_future(app.serve(host=settings.host, port=settings.port))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.cancel)
        with suppress(asyncio.CancelledError):
            await server
    finally:
        database.close()


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
    """Reads the settings, opens the database and serves; a bad setting ends the program."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        sys.exit(f"links: {error}")
    try:
        database = Database(settings.database)
    except sqlite3.Error as error:
        sys.exit(f"links: cannot open the database {settings.database}: {error}")
    greet(settings)
    asyncio.run(serve(settings, database))


if __name__ == "__main__":
    main()
