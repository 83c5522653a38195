"""The objects that every participant wires: wireup's own benchmark graph (W1), and larger ones."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any


class Settings:
    """A value of the application."""

    def __init__(self, dsn: str = "sqlite://") -> None:
        self.dsn = dsn


class A:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class B:
    def __init__(self, a: A) -> None:
        self.a = a


class C:
    def __init__(self) -> None:
        pass


class D:
    def __init__(self, c: C) -> None:
        self.c = c


class E:
    def __init__(self, c: C, d: D) -> None:
        self.c = c
        self.d = d


class F:
    def __init__(self, c: C, d: D, e: E) -> None:
        self.c = c
        self.d = d
        self.e = e


class G:
    def __init__(self, c: C, d: D, e: E, f: F) -> None:
        self.c = c
        self.d = d
        self.e = e
        self.f = f


class H:
    def __init__(self, c: C, d: D) -> None:
        self.c = c
        self.d = d
        self.is_open = True


class I:  # noqa: E742 the name that the published benchmark gives it
    def __init__(self, e: E, f: F) -> None:
        self.e = e
        self.f = f
        self.is_open = True


class Plain:
    """The root of a request's graph without teardown."""

    def __init__(self, a: A, b: B, c: C, d: D, e: E, f: F, g: G) -> None:
        self.a, self.b, self.c, self.d, self.e, self.f, self.g = a, b, c, d, e, f, g


class Sync:
    """The root of a request's graph with a generator."""

    def __init__(self, a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H) -> None:
        self.a, self.b, self.c, self.d, self.e, self.f, self.g, self.h = a, b, c, d, e, f, g, h


class Full:
    """The root of a request's graph with a generator and an async generator."""

    def __init__(self, a: A, b: B, c: C, d: D, e: E, f: F, g: G, h: H, i: I) -> None:
        self.a, self.b, self.c, self.d, self.e, self.f, self.g, self.h, self.i = (
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
        )


def make_h(c: C, d: D) -> Iterator[H]:
    h = H(c, d)
    yield h
    h.is_open = False


async def make_i(e: E, f: F) -> AsyncIterator[I]:
    i = I(e, f)
    yield i
    i.is_open = False


def check(root: Plain | Sync | Full) -> None:
    """Raises unless what should be one is one."""
    assert root.g.f.e.d.c is root.c, "a request has one C"
    assert root.b.a is root.a, "the application has one A"


def chain(depth: int) -> list[type]:
    """Classes, each of which needs the one before."""
    classes: list[type] = []
    for index in range(depth):
        classes.append(make_class(f"Chain{index}", classes[-1:]))
    return classes


def grid(width: int, height: int) -> list[type]:
    """Layers of classes, each of which needs all of the layer before."""
    layers: list[list[type]] = []
    for row in range(height):
        before = layers[-1] if layers else []
        layers.append([make_class(f"Grid{row}x{column}", before) for column in range(width)])
    return [cls for layer in layers for cls in layer]


def layers(count: int, width: int) -> list[type]:
    """Layers of classes, each of which needs five of the layer before."""
    made: list[list[type]] = []
    for row in range(count):
        before = made[-1] if made else []
        needs = [
            [before[(column * 7 + step) % width] for step in range(5)] if before else []
            for column in range(width)
        ]
        made.append([make_class(f"Layer{row}x{column}", needs[column]) for column in range(width)])
    return [cls for layer in made for cls in layer]


def make_sleeper(cls: type) -> Callable[..., Any]:
    """A constructor of a class that takes a millisecond."""

    async def sleeper(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.001)
        return cls(*args, **kwargs)

    signature = inspect.signature(cls)
    sleeper.__signature__ = signature.replace(return_annotation=cls)  # type: ignore[attr-defined]
    sleeper.__annotations__ = {name: of.annotation for name, of in signature.parameters.items()} | {
        "return": cls
    }
    sleeper.__qualname__ = f"make_{cls.__name__}"
    return sleeper


def make_class(name: str, needs: list[type]) -> type:
    """A class as one would write it: annotated parameters, kept as attributes."""
    parameters = ", ".join(f"p{index}: P{index}" for index in range(len(needs)))
    body = (
        "".join(f"        self.p{index} = p{index}\n" for index in range(len(needs)))
        or "        pass\n"
    )
    parameters = f"self, {parameters}" if parameters else "self"
    source = f"class {name}:\n    def __init__({parameters}) -> None:\n{body}"
    names: dict[str, object] = {f"P{index}": need for index, need in enumerate(needs)}
    names["__name__"] = __name__
    exec(compile(source, __file__, "exec", dont_inherit=True), names)
    return names[name]  # type: ignore[return-value]
