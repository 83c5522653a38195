"""The link shortener: what it is made of, and its routes."""

import asyncio
from collections.abc import Iterator

from hostloop import (
    App,
    HTTPError,
    Response,
    Stop,
    invoke,
    provide,
    redirect,
    supply,
    worker,
)

from database import Database
from links import CodeTakenError, Link, Links, NewLink, Page
from pages import front_page
from problems import Fault, unprocessable
from settings import Settings

MAX_LIMIT = 100


def open_database(settings: Settings) -> Iterator[Database]:
    """Opens the database; when everything that uses it has ended, closes it."""
    database = Database(settings.database)
    yield database
    database.close()


def greet(settings: Settings, _: Database) -> None:
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


async def sweeper(settings: Settings, links: Links, stop: Stop) -> None:
    """Deletes the links that have expired, from time to time."""
    while await stop.sleep(settings.sweep):
        await asyncio.to_thread(links.drop_expired)


def build_app(settings: Settings) -> App:
    """Makes the application.

    A handler that asks the database is a plain `def`: it runs in a thread. See `Database`.
    """
    app = App(
        supply(settings),
        provide(open_database),
        provide(Links),
        invoke(greet),
        worker(sweeper, restart="always"),
    )

    @app.get("/")
    def front(links: Links, after: str | None = None) -> Response:
        return Response.html(front_page(links.page(MAX_LIMIT, after)))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/links")
    def create(body: NewLink, links: Links) -> Response:
        if faults := body.faults():
            raise unprocessable(faults)
        try:
            link = links.add(body)
        except CodeTakenError:
            detail = f"the code {body.code!r} is taken; choose another or leave it out"
            raise HTTPError(409, detail) from None
        return Response.json(link, status=201, headers={"location": f"/links/{link.code}"})

    @app.get("/links")
    def list_links(links: Links, limit: int = 20, after: str | None = None) -> Page:
        if not 1 <= limit <= MAX_LIMIT:
            wanted = f"an integer from 1 to {MAX_LIMIT}"
            raise unprocessable([Fault("query", "limit", str(limit), wanted)])
        return links.page(limit, after)

    @app.get("/links/{code}")
    def show(code: str, links: Links) -> Link:
        return existing(links, code)

    @app.delete("/links/{code}")
    def delete(code: str, links: Links) -> None:
        if not links.remove(code):
            raise no_link(code)

    @app.get("/{code}")
    def follow(code: str, links: Links) -> Response:
        link = reachable(links, code)
        links.count_click(code)
        return redirect(link.url)

    @app.head("/{code}")
    def peek(code: str, links: Links) -> Response:
        return redirect(reachable(links, code).url)

    return app


def existing(links: Links, code: str) -> Link:
    link = links.find(code)
    if link is None:
        raise no_link(code)
    return link


def reachable(links: Links, code: str) -> Link:
    link = existing(links, code)
    if link.is_expired:
        raise HTTPError(410, f"the link {code!r} expired at {link.expires_at}")
    return link


def no_link(code: str) -> HTTPError:
    return HTTPError(404, f"no link has the code {code!r}")
