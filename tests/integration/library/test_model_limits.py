"""Files that exceed the limits of some of the configured models."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import BedrockConverseRequest, RequestValidationError, RetryExhaustedError
from llmmanager.testing import FakeBedrock

CLAUDE_3 = "anthropic.claude-3-haiku-20240307-v1:0"
HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
REGION = "ca-central-1"
PDF = {"document": {"name": "report", "format": "pdf", "source": {"bytes": bytes(4_500_001)}}}
ASK = [{"role": "user", "content": [{"text": "Sum up the report."}, PDF]}]


@pytest.mark.parametrize("ask", ["converse", "converse_stream"])
def test_a_model_whose_limit_is_exceeded_is_skipped_with_a_warning(
    fake_bedrock: FakeBedrock, make_manager, ask: str
) -> None:
    response = getattr(make_manager((CLAUDE_3, HAIKU_4_5), (REGION,)), ask)(ASK)
    if ask == "converse_stream":
        assert "".join(response)
        response = response.get_response()
    assert response.model_used == HAIKU_4_5
    assert [attempt.model_id for attempt in response.attempts] == [HAIKU_4_5]
    assert [warning for warning in response.warnings if warning.startswith(f"{CLAUDE_3} was skipped: ")]


def test_a_later_request_within_the_limit_is_sent_to_the_model_again(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager((CLAUDE_3, HAIKU_4_5), (REGION,))
    assert manager.converse(ASK).model_used == HAIKU_4_5
    assert manager.converse("Hello").model_used == CLAUDE_3


def test_no_call_is_made_when_every_model_has_the_limit(fake_bedrock: FakeBedrock, make_manager) -> None:
    with pytest.raises(RequestValidationError) as raised:
        make_manager((CLAUDE_3,), (REGION,)).converse(ASK)
    assert raised.value.invalid_fields == ["messages[0].content[1].document.source.bytes"]
    assert not fake_bedrock.calls


def test_no_call_is_made_when_every_model_of_the_calls_regions_has_the_limit(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    manager = make_manager((CLAUDE_3, "Nova Lite"), ("sa-east-1", "us-east-1"))
    request = BedrockConverseRequest(messages=ASK)
    assert manager.converse_with_request(request).model_used == "amazon.nova-lite-v1:0"
    calls = len(fake_bedrock.calls)
    with pytest.raises(RequestValidationError, match=CLAUDE_3):
        manager.converse_with_request(request, regions=["sa-east-1"])
    assert len(fake_bedrock.calls) == calls


def test_a_failed_model_is_not_replaced_by_one_that_was_skipped(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    fake_bedrock.deny(HAIKU_4_5)
    with pytest.raises(RetryExhaustedError):
        make_manager((CLAUDE_3, HAIKU_4_5), (REGION,)).converse(ASK)
    assert {call.model_id for call in fake_bedrock.calls if call.operation == "Converse"} == {HAIKU_4_5}


def image(number: int, *, in_s3: bool = False) -> dict[str, Any]:
    place = {"s3Location": {"uri": f"s3://bucket/{number}.png"}} if in_s3 else {"bytes": b"png"}
    return {"image": {"format": "png", "source": place}}


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        ("Claude Haiku 4.5", [{"document": {**PDF["document"], "source": {"bytes": bytes(6_000_000)}}}]),
        ("Claude Sonnet 5", [image(number) for number in range(29)]),
        ("Nova 2 Lite", [image(number, in_s3=True) for number in range(25)]),
        ("Claude Haiku 4.5", [{"image": {"format": "png", "source": {"bytes": bytes(3_932_160)}}}]),
    ],
    ids=["a PDF of 6 MB", "29 images", "25 images in S3", "an image of 5 MiB in base64"],
)
def test_what_aws_accepts_from_a_newer_model_is_sent(
    fake_bedrock: FakeBedrock, make_manager, model: str, blocks: list[dict[str, Any]]
) -> None:
    messages = [{"role": "user", "content": [{"text": "What is this?"}, *blocks]}]
    response = make_manager((model,), ("us-east-1",)).converse(messages)
    assert response.success
    assert response.warnings == []
    assert response.features_disabled == []
    assert len(fake_bedrock.calls) == 1
