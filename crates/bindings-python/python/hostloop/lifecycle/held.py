"""Entering and leaving what is held: generators, context managers and the asynchronous ones.

All are left as `contextlib` leaves them, with two differences. A teardown cannot swallow the error that its scope ends by: whoever
raised it is told. And one that fails does not take that error's place.
"""

from __future__ import annotations

from typing import Any

from ..errors import ProviderError
from .recipe import Style

__all__ = ["enter", "enter_async", "leave", "leave_async", "never", "twice"]


def enter(style: Style, made: Any, name: str) -> Any:
    """Enters what a call has made, and returns the value."""
    if style is Style.MANAGER:
        return made.__enter__()
    for value in made:
        return value
    raise never(name)


async def enter_async(style: Style, made: Any, name: str) -> Any:
    """Enters what a call has made, and returns the value."""
    if style is Style.ASYNC_MANAGER:
        return await made.__aenter__()
    async for value in made:
        return value
    raise never(name)


def leave(style: Style, made: Any, error: BaseException | None, name: str) -> None:
    """Leaves what was entered, by an error or without. Raises what the teardown raises, but not `error` itself."""
    if style is Style.MANAGER:
        try:
            made.__exit__(*details(error))
        except BaseException as raised:
            if not is_same(raised, error):
                raise
    elif error is None:
        for _ in made:
            made.close()
            raise twice(name)
    else:
        throw(made, error, name)


async def leave_async(style: Style, made: Any, error: BaseException | None, name: str) -> None:
    """Leaves what was entered, by an error or without. Raises what the teardown raises, but not `error` itself."""
    if not style.is_async:
        leave(style, made, error, name)
    elif style is Style.ASYNC_MANAGER:
        try:
            await made.__aexit__(*details(error))
        except BaseException as raised:
            if not is_same(raised, error):
                raise
    elif error is None:
        async for _ in made:
            await made.aclose()
            raise twice(name)
    else:
        await throw_async(made, error, name)


def throw(generator: Any, error: BaseException, name: str) -> None:
    trace = error.__traceback__
    try:
        generator.throw(error)
    except StopIteration:
        return
    except BaseException as raised:
        if is_same(raised, error):
            return
        raise
    finally:
        error.__traceback__ = trace
    generator.close()
    raise twice(name)


async def throw_async(generator: Any, error: BaseException, name: str) -> None:
    trace = error.__traceback__
    try:
        await generator.athrow(error)
    except StopAsyncIteration:
        return
    except BaseException as raised:
        if is_same(raised, error):
            return
        raise
    finally:
        error.__traceback__ = trace
    await generator.aclose()
    raise twice(name)


def is_same(raised: BaseException, error: BaseException | None) -> bool:
    """Whether it is what was thrown in. A generator turns a StopIteration that passes through it into a RuntimeError."""
    return error is not None and (raised is error or (isinstance(raised, RuntimeError) and raised.__cause__ is error))


def details(error: BaseException | None) -> tuple[Any, Any, Any]:
    """An error as `__exit__` takes it."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def never(name: str) -> ProviderError:
    """The error of a generator without a value."""
    return ProviderError(f"{name} ends without a yield; yield its value once")


def twice(name: str) -> ProviderError:
    """The error of a generator that goes on."""
    return ProviderError(f"{name} yields a second time; yield its value once, and take it back behind that")
