"""The schema is compared with botocore's model of ConverseStream and with botocore's validator."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import botocore.session
from botocore.model import Shape as BotocoreShape
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.validation import schema_types as types
from llmmanager.bedrock.validation.converse_schema import CONVERSE_STREAM_REQUEST
from llmmanager.bedrock.validation.request_validation import validate_request

REQUEST = (
    botocore.session.Session()
    .get_service_model("bedrock-runtime")
    .operation_model("ConverseStream")
    .input_shape
)


# --- The table itself ------------------------------------------------------------------------------------

DELIBERATE = {
    "modelId: required",  # the target supplies it
    "messages: required",
    "messages: low",
    "messages[].content: low",
    "modelId: pattern",
    "guardrailConfig.guardrailIdentifier: pattern",
}


def differences(ours: Any, theirs: BotocoreShape, path: str = "") -> Iterator[str]:
    """Yield every difference between a type of our schema and a shape of botocore."""
    facts = theirs.metadata
    match ours:
        case types.Struct() | types.Union():
            assert theirs.type_name == "structure", path
            if isinstance(ours, types.Union) is not bool(facts.get("union")):
                yield f"{path}: union"
            if set(ours.members) != set(theirs.members):
                yield f"{path}: members"
            required = set(getattr(ours, "required", ())) ^ set(theirs.required_members)
            yield from (f"{path}.{name}".lstrip(".") + ": required" for name in sorted(required))
            for name in ours.members.keys() & theirs.members.keys():
                yield from differences(ours.members[name], theirs.members[name], f"{path}.{name}".lstrip("."))
        case types.ListOf():
            assert theirs.type_name == "list", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
            yield from differences(ours.item, theirs.member, f"{path}[]")
        case types.MapOf():
            assert theirs.type_name == "map", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
            yield from differences(ours.key, theirs.key, f"{path}{{key}}")
            yield from differences(ours.value, theirs.value, f"{path}{{}}")
        case types.Choice():
            if list(ours.values) != list(theirs.enum):
                yield f"{path}: values"
        case types.Text():
            assert theirs.type_name == "string", path
            if theirs.enum:
                yield f"{path}: values"
            if (ours.pattern is None) is not ("pattern" not in facts):
                yield f"{path}: pattern"
            yield from _range_differences(ours.low, ours.high, theirs, path)
        case types.Integer():
            assert theirs.type_name == "integer", path
            yield from _range_differences(ours.low, facts.get("max"), theirs, path)
        case types.Number():
            assert theirs.type_name == "float", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
        case types.Blob():
            assert theirs.type_name == "blob", path
            yield from _range_differences(ours.low, facts.get("max"), theirs, path)
        case types.JsonObject():
            assert theirs.is_document_type, path
        case types.Flag():
            assert theirs.type_name == "boolean", path
        case _:
            raise AssertionError(f"{path}: {ours!r} is compared with nothing")


def _range_differences(low: float, high: float | None, theirs: BotocoreShape, path: str) -> Iterator[str]:
    if low != theirs.metadata.get("min", 0):
        yield f"{path}: low"
    if high != theirs.metadata.get("max"):
        yield f"{path}: high"


def test_the_schema_differs_from_botocore_only_where_intended() -> None:
    assert set(differences(CONVERSE_STREAM_REQUEST, REQUEST)) == DELIBERATE


# --- Requests generated from botocore's shapes -----------------------------------------------------------

TEXTS = st.text("aZ9 é-/", max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SIMPLE_PATTERN = {"guardrailIdentifier": "[a-z0-9]+"}


def from_shape(shape: BotocoreShape, name: str = "") -> st.SearchStrategy[Any]:
    """Return a strategy for values of a shape of botocore, including patterns."""
    facts = shape.metadata
    low, high = facts.get("min", 0), facts.get("max")
    match shape.type_name:
        case "structure" if shape.is_document_type:
            return st.dictionaries(TEXTS, JSON, max_size=3)
        case "structure":
            members = {key: from_shape(member, key) for key, member in shape.members.items()}
            if facts.get("union"):
                return st.one_of(st.fixed_dictionaries({key: member}) for key, member in members.items())
            required = {key: members.pop(key) for key in shape.required_members}
            return st.fixed_dictionaries(required, optional=members)
        case "list":
            return st.lists(from_shape(shape.member), min_size=low, max_size=3)
        case "map":
            keys, values = from_shape(shape.key), from_shape(shape.value)
            return st.dictionaries(keys, values, min_size=low, max_size=3)
        case "string" if shape.enum:
            return st.sampled_from(shape.enum)
        case "string" if "pattern" in facts:
            pattern = re.compile(SIMPLE_PATTERN.get(name, facts["pattern"]), re.ASCII)
            matching = st.from_regex(pattern, fullmatch=True)
            return matching.filter(lambda text: low <= len(text) <= (high or 1000))
        case "string":
            return st.text("aZ9 é-/", min_size=low, max_size=min(high or 12, 12))
        case "integer":
            return st.integers(low, 2**31 - 1)
        case "float":
            return st.floats(low, high) | st.sampled_from([low, high, Decimal("0.5")])
        case "boolean":
            return st.booleans()
        case "blob":
            return st.binary(min_size=low, max_size=9) | st.binary(min_size=low, max_size=9).map(bytearray)
    raise AssertionError(shape.type_name)


TOOL_CONFIG = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}


def make_valid(request: dict[str, Any]) -> dict[str, Any]:
    """Change the conversation of a request with valid shapes into one that Bedrock accepts."""
    left = {"image": 20, "document": 5, "video": 1}
    tool_use_ids: list[str] = []
    for turn in request["messages"]:
        blocks = _within_limits(turn["content"], left)
        if turn["role"] == "assistant":
            blocks = [block for block in blocks if block.keys().isdisjoint({"image", "document"})]
            blocks = _with_distinct_uses(blocks)
            tool_use_ids = [use["toolUseId"] for use in _values(blocks, "toolUse") if "type" not in use]
        else:
            blocks = [_without_blank_text(block) for block in blocks]
            results = [block for block in blocks if "toolResult" in block]
            blocks = [block for block in blocks if "toolResult" not in block]
            blocks += [_answer(id_, results) for id_ in tool_use_ids]
        turn["content"] = [*blocks, {"text": "so it is"}]
        if _values(turn["content"], "toolUse") or _values(turn["content"], "toolResult"):
            request.setdefault("toolConfig", TOOL_CONFIG)
    return request


def _values(blocks: list[dict[str, Any]], kind: str) -> list[Any]:
    return [block[kind] for block in blocks if kind in block]


def _within_limits(blocks: list[dict[str, Any]], left: dict[str, int]) -> list[dict[str, Any]]:
    kept = []
    for block in blocks:
        ((kind, value),) = block.items()
        if kind == "toolResult":
            value["content"] = _within_limits(value["content"], left)
        if kind in left:
            left[kind] -= 1
        if left.get(kind, 0) >= 0:
            kept.append(block)
    return kept


def _with_distinct_uses(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for number, use in enumerate(_values(blocks, "toolUse")):
        use["toolUseId"] = f"{number}{use['toolUseId']}"[:64]
    return blocks


def _without_blank_text(block: dict[str, Any]) -> dict[str, Any]:
    return {"text": "not blank"} if block.get("text", "not blank").strip() == "" else block


def _answer(id_: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a tool result for the tool use with this id, a generated one if any is left."""
    result = results.pop()["toolResult"] if results else {"content": []}
    return {"toolResult": {**result, "toolUseId": id_}}


ANY_CONTENT = from_shape(REQUEST.members["messages"].member.members["content"])


def conversations(length: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    roles = ("user", "assistant", "user")[:length]
    return st.tuples(
        *(st.fixed_dictionaries({"role": st.just(role), "content": ANY_CONTENT}) for role in roles)
    ).map(list)


VALID_REQUESTS = st.fixed_dictionaries(
    {"messages": st.integers(1, 3).flatmap(conversations)},
    optional={
        name: from_shape(member, name)
        for name, member in REQUEST.members.items()
        if name not in ("modelId", "messages")
    },
).map(make_valid)


def problems_of_botocore(request: Any) -> list[str]:
    """Return the problems that botocore's validator reports, except for unknown members."""
    report = ParamValidator().validate({"modelId": "amazon.nova-lite-v1:0", **request}, REQUEST)
    lines = report.generate_report().splitlines()
    return [line for line in lines if not line.startswith("Unknown parameter in ")]


@given(VALID_REQUESTS)
def test_a_request_generated_from_botocores_shapes_is_valid_for_both(request_: dict[str, Any]) -> None:
    assert problems_of_botocore(request_) == []
    assert validate_request(request_, stream=True) == []


# --- The same requests, made invalid ---------------------------------------------------------------------

JUNK = st.one_of(
    st.sampled_from([None, True, -1, 0, 7, 1.5, 10**12, "", "x", b"", b"x", Decimal("-1")]),
    st.sampled_from([(), ("x",), {3}, range(2), object()]),
    st.builds(list) | st.builds(dict) | st.builds(lambda: [None]) | st.builds(lambda: {"text": "x"}),
    st.builds(lambda: {1: 2}) | st.builds(lambda: {"x": [object()]}),
)


def positions(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every pair of container and key in a request."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in entries:
        yield value, key
        yield from positions(item)


@st.composite
def changed_requests(draw: st.DrawFn) -> dict[str, Any]:
    """Return a valid request with one value replaced, removed or added."""
    request: dict[str, Any] = copy.deepcopy(draw(VALID_REQUESTS))
    container, key = draw(st.sampled_from(list(positions(request))))
    match draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            container[key] = draw(JUNK)
        case "remove":
            del container[key]
        case "add" if isinstance(container, dict):
            container[draw(st.sampled_from(["text", "image", "bytes", "json", "format", "x"]))] = draw(JUNK)
        case "add":
            container.insert(key, draw(JUNK))
    return request


@given(changed_requests())
def test_a_request_that_botocore_rejects_is_rejected(request_: dict[str, Any]) -> None:
    expected = problems_of_botocore(request_)
    if expected:
        assert validate_request(request_, stream=True), expected


@given(changed_requests())
def test_a_request_is_not_changed(request_: dict[str, Any]) -> None:
    def snapshot(value: Any) -> Any:
        if isinstance(value, dict):
            return [(key, snapshot(item)) for key, item in value.items()]
        return [snapshot(item) for item in value] if isinstance(value, list) else (id(value), repr(value))

    before = snapshot(request_)
    validate_request(request_)
    assert snapshot(request_) == before
