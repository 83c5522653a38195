"""A raw ASGI application, for uvicorn and for granian's ASGI interface."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from item import Item, priced

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ITEMS = "/items/"
TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
BYTES = b"application/octet-stream"

decode_item = msgspec.json.Decoder(Item).decode
encode = msgspec.json.Encoder().encode


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path: str = scope["path"]
    if path == "/":
        await respond(send, b"Hello, World!", TEXT)
    elif path.startswith(ITEMS):
        item = decode_item(await read_body(receive))
        await respond(send, encode(priced(int(path[len(ITEMS) :]), item)), JSON)
    elif path == "/echo":
        await respond(send, await read_body(receive), BYTES)
    elif path == "/sleep":
        await asyncio.sleep(0.010)
        await respond(send, b"ok", TEXT)
    else:
        await respond(send, b"not found", TEXT, status=404)


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks = [body]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def respond(send: Send, body: bytes, content_type: bytes, status: int = 200) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
