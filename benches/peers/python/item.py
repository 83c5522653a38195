"""The typed body and answer of the `json` scenario, and what the handler does with them."""

from __future__ import annotations

import msgspec


class Item(msgspec.Struct):
    name: str
    price: float
    tags: list[str]


class ItemOut(msgspec.Struct):
    id: int
    name: str
    total: float
    tags: list[str]


def priced(id: int, item: Item) -> ItemOut:
    return ItemOut(id=id, name=item.name, total=item.price * len(item.tags), tags=item.tags)
