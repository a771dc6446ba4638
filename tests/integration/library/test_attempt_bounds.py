"""No answer of FakeBedrock costs more than the upper bound of its attempt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmmanager import LLMManager, LLMManagerError, PlannedAttempt, RetryConfig
from llmmanager.bedrock.pricing import answer_cost
from llmmanager.testing import Call, FakeBedrock, Fault
from tests.waiting import wait_until

MODELS = ("Claude Sonnet 4.5", "Claude Haiku 4.5", "Nova Lite", "Nova Pro", "Kimi K3")
IMAGE = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n" + b"\x00" * 16}}}
IN_S3 = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/a.png"}}}}
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": b"Hi"}}}
TEXT_DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"text": "Hello"}}}
SCHEMA = {"json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
FAULTS = (
    Fault(reset=True, billed=True, count=1),
    Fault(error="InternalServerException", billed=True, count=1),
    Fault(error="ThrottlingException", count=1),
    Fault(reset=True, after_chunks=3, count=1),
    Fault(stream_fault="no_metadata", count=1),
)


def cache_point(ttl: str | None) -> dict[str, Any]:
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}


texts = st.text(min_size=1, max_size=40).filter(str.strip)
# Long enough for the minimum of the cache.
long_texts = st.builds(lambda text: text * (6000 // len(text) + 1), texts)
tools = st.sampled_from([None, {"tools": [{"toolSpec": {"name": "weather", "inputSchema": SCHEMA}}]}])
blocks = st.sampled_from([IMAGE, IN_S3, DOCUMENT, TEXT_DOCUMENT])


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"text": draw(texts | long_texts)}, *draw(st.lists(blocks, max_size=1))]
    point = draw(st.sampled_from([None, "", "5m", "1h"]))
    if point is not None:
        content.append(cache_point(point))
    config = draw(st.fixed_dictionaries({}, optional={"maxTokens": st.integers(1, 3000)}))
    thinking = draw(st.sampled_from([None, {"thinking": {"type": "enabled", "budget_tokens": 1024}}]))
    tier = draw(st.sampled_from([None, "default", "priority", "flex", "reserved"]))
    return {
        "messages": [{"role": "user", "content": content}],
        "system": draw(st.none() | st.builds(lambda text: [{"text": text}], texts)),
        "inference_config": config,
        "tool_config": draw(tools),
        "additional_model_request_fields": thinking,
        "service_tier": {"type": tier} if tier else None,
    }


@pytest.fixture(scope="module")
def bedrock() -> Iterator[FakeBedrock]:
    with FakeBedrock() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.02")
        yield server


@pytest.fixture(scope="module")
def managers(bedrock: FakeBedrock) -> Iterator[dict[str, LLMManager]]:
    config = RetryConfig(retry_delay=0.001)
    made = {name: LLMManager([name], ["us-east-1", "us-west-2"], retry_config=config) for name in MODELS}
    yield made
    for manager in made.values():
        manager.close()


def send(manager: LLMManager, request: dict[str, Any], *, stream: bool) -> list[PlannedAttempt]:
    """Send a request. Return the planned attempts, whether they are answered or not."""
    planned: list[PlannedAttempt] = []
    try:
        if stream:
            list(manager.converse_stream(**request, before_attempt=planned.append))
        else:
            manager.converse(**request, before_attempt=planned.append)
    except LLMManagerError:
        pass
    return planned


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for message in body["messages"] for block in message["content"]]


def price(planned: PlannedAttempt, call: Call) -> float:
    """The list price of what FakeBedrock billed for a call."""
    assert call.usage is not None
    written = call.usage["cacheWriteInputTokens"] if cache_point("1h") in _blocks(call.body) else 0
    cost = answer_cost(
        planned.model_id,
        {**call.usage, "cacheDetails": [{"ttl": "1h", "inputTokens": written}]},
        access_method=planned.access_method,
        inference_profile_id=planned.inference_profile_id,
        region=planned.region,
        service_tier=(call.body.get("serviceTier") or {}).get("type"),
    )
    assert cost is not None
    return cost.usd


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(
    model=st.sampled_from(MODELS),
    request=requests(),
    stream=st.booleans(),
    fault=st.none() | st.sampled_from(FAULTS),
)
def test_no_billed_answer_exceeds_the_bounds_of_its_attempt(
    bedrock: FakeBedrock,
    managers: dict[str, LLMManager],
    model: str,
    request: dict[str, Any],
    stream: bool,
    fault: Fault | None,
) -> None:
    bedrock.reset()
    if fault is not None:
        bedrock.add_fault(fault)
    planned = send(managers[model], request, stream=stream)
    wait_until(lambda: not bedrock.in_flight)
    billed = [pair for pair in zip(planned, bedrock.calls, strict=True) if pair[1].usage is not None]
    assume(billed)
    for attempt, call in billed:
        usage = call.usage
        assert usage is not None
        assert usage["totalTokens"] - usage["outputTokens"] <= attempt.max_input_tokens
        assert usage["outputTokens"] <= attempt.max_output_tokens
        assert attempt.max_cost_usd is not None
        assert price(attempt, call) <= attempt.max_cost_usd
