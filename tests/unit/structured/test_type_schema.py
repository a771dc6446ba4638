"""Schemas for Python types, and the values that are read with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, TypedDict

import pytest
from pydantic import RootModel

from llmmanager import ConfigurationError
from llmmanager.bedrock.structured.output_schema import InvalidAnswer, output_schema

Number = NewType("Number", int)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass(frozen=True)
class Point:
    """A point."""

    x: float
    y: float = 0.0


class Options(TypedDict, total=False):
    colour: Colour


class Settings(TypedDict):
    name: str
    points: NotRequired[list[Point]]


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list)


@dataclass
class Circle:
    kind: Literal["circle"]
    radius: float


@dataclass
class Square:
    kind: Literal["square"]
    side: float


@dataclass
class Everything:
    text: Annotated[str, "Some text.", {"minLength": 2}]
    number: Number
    share: float
    flag: bool
    nothing: None
    colour: Colour
    level: Level
    kind: Literal["a", 1, None]
    maybe: Optional[Point]  # noqa: UP045
    shape: Circle | Square
    points: tuple[Point, ...]
    names: Sequence[str]
    tags: set[str]
    counts: Mapping[str, list[int]]
    options: Options
    settings: Settings
    tree: Node
    day: date
    moment: datetime
    anything: Any
    computed: int = field(init=False, default=7)
    note: str = "none"


VALUE: dict[str, Any] = {
    "text": "ab",
    "number": 3,
    "share": 1,
    "flag": True,
    "nothing": None,
    "colour": "blue",
    "level": 2,
    "kind": None,
    "maybe": {"x": 1.5},
    "shape": {"kind": "square", "side": 2},
    "points": [{"x": 1, "y": 2}],
    "names": ["a", "b"],
    "tags": ["a", "a"],
    "counts": {"a": [1]},
    "options": {},
    "settings": {"name": "s", "points": [{"x": 0}]},
    "tree": {"value": 1, "children": [{"value": 2}]},
    "day": "2026-01-15",
    "moment": "2026-01-15T09:30:00Z",
    "anything": {"a": [1]},
}


def test_a_value_is_read_with_all_types() -> None:
    assert output_schema(Everything).read(VALUE) == Everything(
        text="ab",
        number=3,
        share=1.0,
        flag=True,
        nothing=None,
        colour=Colour.BLUE,
        level=Level.HIGH,
        kind=None,
        maybe=Point(1.5),
        shape=Square("square", 2.0),
        points=(Point(1.0, 2.0),),
        names=["a", "b"],
        tags={"a"},
        counts={"a": [1]},
        options={},
        settings={"name": "s", "points": [Point(0.0)]},
        tree=Node(1, [Node(2)]),
        day=date(2026, 1, 15),
        moment=datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
        anything={"a": [1]},
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": "a"}, "answer.text: violates minLength or maxLength"),
        ({"number": True}, "answer.number: must be integer"),
        ({"share": 10**400}, "answer: Everything.share: int too large to convert to float"),
        ({"flag": 1}, "answer.flag: must be boolean"),
        ({"colour": "green"}, "answer.colour: must be one of the values of enum"),
        ({"kind": "b"}, "answer.kind: must be one of the values of enum"),
        ({"maybe": {}}, "answer.maybe: matches 0 of the schemas in anyOf"),
        ({"settings": {}}, "answer.settings.name: is missing"),
        ({"counts": {"a": ["1"]}}, "answer.counts.a[0]: must be integer"),
        ({"tree": {"value": 1, "children": [{}]}}, "answer.tree.children[0].value: is missing"),
        ({"computed": 1}, "answer.computed: is not allowed"),
        (
            {"day": "yesterday"},
            "answer: Everything.day: must be a date such as 2026-11-30 (got 'yesterday')",
        ),
    ],
)
def test_an_invalid_value_is_rejected_with_its_path(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        output_schema(Everything).read(VALUE | change)
    assert str(caught.value) == reason


@dataclass
class WithAlternatives:
    when: date | str
    flag: Literal[0, 1, True, False]


@pytest.mark.parametrize(("when", "read"), [("2026-01-15", date(2026, 1, 15)), ("soon", "soon")])
def test_a_value_that_one_type_of_a_union_cannot_convert_is_read_as_the_next(when: str, read: Any) -> None:
    assert output_schema(WithAlternatives).read({"when": when, "flag": 0}).when == read


def test_true_and_one_are_different_values_of_a_literal() -> None:
    schema = output_schema(WithAlternatives)
    for flag in (0, 1, True, False):
        assert schema.read({"when": "", "flag": flag}).flag is flag


def test_the_schema_has_descriptions_limits_and_no_other_properties() -> None:
    schema = output_schema(Everything).schema
    properties = schema["properties"]
    assert properties["text"] == {"type": "string", "description": "Some text.", "minLength": 2}
    assert properties["maybe"]["anyOf"][0] == {
        "type": "object",
        "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
        "required": ["x"],
        "additionalProperties": False,
        "description": "A point.",
    }
    assert properties["settings"]["required"] == ["name"]
    assert properties["options"]["required"] == []
    assert properties["kind"] == {"type": ["string", "integer", "null"], "enum": ["a", 1, None]}
    assert properties["tree"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["additionalProperties"] is False
    assert "computed" not in properties
    assert "note" not in schema["required"]


def test_a_type_can_contain_itself_at_the_top() -> None:
    form = output_schema(Node)
    assert form.schema["type"] == "object"
    assert form.read({"value": 1, "children": [{"value": 2}]}) == Node(1, [Node(2)])


class Numbers(RootModel[list[int]]):
    pass


@dataclass
class WithBytes:
    data: list[bytes]


@dataclass
class WithInitVar:
    name: InitVar[str]


@dataclass
class WithPair:
    pair: tuple[int, str]


@dataclass
class WithNumbersAsKeys:
    names: dict[int, str]


@dataclass
class WithUnknownName:
    other: Missing  # type: ignore[name-defined]  # noqa: F821


@dataclass
class WithInvalidKeyword:
    text: Annotated[str, {"minLength": "2"}]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (WithBytes, r"WithBytes.data\[\] has the type <class 'bytes'>"),
        (WithInitVar, "WithInitVar.name is an InitVar without a default"),
        (WithPair, "WithPair.pair is a tuple of a fixed length"),
        (WithNumbersAsKeys, "WithNumbersAsKeys.names must have str as keys"),
        (WithUnknownName, "the types of WithUnknownName cannot be resolved"),
        (WithInvalidKeyword, "WithInvalidKeyword.properties.text.minLength: must be an integer"),
        (str, "schema must be a dataclass, a TypedDict, a pydantic model, or a JSON schema"),
        (Point(1.0), "schema must be a dataclass"),
        (list[Point], "schema must be a dataclass"),
        (Numbers(root=[1]), "schema must be a dataclass"),
        (Numbers, "Numbers must be a model of an object"),
        ({1: 2}, "schema.1: unsupported keyword"),
        ({"type": "object", "const": float("nan")}, "schema: must be plain JSON"),
        ({"type": "array"}, r'schema.type: must be "object"'),
        ({"type": "object", "patternProperties": {}}, "schema.patternProperties: unsupported keyword"),
    ],
)
def test_an_unsupported_schema_is_rejected_with_its_field(schema: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        output_schema(schema)
