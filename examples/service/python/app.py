"""The routes of the link shortener."""

from hostloop import App, HTTPError, Response, redirect

from links import CodeTakenError, Link, Links, NewLink, Page
from pages import front_page
from problems import Fault, unprocessable

MAX_LIMIT = 100


def build_app(links: Links) -> App:
    """Makes the application that serves these links.

    A handler that asks the database is a plain `def`: it runs in a thread. See `Database`.
    """
    app = App()

    @app.get("/")
    def front(after: str | None = None) -> Response:
        return Response.html(front_page(links.page(MAX_LIMIT, after)))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/links")
    def create(body: NewLink) -> Response:
        if faults := body.faults():
            raise unprocessable(faults)
        try:
            link = links.add(body)
        except CodeTakenError:
            detail = f"the code {body.code!r} is taken; choose another or leave it out"
            raise HTTPError(409, detail) from None
        return Response.json(link, status=201, headers={"location": f"/links/{link.code}"})

    @app.get("/links")
    def list_links(limit: int = 20, after: str | None = None) -> Page:
        if not 1 <= limit <= MAX_LIMIT:
            wanted = f"an integer from 1 to {MAX_LIMIT}"
            raise unprocessable([Fault("query", "limit", str(limit), wanted)])
        return links.page(limit, after)

    @app.get("/links/{code}")
    def show(code: str) -> Link:
        return existing(code)

    @app.delete("/links/{code}")
    def delete(code: str) -> None:
        if not links.remove(code):
            raise no_link(code)

    @app.get("/{code}")
    def follow(code: str) -> Response:
        link = reachable(code)
        links.count_click(code)
        return redirect(link.url)

    @app.head("/{code}")
    def peek(code: str) -> Response:
        return redirect(reachable(code).url)

    def existing(code: str) -> Link:
        link = links.find(code)
        if link is None:
            raise no_link(code)
        return link

    def reachable(code: str) -> Link:
        link = existing(code)
        if link.is_expired:
            raise HTTPError(410, f"the link {code!r} expired at {link.expires_at}")
        return link

    return app


def no_link(code: str) -> HTTPError:
    return HTTPError(404, f"no link has the code {code!r}")
