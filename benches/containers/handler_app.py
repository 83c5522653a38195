"""One program, wired by hand or by the graph: `python handler_app.py PORT hand|graph`."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from hostloop import App, provide, supply

sys.path.insert(0, str(Path(__file__).resolve().parent))

from graph import A, B, C, D, E, F, Full, G, Plain, Settings, make_h, make_i

ANSWER = "Hello, World!"


def wired_by_hand() -> App:
    app = App()
    settings = Settings()
    a = A(settings)
    b = B(a)
    open_h, open_i = contextmanager(make_h), asynccontextmanager(make_i)

    @app.get("/values")
    async def values() -> str:
        return ANSWER if b.a is a else ""

    @app.get("/objects")
    async def objects() -> str:
        c = C()
        d = D(c)
        e = E(c, d)
        f = F(c, d, e)
        plain = Plain(a, b, c, d, e, f, G(c, d, e, f))
        return ANSWER if plain.b is b else ""

    @app.get("/teardowns")
    async def teardowns() -> str:
        c = C()
        d = D(c)
        e = E(c, d)
        f = F(c, d, e)
        with open_h(c, d) as h:
            async with open_i(e, f) as i:
                full = Full(a, b, c, d, e, f, G(c, d, e, f), h, i)
                return ANSWER if full.b is b else ""

    return app


def wired_by_graph() -> App:
    request = [
        provide(cls, scope="request") for cls in (C, D, E, F, G, Plain, Full, make_h, make_i)
    ]
    app = App(supply(Settings()), provide(A), provide(B), *request)

    @app.get("/values")
    async def values(a: A, b: B) -> str:
        return ANSWER if b.a is a else ""

    @app.get("/objects")
    async def objects(b: B, plain: Plain) -> str:
        return ANSWER if plain.b is b else ""

    @app.get("/teardowns")
    async def teardowns(b: B, full: Full) -> str:
        return ANSWER if full.b is b else ""

    return app


if __name__ == "__main__":
    make = {"hand": wired_by_hand, "graph": wired_by_graph}[sys.argv[2]]
    make().run(port=int(sys.argv[1]))
