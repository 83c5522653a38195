"""A value that is asked for when it is needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Lazy"]

T = TypeVar("T")


class Lazy(Generic[T]):
    """Asks for a value when it is needed, instead of having it built first.

    Take one as a parameter to break a cycle, or to hold something that may be swapped: each call gives the value that is current.

    ```python
    class Mailer:
        def __init__(self, users: Lazy[Users]) -> None:
            self.users = users

        async def remind(self) -> None:
            for user in (await self.users.get()).all():
                ...
    ```
    """

    __slots__ = ("_ask", "_look")

    def __init__(self, ask: Callable[[], Awaitable[T]], look: Callable[[], T]) -> None:
        self._ask = ask
        self._look = look

    async def get(self) -> T:
        """Returns the value, and has it built if it is not there."""
        return await self._ask()

    def __call__(self) -> T:
        """Returns the value, which must be there or take no waiting."""
        return self._look()
