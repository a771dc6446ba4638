"""A managed prompt in the place of a model, over the wire."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import BedrockConverseRequest, LLMManager, RequestValidationError
from llmmanager.testing import FakeBedrock

PROMPT = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"
VARIABLES = {"city": {"text": "Lima"}}
FOLLOW_UP = [{"role": "user", "content": [{"text": "And in French?"}]}]


@pytest.mark.parametrize("ask", ["converse", "converse_stream", "converse_with_request"])
def test_a_managed_prompt_is_answered_without_messages(
    fake_bedrock: FakeBedrock, make_manager, ask: str
) -> None:
    manager: LLMManager = make_manager((PROMPT,), ("us-east-1",))
    if ask == "converse_with_request":
        request = BedrockConverseRequest(messages=None, prompt_variables=VARIABLES)
        response: Any = manager.converse_with_request(request)
    else:
        response = getattr(manager, ask)(None, prompt_variables=VARIABLES)
    if ask == "converse_stream":
        assert "".join(response)
    assert response.success
    (call,) = fake_bedrock.calls
    assert call.invoked_id == PROMPT
    assert call.body == {"promptVariables": VARIABLES}


def test_messages_are_sent_after_a_managed_prompt(fake_bedrock: FakeBedrock, make_manager) -> None:
    manager = make_manager((PROMPT,), ("us-east-1",))
    assert manager.converse(FOLLOW_UP, prompt_variables={"city": "Lima"}).success
    assert fake_bedrock.calls[0].body == {"messages": FOLLOW_UP, "promptVariables": VARIABLES}


def test_default_inference_parameters_are_not_sent_to_a_managed_prompt(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager((PROMPT, "Nova Lite"), ("us-east-1",), default_inference_config={"maxTokens": 50})
    assert manager.converse("Hello").success
    fake_bedrock.deny(PROMPT)
    assert manager.converse("Hello").model_used == "amazon.nova-lite-v1:0"
    by_prompt, *_, by_model = fake_bedrock.calls
    assert "inferenceConfig" not in by_prompt.body
    assert by_model.body["inferenceConfig"] == {"maxTokens": 50}


def test_settings_that_a_managed_prompt_defines_itself_are_rejected_before_any_call(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    with pytest.raises(RequestValidationError) as raised:
        make_manager((PROMPT,), ("us-east-1",)).converse(None, inference_config={"maxTokens": 9})
    assert raised.value.invalid_fields == ["inferenceConfig"]
    assert not fake_bedrock.calls


def test_a_model_beside_a_managed_prompt_answers_what_the_prompt_cannot(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager((PROMPT, "Nova Lite"), ("us-east-1",))
    response = manager.converse("Hello", system=[{"text": "Be brief."}])
    assert response.model_used == "amazon.nova-lite-v1:0"
    assert [attempt.model_id for attempt in response.attempts] == ["amazon.nova-lite-v1:0"]
