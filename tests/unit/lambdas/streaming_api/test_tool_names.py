"""Names and ids of tools that Converse accepts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.tool_names import ToolIds, accepted_name, changed_names


@given(st.text(min_size=1, max_size=200))
def test_every_name_becomes_a_name_that_converse_accepts(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", accepted_name(name))
    assert accepted_name(accepted_name(name)) == accepted_name(name)


def test_a_valid_name_is_not_changed() -> None:
    assert accepted_name("get_weather-2") == "get_weather-2"
    assert changed_names(["get_weather"]) == {}


def test_long_names_with_the_same_start_stay_different() -> None:
    names = ["mcp__" + "x" * 80 + end for end in ("a", "b")]
    assert len(changed_names(names)) == 2
    assert list(changed_names(names).values()) == names


@given(st.lists(st.sampled_from(["call_0", "call_1", "a b", "x" * 90]), max_size=8))
def test_each_call_of_a_conversation_gets_an_id_of_its_own(ids: list[str]) -> None:
    tool_ids = ToolIds()
    sent = []
    for id_ in ids:
        sent.append(tool_ids.of_call(id_))
        assert tool_ids.of_result(id_) == sent[-1]
    assert len(set(sent)) == len(sent)
    assert all(re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", id_) for id_ in sent)


@pytest.mark.parametrize("id_", ["call_0", "é"])
def test_a_long_conversation_may_use_one_id_for_all_calls(id_: str) -> None:
    tool_ids = ToolIds()
    assert len({tool_ids.of_call(id_) for _ in range(20_000)}) == 20_000


def test_results_belong_to_the_calls_with_the_same_id_in_their_order() -> None:
    tool_ids = ToolIds()
    for _ in range(2):
        calls = [tool_ids.of_call("") for _ in range(2)]
        assert [tool_ids.of_result("") for _ in range(3)] == [*calls, calls[1]]


@pytest.mark.parametrize("id_", ["toolu_01.a:b", "call_1"])
def test_a_valid_id_is_not_changed(id_: str) -> None:
    assert ToolIds().of_call(id_) == id_
    assert ToolIds().of_result(id_) == id_
