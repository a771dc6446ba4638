"""Counting the tokens of a request, against FakeBedrock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.streaming_api.messages.count_tokens import count_headers, count_request, new_counter
from lambdas.streaming_api.messages.request import read_count_tokens
from llmmanager import InputTokenCount, RequestValidationError
from llmmanager.bedrock.tokens.token_counter import TokenCounter
from llmmanager.testing import FakeBedrock, Fault
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    HAIKU_4_5,
    HELLO,
    NOVA,
    OPUS_5_5,
    WEATHER,
    document,
    mapped,
    pdf,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

REGIONS = ("us-east-1", "us-west-2", "eu-central-1")
SCHEMA = {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter(fake_bedrock: FakeBedrock, clock: Clock) -> TokenCounter:
    return TokenCounter(lambda region: fake_bedrock.client(region=region), max_regions=2, clock=clock)


def request(*messages: Any, model_id: str = HAIKU_4_5, **fields: Any) -> Any:
    body = {"model": "Claude", "messages": list(messages or [HELLO]), **fields}
    return read_count_tokens(body, model_ids=(model_id,))


@pytest.fixture
def count(counter: TokenCounter) -> Callable[..., InputTokenCount]:
    def count(*messages: Any, model_id: str = HAIKU_4_5, **fields: Any) -> InputTokenCount:
        body = request(*messages, model_id=model_id, **fields)
        return count_request(counter, body, model_id=model_id, regions=REGIONS)

    return count


@row("Bedrock counts tokens for the model")
def test_bedrock_counts_the_tokens_of_the_whole_request(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    found = count(system="Be brief.", tools=[WEATHER], thinking={"type": "adaptive"})
    assert (found.is_estimate, found.reason, count_headers(found)) == (False, None, {})
    assert found.input_tokens > count().input_tokens
    (converse,) = [call.body["input"]["converse"] for call in fake_bedrock.calls[:1]]
    assert set(converse) == {"messages", "system", "toolConfig"}


def test_a_counted_request_needs_no_max_tokens_and_its_documents_get_valid_names(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    given = document(pdf(), title="a?.pdf")
    assert not count(user(text("Read"), given, given)).is_estimate
    content = fake_bedrock.calls[0].body["input"]["converse"]["messages"][0]["content"]
    names = [block["document"]["name"] for block in content if "document" in block]
    assert len(set(names)) == 2


def test_the_profile_of_a_model_has_the_models_tokens(
    counter: TokenCounter, fake_bedrock: FakeBedrock
) -> None:
    profile = f"us.{HAIKU_4_5}"
    assert not count_request(counter, request(), model_id=profile, regions=REGIONS).is_estimate
    assert fake_bedrock.calls[0].invoked_id == HAIKU_4_5


@row("not for the model or in two regions, or without the permission")
@pytest.mark.parametrize("model_id", [OPUS_5_5, NOVA, "arn:aws:bedrock:us-east-1:123456789012:prompt/A"])
def test_the_tokens_of_other_models_are_estimated_and_bedrock_is_not_asked_again(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock, clock: Clock, model_id: str
) -> None:
    found = count(model_id=model_id)
    assert count_headers(found) == {"x-llmmanager-estimated": "true"}
    assert found.reason
    count(model_id=model_id)
    count(model_id=model_id)
    asked = len(fake_bedrock.calls)
    assert asked <= len(REGIONS)
    clock.now = 600
    count(model_id=model_id)
    assert len(fake_bedrock.calls) > asked


@pytest.mark.parametrize(
    "error",
    [
        "AccessDeniedException",
        "ThrottlingException",
        "InternalServerException",
        "ServiceUnavailableException",
        "ExpiredTokenException",
    ],
)
def test_an_error_of_a_region_fails_over_to_the_next_one_and_then_to_the_estimate(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock, error: str
) -> None:
    fake_bedrock.add_fault(Fault(error=error, region="us-east-1"))
    assert not count().is_estimate
    fake_bedrock.add_fault(Fault(error=error))
    assert count().is_estimate


def test_a_transient_error_is_not_remembered(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=2))
    assert count().is_estimate
    assert not count().is_estimate


def test_a_connection_that_breaks_is_an_estimate(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(reset=True))
    assert count().is_estimate


@row("with `output_config.format`")
def test_a_schema_is_added_to_the_count(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    found = count(output_config={"format": SCHEMA})
    assert found.is_estimate
    assert found.input_tokens > count().input_tokens + 300
    assert len(fake_bedrock.calls) == 2


@row("of an invalid request")
def test_an_invalid_request_is_not_counted(
    count: Callable[..., InputTokenCount], fake_bedrock: FakeBedrock
) -> None:
    files = [document(pdf()) for _ in range(6)]
    with pytest.raises(RequestValidationError, match="at most 5 documents"):
        count(user(text("Read"), *files))
    assert not fake_bedrock.calls


def test_own_clients_reach_bedrock(fake_bedrock: FakeBedrock) -> None:
    counter = new_counter()
    assert not count_request(counter, request(), model_id=HAIKU_4_5, regions=REGIONS).is_estimate


def test_missing_credentials_are_an_estimate(
    fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    counter = new_counter()
    assert count_request(counter, request(), model_id=HAIKU_4_5, regions=REGIONS).is_estimate
    assert not fake_bedrock.calls


def test_a_request_with_max_tokens_is_counted_too() -> None:
    assert mapped().converse["messages"] == request().converse["messages"]
