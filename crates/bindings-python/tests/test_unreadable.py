"""A body of a type that JSON cannot hold is refused when its route is added; what can be read is not."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Callable
from typing import Annotated, Any, Generic, NamedTuple, NewType, Optional, TypedDict, TypeVar

import msgspec
import pydantic
import pytest

from hostloop import App, provide, supply
from hostloop.errors import InvalidError

PLACE = r"\(.*test_unreadable.py:\d+\)"

T = TypeVar("T")


class Customer:
    """An ordinary class."""


class Model(pydantic.BaseModel):
    """Reads itself."""

    x: int


class Tree(pydantic.BaseModel):
    """Has more of itself."""

    children: list[Tree] = []


class WithCustomer(pydantic.BaseModel):
    """Takes an instance that no JSON can give."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer


class WithDefault(pydantic.BaseModel):
    """Can do without."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer | None = None


class WithValidator(pydantic.BaseModel):
    """Makes the instance."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer

    @pydantic.field_validator("customer", mode="before")
    @classmethod
    def make(cls, _: Any) -> Customer:
        return Customer()


class WithModelValidator(pydantic.BaseModel):
    """Makes all of it."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer

    @pydantic.model_validator(mode="before")
    @classmethod
    def make(cls, _: Any) -> dict[str, Any]:
        return {"customer": Customer()}


class WithConstructor(pydantic.BaseModel):
    """Makes the instance when it is constructed."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer

    def __init__(self, **_: Any) -> None:
        super().__init__(customer=Customer())


class ReadsItself(pydantic.BaseModel):
    """Is read in its own way."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    customer: Customer

    @classmethod
    def model_validate_json(cls, *_: Any, **__: Any) -> ReadsItself:
        return cls(customer=Customer())


@dataclasses.dataclass
class Order:
    """Has a field of an ordinary class."""

    customer: Customer


@dataclasses.dataclass
class OptionalOrder:
    """Has one that may be left out."""

    customer: Customer | None = None


@dataclasses.dataclass
class MadeOrder:
    """Has some that are made, and that clients need not know of."""

    customer: Customer = dataclasses.field(default_factory=Customer)
    other: Customer = dataclasses.field(init=False, default_factory=Customer)
    path: pathlib.Path | None = None
    log: Callable[[], None] = print


@dataclasses.dataclass
class NullableOrder:
    """Has one that may be null."""

    customer: Customer | None


@dataclasses.dataclass
class SetLater:
    """Has one that msgspec wants from the client all the same."""

    customer: Customer = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.customer = Customer()


@dataclasses.dataclass
class WithInitVar:
    """Takes what it does not keep."""

    x: dataclasses.InitVar[int]


@dataclasses.dataclass
class Basket:
    """Has it further inside."""

    orders: dict[str, list[Order]]


@dataclasses.dataclass
class Node:
    """Has more of itself."""

    next: Node | None = None
    count: int = 0


@dataclasses.dataclass
class Loop:
    """Has more of itself, and an ordinary class behind that."""

    next: Loop
    customer: Customer


class AsTypedDict(TypedDict):
    customer: Customer


class OptionalDict(TypedDict, total=False):
    customer: Customer


class AsStruct(msgspec.Struct):
    customer: Customer


class OptionalStruct(msgspec.Struct):
    customer: Customer | msgspec.UnsetType = msgspec.UNSET
    other: Customer | None = None


class AsTuple(NamedTuple):
    customer: Customer


class Box(msgspec.Struct, Generic[T]):
    item: T


class Loose(msgspec.Struct):
    """Takes anything."""

    anything: Any
    other: object
    more: list[Any]


@dataclasses.dataclass
class First:
    x: int


@dataclasses.dataclass
class Second:
    x: int


CustomerId = NewType("CustomerId", Customer)


def add(annotation: Any, app: App | None = None) -> App:
    """Adds a route whose handler has such a body, and returns the application."""
    app = app or App()

    async def handler(body: Any) -> str:
        return type(body).__name__

    handler.__annotations__["body"] = annotation
    app.post("/")(handler)
    return app


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (list[Customer], f"`Customer` {PLACE} cannot be read from JSON"),
        (dict[str, Customer], f"`Customer` {PLACE} cannot be read from JSON"),
        (dict[str, list[Customer]], f"`Customer` {PLACE} cannot be read from JSON"),
        (list[Customer | None], f"`Customer` {PLACE} cannot be read from JSON"),
        (list[CustomerId], f"`Customer` {PLACE} cannot be read from JSON"),
        (tuple[Customer, int], f"`Customer` {PLACE} cannot be read from JSON"),
        (Annotated[list[Customer], "a mark"], f"`Customer` {PLACE} cannot be read from JSON"),
        (list[pathlib.Path], r"`Path` \(.*\) cannot be read from JSON"),
        (Order, f"`Order.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (Order | None, f"`Order.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (Basket, f"`Order.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (Loop, f"`Loop.customer` is `Customer` {PLACE}, which cannot be read from JSON; give it a default, make that class"),
        (SetLater, f"`SetLater.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (WithInitVar, "dataclasses with `InitVar` fields are not supported; make it an ordinary field, or provide it"),
        (AsTypedDict, f"`AsTypedDict.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (AsStruct, f"`AsStruct.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (list[AsTuple], f"`AsTuple.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (Box[Customer], rf"`Box\[Customer\].item` is `Customer` {PLACE}, which cannot be read from JSON"),
        (WithCustomer, f"`WithCustomer.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (list[WithCustomer], f"`WithCustomer.customer` is `Customer` {PLACE}, which cannot be read from JSON"),
        (First | Second, "Type unions may not contain more than one dataclass or attrs type; use types that JSON tells apart"),
        (
            list[First | Second],
            "Type unions may not contain more than one dataclass or attrs type; use types that JSON tells apart",
        ),
        (list[Model | First], "Type unions containing a custom type may not contain any additional types"),
    ],
)
@pytest.mark.parametrize("has_graph", [False, True])
def test_a_body_that_cannot_be_read_is_refused_when_its_route_is_added(annotation: Any, why: str, has_graph: bool) -> None:
    app = App(supply(First(1))) if has_graph and annotation not in (First | Second, list[First | Second]) else App()
    text = rf"^POST /: handler .*handler\(\) {PLACE} has the parameter body: .*, which no request can give: {why}.* App\(provide\("
    with pytest.raises(InvalidError, match=text):
        add(annotation, app)


@pytest.mark.parametrize(
    ("annotation", "sent", "given"),
    [
        (Model, {"x": 1}, "Model"),
        (Optional[Model], {"x": 1}, "Model"),  # noqa: UP045
        (list[Model], [{"x": 1}], "list"),
        (dict[str, Model], {"a": {"x": 1}}, "dict"),
        (Box[Model], {"item": {"x": 1}}, "Box"),
        (Tree, {"children": [{}]}, "Tree"),
        (list[Tree], [{"children": [{}]}], "list"),
        (WithDefault, {}, "WithDefault"),
        (WithValidator, {"customer": 1}, "WithValidator"),
        (WithModelValidator, {}, "WithModelValidator"),
        (WithConstructor, {}, "WithConstructor"),
        (ReadsItself, {}, "ReadsItself"),
        (OptionalOrder, {}, "OptionalOrder"),
        (OptionalOrder, {"customer": None}, "OptionalOrder"),
        (MadeOrder, {}, "MadeOrder"),
        (list[MadeOrder], [{}], "list"),
        (NullableOrder, {"customer": None}, "NullableOrder"),
        (OptionalDict, {}, "dict"),
        (OptionalStruct, {}, "OptionalStruct"),
        (Node, {"next": {"next": None}}, "Node"),
        (Box[int], {"item": 1}, "Box"),
        (Box, {"item": {"a": 1}}, "Box"),
        (Loose, {"anything": {"a": 1}, "other": [1], "more": [None]}, "Loose"),
        (dict[str, object], {"a": 1}, "dict"),
        (list[Any], [1, "a"], "list"),
        (dict[str, Any], {"a": None}, "dict"),
        (dict, {"a": 1}, "dict"),
        (list, [1], "list"),
    ],
)
def test_a_body_that_can_be_read_is_taken(annotation: Any, sent: Any, given: str) -> None:
    with add(annotation).test() as client:
        response = client.post("/", json=sent)
        assert (response.status, response.text) == (200, given)


@pytest.mark.parametrize("annotation", [OptionalOrder, MadeOrder, NullableOrder, OptionalDict, OptionalStruct])
def test_a_client_that_gives_what_cannot_be_read_is_told(annotation: Any) -> None:
    with add(annotation).test() as client:
        response = client.post("/", json={"customer": {"name": "x"}})
        assert response.status == 422
        [error] = response.json()["errors"]
        assert (error["in"], error["name"], error["wanted"]) == (
            "body",
            "customer",
            "nothing: Customer cannot be read from JSON",
        )


def test_a_list_of_what_the_graph_provides_is_no_body() -> None:
    with add(list[Customer], App(provide(Customer))).test() as client:
        assert client.post("/").text == "list"


def test_names_that_are_defined_later_are_waited_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "defined_later.py").write_text(
        "from dataclasses import dataclass\n"
        "from hostloop import App\n"
        "app = App()\n"
        "@dataclass\n"
        "class Outer:\n"
        "    inner: 'Inner'\n"
        "@app.post('/')\n"
        "async def handler(body: Outer) -> int:\n"
        "    return body.inner.x\n"
        "@dataclass\n"
        "class Inner:\n"
        "    x: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import defined_later  # type: ignore[import-not-found]

    try:
        with defined_later.app.test() as client:
            assert client.post("/", json={"inner": {"x": 3}}).json() == 3
    finally:
        del sys.modules["defined_later"]


@pytest.mark.parametrize("make", [lambda: App().post("/"), lambda: App().route("/", ["PUT"])])
def test_bytes_are_given_as_they_came(make: Callable[[], Any]) -> None:
    async def handler(body: bytes) -> None: ...

    assert make()(handler) is handler
