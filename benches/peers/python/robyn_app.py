"""robyn: `python robyn_app.py PORT --log-level WARN`. Its own typed bodies are pydantic models."""

import asyncio
import sys

from pydantic import BaseModel
from robyn import Request, Robyn


class Item(BaseModel):
    name: str
    price: float
    tags: list[str]


class ItemOut(BaseModel):
    id: int
    name: str
    total: float
    tags: list[str]


app = Robyn(__file__)


@app.get("/")
async def hello() -> str:
    return "Hello, World!"


@app.post("/items/:id")
async def item(id: int, body: Item) -> ItemOut:
    return ItemOut(id=id, name=body.name, total=body.price * len(body.tags), tags=body.tags)


@app.post("/echo")
async def echo(request: Request) -> str | bytes:
    return request.body


@app.get("/sleep")
async def sleep() -> str:
    await asyncio.sleep(0.010)
    return "ok"


if __name__ == "__main__":
    app.start(host="127.0.0.1", port=int(sys.argv[1]))
