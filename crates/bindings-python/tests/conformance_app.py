"""The application that conformance/http1 asks for, in Python. Prints its port and serves until it is terminated."""

from collections.abc import AsyncIterator

from hostloop import App, Limits, Request, Response, Timeouts

app = App(
    limits=Limits(head_bytes=16 * 1024, target_bytes=4 * 1024, header_count=64, body_bytes=64 * 1024),
    timeouts=Timeouts(header=1, body=1),
)


@app.get("/")
async def root() -> str:
    return "ok"


@app.post("/echo")
async def echo(request: Request) -> bytes:
    return await request.body()


@app.get("/items/{id}")
async def item(id: str) -> str:
    return id


@app.put("/items/{id}")
async def put_item(id: str) -> str:
    return "put"


@app.get("/rest/{rest:path}")
async def rest(rest: str) -> str:
    return rest


@app.post("/unread")
async def unread() -> str:
    return "unread"


@app.get("/stream")
async def stream() -> AsyncIterator[str]:
    for word in ("one", "two", "three"):
        yield word


@app.get("/headers")
async def headers(request: Request) -> list[tuple[str, str]]:
    return request.headers.multi_items()


@app.get("/query")
async def query(request: Request) -> str:
    return request.query_string


@app.get("/empty")
async def empty() -> Response:
    return Response(status=204)


async def serve() -> None:
    async with app.listen(port=0) as server:
        print(server.url.rpartition(":")[2], flush=True)
        await server.wait()


if __name__ == "__main__":
    import asyncio

    asyncio.run(serve())
