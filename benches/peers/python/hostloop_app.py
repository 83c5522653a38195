"""hostloop: `python hostloop_app.py PORT asyncio|uvloop`."""

import asyncio
import sys
from collections.abc import Callable

import uvloop
from hostloop import App
from item import Item, ItemOut, priced

app = App()


@app.get("/")
async def hello() -> str:
    return "Hello, World!"


@app.post("/items/{id}")
async def item(id: int, body: Item) -> ItemOut:
    return priced(id, body)


@app.post("/echo")
async def echo(body: bytes) -> bytes:
    return body


@app.get("/sleep")
async def sleep() -> str:
    await asyncio.sleep(0.010)
    return "ok"


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {
    "asyncio": None,
    "uvloop": uvloop.new_event_loop,
}

if __name__ == "__main__":
    port, loop = sys.argv[1:]
    app.run(host="127.0.0.1", port=int(port), loop_factory=LOOPS[loop])
