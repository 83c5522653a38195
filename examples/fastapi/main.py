"""The container inside FastAPI: `uvicorn main:api`.

The lifespan starts and stops everything; a dependency enters a scope for each request, in which
values are made once and taken back when the response is known.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI
from hostloop import App, Scope, provide

T = TypeVar("T")


class Database:
    """A database, as long as the application."""

    def __init__(self) -> None:
        self.is_open = True
        self.committed: list[str] = []


async def open_database() -> AsyncIterator[Database]:
    """Opens the database; the container closes it last."""
    database = Database()
    yield database
    database.is_open = False


class Transaction:
    """What one request does to the database."""

    def __init__(self) -> None:
        self.lines: list[str] = []


def transaction(database: Database) -> Iterator[Transaction]:
    """Commits, unless the request fails: then the error is thrown at the `yield`."""
    transaction = Transaction()
    yield transaction
    database.committed += transaction.lines


class Notes:
    """Takes notes, within the transaction of the request."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, text: str) -> None:
        """Adds a note."""
        if not text:
            raise ValueError("a note needs a text")
        self._transaction.lines.append(text)


container = App(
    provide(open_database),
    provide(transaction, scope="request"),
    provide(Notes, scope="request"),
)


async def request_scope() -> AsyncIterator[Scope]:
    """The scope of a request."""
    async with container.scope("request") as scope:
        yield scope


def given(wanted: type[T]) -> Any:
    """A dependency of FastAPI's that is a value of the container's."""

    async def resolve(scope: Annotated[Scope, Depends(request_scope)]) -> T:
        return await scope.resolve(wanted)

    return Depends(resolve)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Starts and stops everything with the server."""
    async with container:
        yield


api = FastAPI(lifespan=lifespan)


@api.post("/notes/{text}")
async def add(text: str, notes: Annotated[Notes, given(Notes)]) -> dict[str, str]:
    """Takes a note."""
    notes.add(text.strip())
    return {"noted": text}


@api.get("/notes")
async def committed(database: Annotated[Database, given(Database)]) -> list[str]:
    """The notes that were committed."""
    return database.committed
