"""Short forms of what a manager takes: a string for a conversation, any sequence of names, a `with` block."""

from __future__ import annotations

import copy
import pickle
from collections import UserList
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    ConfigurationError,
    LLMManager,
    ParallelLLMManager,
    RequestValidationError,
)
from llmmanager.testing import FakeBedrock
from tests.waiting import wait_until

ONE_USER_TEXT = [{"role": "user", "content": [{"text": "What is the capital of Peru?"}]}]
TEXT = "What is the capital of Peru?"


@pytest.fixture
def manager(make_manager) -> LLMManager:
    manager: LLMManager = make_manager()
    return manager


def test_a_string_is_sent_as_one_text_of_the_user(fake_bedrock: FakeBedrock, manager: LLMManager) -> None:
    assert manager.converse(TEXT).success
    assert "".join(manager.converse_stream(TEXT))
    assert manager.converse_with_request(BedrockConverseRequest(messages=TEXT)).success
    assert [call.body["messages"] for call in fake_bedrock.calls] == [ONE_USER_TEXT] * 3


def test_a_request_keeps_a_string_as_the_message_that_is_sent(
    fake_bedrock: FakeBedrock, make_parallel
) -> None:
    request = BedrockConverseRequest("a", TEXT)
    assert request.messages == ONE_USER_TEXT
    assert request == BedrockConverseRequest("a", ONE_USER_TEXT)
    assert make_parallel().converse_parallel([request]).success
    assert [call.body["messages"] for call in fake_bedrock.calls] == [ONE_USER_TEXT]


def test_a_system_prompt_may_be_a_string(fake_bedrock: FakeBedrock, manager: LLMManager) -> None:
    request = BedrockConverseRequest("a", TEXT, "Be brief.")
    assert request == BedrockConverseRequest("a", TEXT, [{"text": "Be brief."}])
    assert manager.converse(TEXT, "Be brief.").success
    assert manager.converse(TEXT, extra_request_fields={"system": "Be brief."}).success
    assert "".join(manager.converse_stream(TEXT, system="Be brief."))
    assert manager.converse_with_request(request).success
    assert [call.body["system"] for call in fake_bedrock.calls] == [[{"text": "Be brief."}]] * 4
    blocks = manager.count_tokens(TEXT, [{"text": "Be brief."}])
    assert manager.count_tokens(TEXT, "Be brief.") == blocks != manager.count_tokens(TEXT)


def test_an_empty_system_prompt_is_none(fake_bedrock: FakeBedrock, manager: LLMManager) -> None:
    assert manager.converse(TEXT, "").success
    assert manager.converse_with_request(BedrockConverseRequest(messages=TEXT, system="")).success
    assert not any("system" in call.body for call in fake_bedrock.calls)


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_string_is_rejected_before_any_call(
    fake_bedrock: FakeBedrock, manager: LLMManager, blank: str
) -> None:
    with pytest.raises(RequestValidationError) as raised:
        manager.converse(blank)
    assert raised.value.validation_errors == ["messages[0].content[0].text: must not be blank"]
    assert not fake_bedrock.calls


@pytest.mark.parametrize("manager_class", [LLMManager, ParallelLLMManager])
def test_a_with_block_closes_the_manager(fake_bedrock: FakeBedrock, manager_class: Any) -> None:
    with manager_class(["Nova Lite"], ["us-east-1"]) as manager:
        assert manager.converse_with_request(BedrockConverseRequest(messages=TEXT)).success
        assert fake_bedrock._server._connections
    wait_until(lambda: not fake_bedrock._server._connections, "the end of the connections")


@pytest.mark.parametrize("kind", [tuple, UserList])
@pytest.mark.parametrize("manager_class", [LLMManager, ParallelLLMManager])
def test_names_may_stand_in_any_sequence(fake_bedrock: FakeBedrock, manager_class: Any, kind: Any) -> None:
    manager = manager_class(models=kind(["Nova Lite"]), regions=kind(["us-east-1", "us-west-2"]))
    single = manager if manager_class is LLMManager else manager.get_underlying_llm_manager()
    assert single.get_available_models() == ["Nova Lite"]
    assert single.get_available_regions() == ["us-east-1", "us-west-2"]
    response = single.converse_with_request(
        BedrockConverseRequest(messages=TEXT), regions=kind(["us-west-2"])
    )
    assert response.region_used == "us-west-2"
    manager.close()


def test_one_region_of_a_call_as_a_string_is_rejected_with_what_is_accepted(manager: LLMManager) -> None:
    with pytest.raises(ConfigurationError, match=r"us-west-2, as a list or tuple \(got 'us-east-1'\)"):
        manager.converse_with_request(BedrockConverseRequest(messages=TEXT), regions="us-east-1")


@pytest.mark.parametrize("manager_class", [LLMManager, ParallelLLMManager])
@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.deepcopy])
def test_a_manager_that_is_pickled_or_copied_says_what_to_do(
    fake_bedrock: FakeBedrock, manager_class: Any, duplicate: Any
) -> None:
    with (
        manager_class(["Nova Lite"], ["us-east-1"]) as manager,
        pytest.raises(TypeError, match="create one in each process"),
    ):
        duplicate(manager)
