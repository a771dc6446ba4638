"""The shapes are Bedrock's: held against botocore's model of ConverseStream and against its validator."""

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

from llmmanager.bedrock.invocation import request_vocabulary as words
from llmmanager.bedrock.invocation.request_shapes import CONVERSE_STREAM_REQUEST
from llmmanager.bedrock.invocation.request_validation import validate_request

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
    """Every respect in which a shape of ours is not botocore's."""
    facts = theirs.metadata
    match ours:
        case words.Struct() | words.Union():
            assert theirs.type_name == "structure", path
            if isinstance(ours, words.Union) is not bool(facts.get("union")):
                yield f"{path}: union"
            if set(ours.members) != set(theirs.members):
                yield f"{path}: members"
            required = set(getattr(ours, "required", ())) ^ set(theirs.required_members)
            yield from (f"{path}.{name}".lstrip(".") + ": required" for name in sorted(required))
            for name in ours.members.keys() & theirs.members.keys():
                yield from differences(ours.members[name], theirs.members[name], f"{path}.{name}".lstrip("."))
        case words.ListOf():
            assert theirs.type_name == "list", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
            yield from differences(ours.item, theirs.member, f"{path}[]")
        case words.MapOf():
            assert theirs.type_name == "map", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
            yield from differences(ours.key, theirs.key, f"{path}{{key}}")
            yield from differences(ours.value, theirs.value, f"{path}{{}}")
        case words.Choice():
            if list(ours.values) != list(theirs.enum):
                yield f"{path}: values"
        case words.Text():
            assert theirs.type_name == "string", path
            if theirs.enum:
                yield f"{path}: values"
            if (ours.pattern is None) is not ("pattern" not in facts):
                yield f"{path}: pattern"
            yield from _range_differences(ours.low, ours.high, theirs, path)
        case words.Integer():
            assert theirs.type_name == "integer", path
            yield from _range_differences(ours.low, facts.get("max"), theirs, path)
        case words.Number():
            assert theirs.type_name == "float", path
            yield from _range_differences(ours.low, ours.high, theirs, path)
        case words.Blob():
            assert theirs.type_name == "blob", path
            yield from _range_differences(ours.low, facts.get("max"), theirs, path)
        case words.JsonObject():
            assert theirs.is_document_type, path
        case words.Flag():
            assert theirs.type_name == "boolean", path
        case _:
            raise AssertionError(f"{path}: {ours!r} is compared with nothing")


def _range_differences(low: float, high: float | None, theirs: BotocoreShape, path: str) -> Iterator[str]:
    if low != theirs.metadata.get("min", 0):
        yield f"{path}: low"
    if high != theirs.metadata.get("max"):
        yield f"{path}: high"


def test_the_shapes_differ_from_botocores_only_where_it_is_meant() -> None:
    assert set(differences(CONVERSE_STREAM_REQUEST, REQUEST)) == DELIBERATE


# --- Requests made from botocore's shapes ----------------------------------------------------------------

TEXTS = st.text("aZ9 é-/", max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SIMPLE_PATTERN = {"guardrailIdentifier": "[a-z0-9]+"}


def from_shape(shape: BotocoreShape, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a shape as botocore describes it, patterns included."""
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


def abide(request: dict[str, Any]) -> dict[str, Any]:
    """Make the conversation of a request that has the right shapes one that Bedrock accepts."""
    left = {"image": 20, "document": 5, "video": 1}
    asked: list[str] = []
    for turn in request["messages"]:
        blocks = _within_limits(turn["content"], left)
        if turn["role"] == "assistant":
            blocks = [block for block in blocks if block.keys().isdisjoint({"image", "document"})]
            blocks = _with_distinct_uses(blocks)
            asked = [use["toolUseId"] for use in _values(blocks, "toolUse") if "type" not in use]
        else:
            blocks = [_said(block) for block in blocks]
            results = [block for block in blocks if "toolResult" in block]
            blocks = [block for block in blocks if "toolResult" not in block]
            blocks += [_answer(id_, results) for id_ in asked]
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


def _said(block: dict[str, Any]) -> dict[str, Any]:
    return {"text": "said"} if block.get("text", "said").strip() == "" else block


def _answer(id_: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    """A generated tool result, where there is one left, for the tool use of this id."""
    result = results.pop()["toolResult"] if results else {"content": []}
    return {"toolResult": {**result, "toolUseId": id_}}


ANY_CONTENT = from_shape(REQUEST.members["messages"].member.members["content"])


def conversations(length: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    roles = ("user", "assistant", "user")[:length]
    return st.tuples(
        *(st.fixed_dictionaries({"role": st.just(role), "content": ANY_CONTENT}) for role in roles)
    ).map(list)


SOUND_REQUESTS = st.fixed_dictionaries(
    {"messages": st.integers(1, 3).flatmap(conversations)},
    optional={
        name: from_shape(member, name)
        for name, member in REQUEST.members.items()
        if name not in ("modelId", "messages")
    },
).map(abide)


def refused_by_botocore(request: Any) -> list[str]:
    """What botocore's validator says, but for members that are merely new to it."""
    report = ParamValidator().validate({"modelId": "amazon.nova-lite-v1:0", **request}, REQUEST)
    said = report.generate_report().splitlines()
    return [line for line in said if not line.startswith("Unknown parameter in ")]


@given(SOUND_REQUESTS)
def test_a_request_made_from_botocores_shapes_is_sound_to_both(request_: dict[str, Any]) -> None:
    assert refused_by_botocore(request_) == []
    assert validate_request(request_, stream=True) == []


# --- The same requests, spoilt ---------------------------------------------------------------------------

JUNK = st.one_of(
    st.sampled_from([None, True, -1, 0, 7, 1.5, 10**12, "", "x", b"", b"x", Decimal("-1")]),
    st.sampled_from([(), ("x",), {3}, range(2), object()]),
    st.builds(list) | st.builds(dict) | st.builds(lambda: [None]) | st.builds(lambda: {"text": "x"}),
    st.builds(lambda: {1: 2}) | st.builds(lambda: {"x": [object()]}),
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a request."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in entries:
        yield value, key
        yield from places(item)


@st.composite
def spoilt_requests(draw: st.DrawFn) -> dict[str, Any]:
    """A sound request with one thing in it replaced, taken away or added."""
    request: dict[str, Any] = copy.deepcopy(draw(SOUND_REQUESTS))
    container, key = draw(st.sampled_from(list(places(request))))
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


@given(spoilt_requests())
def test_what_botocore_refuses_is_refused(request_: dict[str, Any]) -> None:
    refusal = refused_by_botocore(request_)
    if refusal:
        assert validate_request(request_, stream=True), refusal


@given(spoilt_requests())
def test_a_request_sound_or_not_is_left_as_it_was(request_: dict[str, Any]) -> None:
    def picture(value: Any) -> Any:
        if isinstance(value, dict):
            return [(key, picture(item)) for key, item in value.items()]
        return [picture(item) for item in value] if isinstance(value, list) else (id(value), repr(value))

    before = picture(request_)
    validate_request(request_)
    assert picture(request_) == before
