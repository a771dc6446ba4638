"""The TypedDicts of Converse are compared with botocore's model of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NotRequired, get_origin, get_type_hints, is_typeddict

import botocore.session
import pytest
from botocore.model import Shape, StructureShape

from llmmanager.bedrock.models import (
    converse_api_types,
    converse_citation_types,
    converse_stream_types,
    converse_trace_types,
    converse_types,
)

MODULES = (
    converse_api_types,
    converse_citation_types,
    converse_stream_types,
    converse_trace_types,
    converse_types,
)
TYPES = {
    name: value
    for module in MODULES
    for name, value in vars(module).items()
    if is_typeddict(value) and value.__module__ == module.__name__
}
# Other classes have the names of these shapes.
OUR_NAMES = {
    "CacheDetail": "TokenCacheDetail",
    "Citation": "CitationBlock",
    "ConverseRequest": "ConverseRequestBody",
    "ConverseStreamRequest": "ConverseStreamRequestBody",
}
NUMBERS = {"integer": int, "long": int, "float": float, "double": float, "boolean": bool}


def structures(shape: Shape) -> Iterator[StructureShape]:
    """Yield the structures in a shape, each of them once. A JSON document is not a structure."""
    seen, found = set(), [shape]
    while found:
        shape = found.pop()
        if isinstance(shape, StructureShape) and not shape.is_document_type and shape.name not in seen:
            seen.add(shape.name)
            found += shape.members.values()
            yield shape
        elif shape.type_name in ("list", "map"):
            found.append(shape.member if shape.type_name == "list" else shape.value)


MODEL = botocore.session.Session().get_service_model("bedrock-runtime")
SHAPES = {
    OUR_NAMES.get(shape.name, shape.name): shape
    for name in ("Converse", "ConverseStream", "CountTokens")
    for whole in (MODEL.operation_model(name).input_shape, MODEL.operation_model(name).output_shape)
    for shape in structures(whole)
}


def expected(shape: Shape) -> Any:
    """Return the annotation for the values of a shape."""
    kind = shape.type_name
    if kind == "structure":
        return Mapping[str, Any] if shape.is_document_type else TYPES[OUR_NAMES.get(shape.name, shape.name)]
    if kind == "list":
        return Sequence[expected(shape.member)]
    if kind == "map":
        return Mapping[str, expected(shape.value)]
    if kind == "blob":
        return bytes | bytearray | memoryview
    if kind == "string":
        return Literal[tuple(shape.enum)] if shape.enum else str
    return NUMBERS[kind]


def required_members(described: Any) -> set[str]:
    """Return the required members. `__required_keys__` does not know those of annotations that are text."""
    hints = get_type_hints(described, include_extras=True)
    return {
        name for name, hint in hints.items() if described.__total__ and get_origin(hint) is not NotRequired
    }


def test_there_is_a_type_for_each_structure_of_the_service() -> None:
    assert len(TYPES) > 100
    assert sorted(TYPES) == sorted(SHAPES)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_type_has_the_members_of_its_structure(name: str) -> None:
    hints = get_type_hints(TYPES[name])
    assert hints == {member: expected(shape) for member, shape in SHAPES[name].members.items()}
    assert required_members(TYPES[name]) == set(SHAPES[name].required_members)
