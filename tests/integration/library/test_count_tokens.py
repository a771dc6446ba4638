"""LLMManager.count_tokens, against FakeBedrock."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import ConfigurationError, InputTokenCount, RequestValidationError
from llmmanager.testing import FakeBedrock, Fault
from tests.integration.library.conftest import MakeManager

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "amazon.nova-lite-v1:0"
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}


def test_bedrock_counts_messages_system_and_tools_for_the_first_model(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, ask: Any
) -> None:
    manager = make_manager(("Claude Haiku 4.5", "Nova Lite"))
    short = manager.count_tokens(ask)
    assert short == InputTokenCount(short.input_tokens, is_estimate=False, model=HAIKU)
    assert manager.count_tokens(ask, [{"text": "Be brief."}], TOOLS).input_tokens > short.input_tokens
    assert {call.operation for call in fake_bedrock.calls} == {"CountTokens"}
    assert set(fake_bedrock.calls[1].body["input"]["converse"]) == {"messages", "system", "toolConfig"}


def test_a_string_is_one_user_message(make_manager: MakeManager, ask: Any) -> None:
    manager = make_manager(("Claude Haiku 4.5",))
    assert manager.count_tokens(ask[0]["content"][0]["text"]) == manager.count_tokens(ask)


def test_fields_that_botocore_does_not_know_and_any_kind_of_bytes_are_counted(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, ask: Any
) -> None:
    image = {"format": "png", "source": {"bytes": memoryview(b"image")}, "newField": {"a": 1}}
    ask[0]["content"].append({"image": image})
    assert not make_manager(("Claude Haiku 4.5",)).count_tokens(ask).is_estimate
    sent = fake_bedrock.calls[0].body["input"]["converse"]["messages"][0]["content"][-1]["image"]
    assert sent == {**image, "source": {"bytes": "aW1hZ2U="}}


@pytest.mark.parametrize("name", ["Nova Lite", NOVA, f"us.{NOVA}"])
def test_another_model_of_the_manager_can_be_chosen_by_any_of_its_names(
    make_manager: MakeManager, ask: Any, name: str
) -> None:
    counted = make_manager(("Claude Haiku 4.5", "Nova Lite")).count_tokens(ask, model=name)
    assert (counted.model, counted.is_estimate) == (NOVA, True)
    assert "doesn't support counting tokens" in str(counted.reason)


@pytest.mark.parametrize("name", ["Claude Haiku 4.5", "no such model"])
def test_a_model_that_is_not_the_managers_is_an_error(make_manager: MakeManager, ask: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match="model"):
        make_manager().count_tokens(ask, model=name)


def test_a_model_with_profiles_only_is_counted_by_its_own_id(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, ask: Any
) -> None:
    assert not make_manager((f"global.{HAIKU}",)).count_tokens(ask).is_estimate
    assert fake_bedrock.calls[0].invoked_id == HAIKU


def test_every_region_is_asked_before_the_tokens_are_estimated(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, ask: Any
) -> None:
    regions = ("us-east-1", "us-west-2", "us-east-2")
    manager = make_manager(("Claude Haiku 4.5",), regions)
    exact = manager.count_tokens(ask)
    fake_bedrock.reset()
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=2))
    assert manager.count_tokens(ask) == exact
    assert [call.region for call in fake_bedrock.calls] == list(regions)
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    estimate = manager.count_tokens(ask)
    assert estimate.is_estimate
    assert estimate.input_tokens >= exact.input_tokens
    assert str(estimate.reason).startswith("us-east-2: ")


def test_a_region_without_the_permission_is_not_asked_again(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, ask: Any
) -> None:
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    manager = make_manager(("Claude Haiku 4.5",))
    first, second = manager.count_tokens(ask), manager.count_tokens(ask)
    assert first == second
    assert "AccessDeniedException" in str(first.reason)
    assert len(fake_bedrock.calls) == 2


def test_an_invalid_request_is_not_counted(make_manager: MakeManager, fake_bedrock: FakeBedrock) -> None:
    with pytest.raises(RequestValidationError, match="messages"):
        make_manager(("Claude Haiku 4.5",)).count_tokens([{"role": "user", "content": []}])
    assert not fake_bedrock.calls
