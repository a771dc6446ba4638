"""Every row of the error table, produced by FakeBedrock and seen by what the call does next.

The rows about features are in test_feature_fallback.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import LLMManagerError
from llmmanager.bedrock.routing.decision import Kind, Next
from llmmanager.bedrock.routing.error_table import ANY, RULES, Rule
from llmmanager.testing import FakeBedrock, Fault
from llmmanager.testing.errors import default_status

NOVA_LITE = "amazon.nova-lite-v1:0"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16
# A request with a bit of everything.
EVERYTHING: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "What do these show?"},
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                {"document": {"name": "notes", "format": "txt", "source": {"bytes": b"notes"}}},
                {"cachePoint": {"type": "default"}},
            ],
        }
    ],
    "system": [{"text": "Be brief."}],
    "inference_config": {"maxTokens": 99, "temperature": 0.5, "topP": 0.5},
    "tool_config": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]},
    "guardrail_config": {"guardrailIdentifier": "abc123", "guardrailVersion": "1"},
    "additional_model_request_fields": {"inferenceConfig": {"topK": 5}},
}
ON_DEMAND_EAST, ON_DEMAND_WEST = (NOVA_LITE, "us-east-1"), (NOVA_LITE, "us-west-2")
PROFILE_EAST = (f"us.{NOVA_LITE}", "us-east-1")
OTHER_MODEL = ("amazon.nova-pro-v1:0", "us-east-1")
# What is called after the first target has failed in this way.
FOLLOWED_BY = {
    Next.SAME_TARGET: ON_DEMAND_WEST,
    Next.OTHER_REGION: ON_DEMAND_WEST,
    Next.OTHER_MODEL: OTHER_MODEL,
    Next.OTHER_ACCESS_METHOD: PROFILE_EAST,
}
ROWS = [rule for rule in RULES if rule.decision.next is not Next.DROP_FEATURE]


def name(rule: Rule) -> str:
    return f"{rule.code}-{rule.text or 'default'}"


def called(bedrock: FakeBedrock) -> list[tuple[str, str]]:
    return [(call.invoked_id, call.region) for call in bedrock.calls if call.operation == "Converse"]


@pytest.mark.parametrize("rule", ROWS, ids=name)
def test_the_decision_of_the_row_is_what_happens(fake_bedrock: FakeBedrock, make_manager, rule: Rule) -> None:
    code = "ValidationException" if rule.code == ANY else rule.code
    message = f"Sorry: {rule.text}." if rule.text else "Something else entirely."
    if "isn't" in message:
        message = message.replace("'", "\u2019")
    status = 0 if default_status(code) else 403
    fake_bedrock.add_fault(Fault(error=code, message=message, status=status, count=1))
    manager = make_manager(("Nova Lite", "Nova Pro"))
    decision = rule.decision
    is_expired = decision.kind is Kind.EXPIRED_CREDENTIALS
    if decision.next is Next.GIVE_UP and not is_expired:
        with pytest.raises(LLMManagerError):
            manager.converse(**EVERYTHING)
        assert called(fake_bedrock) == [ON_DEMAND_EAST]
        return
    response = manager.converse(**EVERYTHING)
    expected = ON_DEMAND_EAST if is_expired else FOLLOWED_BY[decision.next]
    assert called(fake_bedrock)[:2] == [ON_DEMAND_EAST, expected]
    assert response.success
    if decision.next is Next.SAME_TARGET:
        only = make_manager(regions=("us-east-1",))
        fake_bedrock.reset()
        fake_bedrock.add_fault(Fault(error=code, message=message, count=1))
        assert only.converse(**EVERYTHING).success
        assert called(fake_bedrock)[:2] == [ON_DEMAND_EAST, ON_DEMAND_EAST]
