"""Whatever is passed in, a list of sentences comes out, soon, and the input stays as it was."""

from __future__ import annotations

import tracemalloc
from collections import UserDict, defaultdict
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.models.llm_manager_constants import ConverseAPIFields
from llmmanager.bedrock.validation.request_validation import validate_request

NAMES = st.sampled_from(sorted(word for name, word in vars(ConverseAPIFields).items() if name.isupper()))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.sampled_from(["user", "assistant", "png", object(), object, len, NotImplemented, Decimal("sNaN")]),
    st.builds(memoryview, st.binary()),
)
KEYS = st.one_of(NAMES, st.text(), st.integers(), st.none(), st.tuples(st.text()))
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(NAMES, inner).map(MappingProxyType)
        | st.dictionaries(NAMES, inner).map(UserDict)
        | st.frozensets(st.integers())
    ),
    max_leaves=30,
)


def assert_sentences(problems: Any) -> None:
    assert type(problems) is list
    for problem in problems:
        assert type(problem) is str
        assert problem.isprintable()
        path, _, says = problem.partition(": ")
        assert path
        assert says


@given(ANYTHING, st.booleans())
def test_any_value_gets_a_list_of_problems(value: Any, stream: bool) -> None:
    assert_sentences(validate_request(value, stream=stream))


@given(st.dictionaries(NAMES, ANYTHING))
def test_any_value_in_a_known_field_gets_a_list_of_problems(request_: dict[str, Any]) -> None:
    assert_sentences(validate_request(request_))


@given(ANYTHING)
def test_any_value_in_a_content_block_gets_a_list_of_problems(value: Any) -> None:
    for kind in ("text", "image", "document", "toolUse", "toolResult", "guardContent", "citationsContent"):
        block = {kind: value}
        result = {"toolResult": {"toolUseId": "1", "content": [block]}}
        assert_sentences(validate_request({"messages": [{"role": "user", "content": [block, result]}]}))


@given(st.dictionaries(NAMES, ANYTHING))
def test_only_plain_dicts_are_accepted_below_the_request(fields: dict[str, Any]) -> None:
    assert validate_request(MappingProxyType(fields)) == validate_request(fields)
    (problem,) = validate_request(
        {"messages": [MappingProxyType({"role": "user", "content": [{"text": "a"}]})]},
    )
    assert problem == "messages[0]: must be a dict with role and content (got mappingproxy)"


class Hostile:
    """Raises whenever it is looked at more closely."""

    def _reject(self, *_: Any) -> Any:
        raise ZeroDivisionError("leave me alone")

    __class__ = property(_reject)
    __eq__ = __len__ = __iter__ = __repr__ = __str__ = __bool__ = _reject

    def __hash__(self) -> int:
        return 1


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise ZeroDivisionError("leave me alone")


class HostileList(list[Any]):
    def __iter__(self) -> Any:
        raise ZeroDivisionError("leave me alone")


SOUND = {"messages": [{"role": "user", "content": [{"text": "a"}]}]}


@pytest.mark.parametrize("hostile_class", [Hostile, HostileDict, HostileList])
def test_an_object_that_raises_is_a_problem_and_not_an_exception(hostile_class: type) -> None:
    hostile = hostile_class() if hostile_class is Hostile else hostile_class({"a": 1})
    for request_ in (
        hostile,
        SOUND | {"messages": hostile},
        SOUND | {"additionalModelRequestFields": hostile},
        SOUND | {"additionalModelRequestFields": {"a": [hostile]}},
    ):
        problems = validate_request(request_)
        assert problems
        assert_sentences(problems)


def test_problems_found_before_an_object_raises_are_returned() -> None:
    problems = validate_request(
        {"messages": [], "inferenceConfig": HostileDict(maxTokens=0)},
    )
    assert problems == [
        "messages: must be a list of 1 or more messages (got 0)",
        "request: must be plain data (reading it raised ZeroDivisionError)",
    ]


def test_a_document_that_contains_itself_is_a_problem() -> None:
    fields: dict[str, Any] = {"list": [1]}
    fields["list"].append(fields)
    assert validate_request(SOUND | {"additionalModelRequestFields": fields}) == [
        "additionalModelRequestFields.list[1]: must not contain itself"
    ]


def test_messages_that_contain_themselves_are_a_problem() -> None:
    messages: list[Any] = []
    messages.append({"role": "user", "content": messages})
    assert_sentences(validate_request({"messages": messages}))


def test_a_value_used_twice_is_valid() -> None:
    shared = {"type": "string"}
    assert validate_request(SOUND | {"additionalModelRequestFields": {"a": shared, "b": [shared]}}) == []


def test_each_shared_part_of_a_document_is_visited_once() -> None:
    value: Any = ["leaf"]
    for _ in range(90):
        value = [value, value]
    assert validate_request(SOUND | {"additionalModelRequestFields": {"a": value}}) == []


@pytest.mark.parametrize(("depth", "sound"), [(100, True), (101, False), (100_000, False)])
def test_a_document_may_be_a_hundred_levels_deep(depth: int, sound: bool) -> None:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    problems = validate_request(SOUND | {"additionalModelRequestFields": value})
    assert [problem.partition(": ")[2] for problem in problems] == (
        [] if sound else ["must be nested at most 100 levels deep"]
    )


def test_a_default_dict_gets_no_new_keys() -> None:
    request_ = defaultdict(list, SOUND)
    request_["inferenceConfig"] = defaultdict(int)
    assert validate_request(request_) == []
    assert list(request_) == ["messages", "inferenceConfig"]
    assert request_["inferenceConfig"] == {}


def test_large_files_are_not_copied() -> None:
    files = [bytes(3_000_000), bytearray(3_000_000), memoryview(bytes(3_000_000))]
    blocks = [{"image": {"format": "png", "source": {"bytes": data}}} for data in files]
    request_ = {"messages": [{"role": "user", "content": [{"text": "x" * 3_000_000}, *blocks]}]}
    tracemalloc.start()
    try:
        assert validate_request(request_) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
