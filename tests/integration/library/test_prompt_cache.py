"""`prompt_cache="auto"`, and warnings about cache points without an effect, against FakeBedrock."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import BedrockConverseRequest, RequestValidationError
from llmmanager.testing import FakeBedrock, Fault
from llmmanager.testing.tokens import CacheUse
from tests.integration.library.conftest import MakeManager, MakeParallel

HAIKU, NOVA, LLAMA = "Claude Haiku 4.5", "Nova Lite", "Llama 3.3 70B Instruct"
POINT = {"cachePoint": {"type": "default"}}
RULES = [{"text": "The rules are as follows. " * 800}]  # 5,200 tokens
ASK = "What is the capital of France?"


def points(body: Any) -> list[str]:
    """Return the parts of a received request that contain a cache point."""
    return [part for part in ("system", "toolConfig", "messages") if "cachePoint" in str(body.get(part))]


@pytest.mark.parametrize("model", [HAIKU, NOVA])
def test_the_second_request_reads_what_the_first_one_wrote(make_manager: MakeManager, model: str) -> None:
    manager = make_manager((model,))
    first = manager.converse(ASK, RULES, prompt_cache="auto")
    second = manager.converse("And of Spain?", RULES, prompt_cache="auto")
    written, read = first.get_usage() or {}, second.get_usage() or {}
    assert written["cache_write_tokens"] == read["cache_read_tokens"] > 4096
    assert (first.warnings, second.warnings) == ([], [])


def test_each_turn_of_a_conversation_reads_the_turn_before(make_manager: MakeManager) -> None:
    manager = make_manager((HAIKU,))
    messages: list[dict[str, Any]] = []
    reads = []
    for _ in range(4):
        messages.append({"role": "user", "content": [{"text": "Tell me more. " * 100}]})
        response = manager.converse(messages, RULES, prompt_cache="auto")
        reads.append((response.get_usage() or {})["cache_read_tokens"])
        messages.append({"role": "assistant", "content": response.get_content_blocks()})
    assert reads[0] == 0
    # The second turn reads the rules; every later one also the turns up to the one before.
    assert 0 < reads[1] < reads[2] < reads[3]


def test_without_prompt_cache_no_point_is_sent(make_manager: MakeManager, fake_bedrock: FakeBedrock) -> None:
    assert make_manager((HAIKU,)).converse(ASK, RULES).warnings == []
    assert points(fake_bedrock.calls[0].body) == []


def test_each_target_gets_its_own_points(make_manager: MakeManager, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", model="anthropic.claude-haiku-4-5*"))
    tools = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}
    tools["tools"][0]["toolSpec"]["description"] = RULES[0]["text"]
    manager = make_manager((HAIKU, NOVA, LLAMA), ("us-east-1",))
    response = manager.converse(ASK, RULES, tool_config=tools, prompt_cache="auto")
    assert response.model_used == "amazon.nova-lite-v1:0"
    sent = {call.model_id: points(call.body) for call in fake_bedrock.calls}
    assert sent == {
        "anthropic.claude-haiku-4-5-20251001-v1:0": ["system", "toolConfig"],
        "amazon.nova-lite-v1:0": ["system"],
    }


def test_a_model_without_caching_gets_no_point_and_the_response_says_so(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    response = make_manager((LLAMA,)).converse(ASK, RULES, prompt_cache="auto")
    assert points(fake_bedrock.calls[-1].body) == []
    (warning,) = response.warnings
    assert warning.startswith('prompt_cache="auto" had no effect: meta.llama3-3-70b')


def test_a_short_prompt_gets_no_point_and_no_warning(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    assert make_manager((HAIKU,)).converse(ASK, [{"text": "Be brief."}], prompt_cache="auto").warnings == []
    assert points(fake_bedrock.calls[0].body) == []


def test_a_point_behind_too_short_a_prompt_is_reported_with_the_models_minimum(
    make_manager: MakeManager,
) -> None:
    system = [{"text": "The rules are as follows. " * 300}, POINT]  # 1,950 tokens
    assert make_manager((NOVA,)).converse(ASK, system).warnings == []
    (warning,) = make_manager((HAIKU,)).converse(ASK, system).warnings
    assert "about 1,952 tokens" in warning
    assert "caches at least 4,096" in warning


def test_points_that_bedrock_ignores_are_reported(
    make_manager: MakeManager, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = CacheUse(read=0, written=0, store=lambda: None)
    monkeypatch.setattr(fake_bedrock._cache, "begin", lambda *_, **__: unused)
    (warning,) = make_manager((HAIKU,)).converse(ASK, RULES, prompt_cache="auto").warnings
    assert warning.endswith("reported neither a cache read nor a cache write")


def test_a_stream_places_points_and_reports_those_without_an_effect(make_manager: MakeManager) -> None:
    manager = make_manager((HAIKU,))
    for expected in ("cache_write_tokens", "cache_read_tokens"):
        stream = manager.converse_stream(ASK, RULES, prompt_cache="auto")
        assert "".join(stream)
        assert (stream.get_usage() or {})[expected] > 4096
        assert stream.warnings == []
    stream = manager.converse_stream(ASK, [{"text": "Be brief."}, POINT])
    assert "".join(stream)
    assert "the cache points had no effect" in stream.warnings[0]


def test_a_rejected_point_is_left_out_of_later_requests_of_the_model(
    make_manager: MakeManager, fake_bedrock: FakeBedrock
) -> None:
    rejection = "Malformed input request: #/system/1: extraneous key [cachePoint] is not permitted"
    fake_bedrock.add_fault(Fault(error="ValidationException", message=rejection, count=1))
    manager = make_manager((HAIKU,))
    for _ in range(2):
        response = manager.converse(ASK, RULES, prompt_cache="auto")
        assert response.features_disabled == ["cache_points_in_system"]
    assert [points(call.body) for call in fake_bedrock.calls] == [["system"], [], []]


def test_requests_of_a_parallel_run_can_place_points(make_parallel: MakeParallel) -> None:
    parallel = make_parallel((HAIKU,), ("us-east-1",))
    requests = [BedrockConverseRequest(messages=ASK, system=RULES, prompt_cache="auto") for _ in range(3)]
    responses = [response for _, response in parallel.iter_responses(requests)]
    cached = [response.get_usage() or {} for response in responses]
    assert all(usage["cache_write_tokens"] + usage["cache_read_tokens"] > 4096 for usage in cached)


@pytest.mark.parametrize("value", ["on", True, 1, ["auto"]])
def test_another_value_is_invalid(make_manager: MakeManager, value: Any) -> None:
    with pytest.raises(RequestValidationError, match='prompt_cache: must be "auto" or None'):
        make_manager().converse(ASK, prompt_cache=value)
