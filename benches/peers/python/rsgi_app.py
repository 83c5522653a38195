"""A raw RSGI application, for granian."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from granian.rsgi import HTTPProtocol, Scope
from item import Item, priced

ITEMS = "/items/"
TEXT = [("content-type", "text/plain; charset=utf-8")]
JSON = [("content-type", "application/json")]
BYTES = [("content-type", "application/octet-stream")]

decode_item: Any = msgspec.json.Decoder(Item).decode
encode = msgspec.json.Encoder().encode


async def app(scope: Scope, protocol: HTTPProtocol) -> None:
    path = scope.path
    if path == "/":
        protocol.response_str(200, TEXT, "Hello, World!")
    elif path.startswith(ITEMS):
        item = decode_item(await protocol())
        protocol.response_bytes(200, JSON, encode(priced(int(path[len(ITEMS) :]), item)))
    elif path == "/echo":
        protocol.response_bytes(200, BYTES, await protocol())
    elif path == "/sleep":
        await asyncio.sleep(0.010)
        protocol.response_str(200, TEXT, "ok")
    else:
        protocol.response_str(404, TEXT, "not found")
