"""Service tiers: which models offer them, refusals of flex, and bills by tier."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.testing import Answer, FakeBedrock, FakeCatalog, Fault
from llmmanager.testing.answers import counted

FLEX = {"type": "flex"}


def test_an_answer_is_billed_in_the_tier_that_was_asked_for(bedrock: FakeBedrock, send_prompt: Any) -> None:
    answer = send_prompt(serviceTier=FLEX)
    send_prompt()
    send_prompt(serviceTier={"type": "default"})
    rows = {row.service_tier: row for row in bedrock.usage()}
    assert {tier: row.answers for tier, row in rows.items()} == {"flex": 1, "default": 2}
    assert rows["flex"].billed.output_tokens == answer["usage"]["outputTokens"]


def test_another_tier_can_serve_and_bill_an_answer(catalog: FakeCatalog) -> None:
    served = counted(Answer(({"text": "Hello"},), service_tier="default"))
    with FakeBedrock(catalog, responder=lambda call: served) as bedrock:
        answer = bedrock.client().converse(
            modelId="acme.talk-v1:0",
            messages=[{"role": "user", "content": [{"text": "Hi"}]}],
            serviceTier=FLEX,
        )
        assert answer["serviceTier"] == {"type": "default"}
        assert [row.service_tier for row in bedrock.usage() if row.answers] == ["default"]
        assert bedrock.calls[0].service_tier == "flex"


@pytest.mark.parametrize(
    ("model", "tier", "message"),
    [
        ("acme.strict", "flex", "The provided service tier is not supported for this model"),
        ("acme.talk-v1:0", "reserved", "Reservation not found."),
    ],
)
def test_a_model_rejects_a_tier_that_it_does_not_offer(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, model: str, tier: str, message: str
) -> None:
    code, status, answered = error_of(send_prompt, modelId=model, serviceTier={"type": tier})
    assert (code, status, answered) == ("ValidationException", 400, message)
    assert bedrock.usage() == ()


def test_flex_is_refused_alone(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", service_tier="flex", count=2))
    for _ in range(2):
        assert error_of(send_prompt, serviceTier=FLEX)[0] == "ThrottlingException"
        send_prompt()
        send_prompt(serviceTier={"type": "priority"})
    assert send_prompt(serviceTier=FLEX)["serviceTier"] == FLEX


def test_a_rule_for_the_default_tier_applies_without_a_tier_in_the_request(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", service_tier="default"))
    assert error_of(send_prompt)[0] == "ThrottlingException"
    send_prompt(serviceTier=FLEX)


def test_aws_models_offer_flex_and_batch_jobs_as_they_do_in_aws() -> None:
    models = FakeCatalog.bundled().models
    offers = {
        name: (models[name].batch, tuple(models[name].service_tiers))
        for name in (
            "amazon.nova-pro-v1:0",
            "amazon.nova-lite-v1:0",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic.claude-sonnet-5",
            "openai.gpt-oss-20b-1:0",
        )
    }
    assert offers == {
        "amazon.nova-pro-v1:0": (True, ("flex", "priority")),
        "amazon.nova-lite-v1:0": (True, ()),
        "anthropic.claude-haiku-4-5-20251001-v1:0": (True, ()),
        "anthropic.claude-sonnet-5": (False, ()),
        "openai.gpt-oss-20b-1:0": (True, ("flex", "priority")),
    }
