"""`max_cost_multiple`: how much more than the first model a fallback may cost."""

from __future__ import annotations

import pytest

from llmmanager import ConfigurationError, LLMManager, RetryConfig, RetryExhaustedError
from llmmanager.testing import FakeBedrock, Fault

MICRO, LITE, PRO = "amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"


def throttle(bedrock: FakeBedrock, *models: str) -> None:
    for model in models:
        bedrock.add_fault(Fault(error="ThrottlingException", model=model))


def test_a_dearer_model_is_used_without_a_limit(fake_bedrock, make_manager, ask) -> None:
    throttle(fake_bedrock, LITE)
    assert make_manager(("Nova Lite", "Nova Pro")).converse(ask).model_used == PRO


def test_a_model_beyond_the_limit_is_not_called(fake_bedrock, make_manager, ask) -> None:
    throttle(fake_bedrock, LITE)
    manager = make_manager(("Nova Lite", "Nova Pro"), retry={"max_cost_multiple": 5})
    with pytest.raises(RetryExhaustedError) as raised:
        manager.converse(ask)
    assert {call.model_id for call in fake_bedrock.calls} == {LITE}
    assert f"left out by max_cost_multiple: {PRO} (may cost 13" in str(raised.value)


def test_models_within_the_limit_are_used_whatever_their_place(fake_bedrock, make_manager, ask) -> None:
    throttle(fake_bedrock, LITE)
    models = ("Nova Lite", "Nova Pro", "Nova Micro")
    response = make_manager(models, retry={"max_cost_multiple": 1}).converse(ask)
    assert response.model_used == MICRO
    assert {call.model_id for call in fake_bedrock.calls} == {LITE, MICRO}


@pytest.mark.parametrize(("max_tokens", "is_used"), [(1, False), (500, True)])
def test_the_limit_depends_on_what_the_request_may_cost(
    fake_bedrock, make_manager, max_tokens: int, is_used: bool
) -> None:
    throttle(fake_bedrock, LITE)
    # Its input costs more than that of Nova Lite, its output less.
    ministral = "mistral.ministral-3-8b-instruct"
    manager = make_manager(("Nova Lite", ministral), retry={"max_cost_multiple": 1})
    ask = [{"role": "user", "content": [{"text": "How deep is the lake? " * 20}]}]
    try:
        answered_by = manager.converse(ask, inference_config={"maxTokens": max_tokens}).model_used
    except RetryExhaustedError:
        answered_by = None
    assert (answered_by == ministral) is is_used


def test_a_stream_keeps_to_the_limit(fake_bedrock, make_manager, ask) -> None:
    throttle(fake_bedrock, LITE)
    manager = make_manager(("Nova Lite", "Nova Pro"), retry={"max_cost_multiple": 5})
    with pytest.raises(RetryExhaustedError, match="left out by max_cost_multiple"):
        manager.converse_stream(ask)


def test_a_fallback_without_a_price_is_left_out_with_a_warning(fake_bedrock, make_manager, ask) -> None:
    unpriced = "acme.unpriced-v1:0"
    throttle(fake_bedrock, LITE)
    manager = make_manager(("Nova Lite", unpriced), retry={"max_cost_multiple": 100})
    warning = f"{unpriced!r} has no known price: max_cost_multiple leaves it out"
    assert warning in manager.validate_configuration()["warnings"]
    with pytest.raises(RetryExhaustedError, match=r"acme\.unpriced-v1:0 \(no known price\)") as raised:
        manager.converse(ask)
    assert {attempt.model_id for attempt in raised.value.attempts} == {LITE}


def test_the_first_model_needs_a_price_to_compare_with() -> None:
    with pytest.raises(ConfigurationError, match="put a model with a price first"):
        LLMManager(
            ["acme.unpriced-v1:0", "Nova Lite"],
            ["us-east-1"],
            retry_config=RetryConfig(max_cost_multiple=2),
        )


def test_a_refresh_of_the_catalog_adds_no_model_beyond_the_limit(fake_bedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ResourceNotFoundException", model=LITE))
    manager = make_manager(("Nova Lite", "Nova Pro"), retry={"max_cost_multiple": 5})
    with pytest.raises(RetryExhaustedError, match="left out by max_cost_multiple"):
        manager.converse(ask)
    assert {call.model_id for call in fake_bedrock.calls if call.model_id} == {LITE}
