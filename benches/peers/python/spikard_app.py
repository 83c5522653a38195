"""spikard: `SPIKARD_SERVER_PORT=PORT python spikard_app.py`.

`ServerConfig(port=...)` never reaches the server of 0.17.2; the environment does. There is no echo:
a typed handler cannot get at the bytes of a body (see the roster).
"""

import asyncio

from item import Item, ItemOut, priced
from spikard import Response
from spikard.app import App

app = App()


@app.get("/")
async def hello() -> Response:
    return Response(content="Hello, World!", headers={"content-type": "text/plain"})


@app.post("/items/{id:int}")
async def item(id: int, body: Item) -> ItemOut:
    return priced(id, body)


@app.get("/sleep")
async def sleep() -> Response:
    await asyncio.sleep(0.010)
    return Response(content="ok", headers={"content-type": "text/plain"})


if __name__ == "__main__":
    app.run()
