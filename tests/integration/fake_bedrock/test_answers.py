"""The generated answers: determined by the request, and within its limits."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "description": "Look up the current weather of a city",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {
                    "city": {"type": "string"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 7},
                    "unit": {"enum": ["celsius", "fahrenheit"]},
                },
                "required": ["city", "unit"],
            }
        },
    }
}
CLOCK = {"toolSpec": {"name": "readClock", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
QUESTION = "What is the weather in New York over the next 3 days, in fahrenheit?"


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text_of(answer: Any) -> str:
    return "".join(block["text"] for block in answer["output"]["message"]["content"])


def test_the_same_request_gets_the_same_answer_and_a_different_one_does_not(send_prompt: Any) -> None:
    assert text_of(send_prompt("Tell me about bees")) == text_of(
        send_prompt("Tell me about bees", region="us-west-2")
    )
    assert text_of(send_prompt("Tell me about bees")) != text_of(send_prompt("Tell me about wasps"))
    assert "bees" in text_of(send_prompt("Tell me about bees")).lower()


@pytest.mark.parametrize("limit", [1, 2, 7, 20])
def test_max_tokens_truncates_the_answer(send_prompt: Any, limit: int) -> None:
    answer = send_prompt(inferenceConfig={"maxTokens": limit})
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] == limit
    assert text_of(send_prompt()).startswith(text_of(answer))


def test_the_answer_ends_before_a_stop_sequence(catalog: Any) -> None:
    with FakeBedrock(catalog, responder=lambda call: "one, two, three") as bedrock:
        answer = bedrock.client().converse(
            modelId="acme.talk-v1:0",
            messages=[user({"text": "Count"})],
            inferenceConfig={"stopSequences": ["three", ", two"]},
            additionalModelResponseFieldPaths=["/stop_sequence"],
        )
    assert text_of(answer) == "one"
    assert answer["stopReason"] == "stop_sequence"
    assert answer["additionalModelResponseFields"] == {"stop_sequence": ", two"}


def test_a_prefill_is_continued_without_being_repeated(send_prompt: Any) -> None:
    whole = text_of(send_prompt("Tell me about bees"))
    for end in (1, 10, len(whole) // 2, len(whole)):
        start = whole[:end].rstrip()
        answer = send_prompt(
            messages=[
                user({"text": "Tell me about bees"}),
                {"role": "assistant", "content": [{"text": start}]},
            ]
        )
        assert start + text_of(answer) == whole


def test_a_prefill_that_differs_from_the_answer_is_continued(send_prompt: Any) -> None:
    start = {"role": "assistant", "content": [{"text": "Wasps, on the other hand,"}]}
    rest = text_of(send_prompt(messages=[user({"text": "Tell me about bees"}), start]))
    assert rest
    assert not rest.startswith("Wasps")


def test_a_prefilled_answer_to_a_tool_result_is_continued(send_prompt: Any) -> None:
    call = {"toolUse": {"toolUseId": "one", "name": "get_weather", "input": {}}}
    result = {"toolResult": {"toolUseId": "one", "content": [{"text": "sunny"}]}}
    messages = [user({"text": QUESTION}), {"role": "assistant", "content": [call]}, user(result)]
    whole = text_of(send_prompt(messages=messages, toolConfig={"tools": [WEATHER]}))
    start = {"role": "assistant", "content": [{"text": whole[:12]}]}
    rest = text_of(send_prompt(messages=[*messages, start], toolConfig={"tools": [WEATHER]}))
    assert whole[:12] + rest == whole


def test_a_prompt_that_matches_a_tool_gets_a_valid_tool_call(send_prompt: Any) -> None:
    answer = send_prompt(QUESTION, toolConfig={"tools": [CLOCK, WEATHER]})
    assert answer["stopReason"] == "tool_use"
    (block,) = answer["output"]["message"]["content"]
    assert block["toolUse"]["name"] == "get_weather"
    assert block["toolUse"]["input"] == {"city": "New York", "days": 3, "unit": "fahrenheit"}
    again = send_prompt(QUESTION, toolConfig={"tools": [CLOCK, WEATHER]})
    assert again["output"] == answer["output"]


def test_a_prompt_that_matches_several_tools_gets_a_sentence_and_a_call_of_each(send_prompt: Any) -> None:
    for choice in ({"auto": {}}, {"any": {}}):
        answer = send_prompt(
            f"{QUESTION} And what does the clock say?",
            toolConfig={"tools": [CLOCK, WEATHER], "toolChoice": choice},
        )
        assert answer["stopReason"] == "tool_use"
        sentence, *calls = answer["output"]["message"]["content"]
        assert sentence["text"]
        assert [call["toolUse"]["name"] for call in calls] == ["readClock", "get_weather"]
        assert len({call["toolUse"]["toolUseId"] for call in calls}) == 2


def test_claude_calls_one_tool_at_a_time_if_the_request_says_so(fake_bedrock: FakeBedrock) -> None:
    answer = fake_bedrock.client().converse(
        modelId="us.anthropic.claude-haiku-4-5-20251001-v1:0",
        messages=[user({"text": f"{QUESTION} And what does the clock say?"})],
        toolConfig={"tools": [CLOCK, WEATHER]},
        additionalModelRequestFields={"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    )
    (block,) = answer["output"]["message"]["content"]
    assert block["toolUse"]["name"] == "readClock"


def test_the_answer_to_several_tool_results_reports_each(send_prompt: Any) -> None:
    question = user({"text": f"{QUESTION} And what does the clock say?"})
    config = {"tools": [CLOCK, WEATHER]}
    first = send_prompt(messages=[question], toolConfig=config)["output"]["message"]
    results = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": text}]}}
        for block, text in zip(first["content"][1:], ("noon", "sunny"), strict=True)
    ]
    answer = send_prompt(messages=[question, first, user(*results)], toolConfig=config)
    assert "readClock returned: noon. get_weather returned: sunny." in text_of(answer)


def test_a_prompt_that_matches_no_tool_gets_text(send_prompt: Any) -> None:
    assert (
        send_prompt("Hello there", toolConfig={"tools": [WEATHER], "toolChoice": {"auto": {}}})["stopReason"]
        == "end_turn"
    )


@pytest.mark.parametrize(
    ("choice", "name"), [({"any": {}}, "get_weather"), ({"tool": {"name": "readClock"}}, "readClock")]
)
def test_a_forced_tool_is_called_for_any_prompt(send_prompt: Any, choice: Any, name: str) -> None:
    answer = send_prompt("Hello", toolConfig={"tools": [WEATHER, CLOCK], "toolChoice": choice})
    assert answer["output"]["message"]["content"][0]["toolUse"]["name"] == name


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"content": [{"text": "12 degrees"}]}, "get_weather returned: 12 degrees"),
        ({"content": [{"json": {"degrees": 12}}]}, 'get_weather returned: {"degrees": 12}'),
        ({"content": [{"text": "no such city"}], "status": "error"}, "get_weather failed with: no such city"),
        ({"content": []}, "get_weather returned: nothing to read"),
    ],
)
def test_a_tool_result_is_answered_with_text(send_prompt: Any, result: Any, words: str) -> None:
    first = send_prompt(QUESTION, toolConfig={"tools": [WEATHER]})["output"]["message"]
    tool_use_id = first["content"][0]["toolUse"]["toolUseId"]
    answer = send_prompt(
        messages=[
            user({"text": QUESTION}),
            first,
            user({"toolResult": {"toolUseId": tool_use_id, **result}}),
        ],
        toolConfig={"tools": [WEATHER]},
    )
    assert answer["stopReason"] == "end_turn"
    assert words in text_of(answer)


def test_a_tool_call_longer_than_max_tokens_is_replaced_by_truncated_text(send_prompt: Any) -> None:
    answer = send_prompt(QUESTION, toolConfig={"tools": [WEATHER]}, inferenceConfig={"maxTokens": 3})
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"]["outputTokens"] <= 3


def output_format(schema: Any) -> dict[str, Any]:
    definition = {"schema": schema if isinstance(schema, str) else json.dumps(schema), "name": "answer"}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def test_structured_output_is_json_for_the_schema(send_prompt: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 2}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    answer = json.loads(
        text_of(send_prompt("How many bees does Maya have?", outputConfig=output_format(schema)))
    )
    assert answer == {"name": "Maya", "count": 2}


@pytest.mark.parametrize(
    "schema", ["not json", {"type": "strange"}, {"$ref": "#/nowhere"}, {"enum": []}, "7"]
)
def test_an_unsatisfiable_schema_is_rejected(send_prompt: Any, error_of: Any, schema: Any) -> None:
    code, status, message = error_of(send_prompt, outputConfig=output_format(schema))
    assert (code, status) == ("ValidationException", 400)
    assert "schema" in message


def test_a_responder_sets_the_text_or_returns_none_for_the_default(catalog: Any) -> None:
    def responder(call: Any) -> str | None:
        return f"You said: {call.prompt}" if "please" in call.prompt else None

    with FakeBedrock(catalog, responder=responder) as bedrock:
        client = bedrock.client()
        dictated = client.converse(modelId="acme.talk-v1:0", messages=[user({"text": "Say it, please"})])
        left = client.converse(modelId="acme.talk-v1:0", messages=[user({"text": "Say it"})])
    assert text_of(dictated) == "You said: Say it, please"
    assert text_of(left) not in ("", "You said: Say it")


def test_a_responder_with_an_invalid_return_value_is_an_internal_error_with_the_reason(
    catalog: Any, error_of: Any
) -> None:
    with FakeBedrock(catalog, responder=lambda call: b"bytes") as bedrock:
        code, _, message = error_of(
            bedrock.client().converse, modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})]
        )
    assert code == "InternalServerException"
    assert "a str, an Answer or None, not bytes" in message


def test_an_exception_of_a_responder_is_an_internal_error_with_its_name(catalog: Any, error_of: Any) -> None:
    with FakeBedrock(catalog, responder=lambda call: {}["missing"]) as bedrock:
        code, status, message = error_of(
            bedrock.client().converse, modelId="acme.talk-v1:0", messages=[user({"text": "Hi"})]
        )
    assert (code, status) == ("InternalServerException", 500)
    assert "KeyError('missing')" in message


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("a", 1), ("abcd", 1), ("abcde", 2), ("x" * 400, 100), ("\u00e4\u20ac\U0001f41d!", 1)],
)
def test_tokens_are_counted_from_text(send_prompt: Any, text: str, tokens: int) -> None:
    assert send_prompt(text)["usage"]["inputTokens"] == tokens


RICH: dict[str, Any] = {
    "system": [{"text": "Be brief and kind."}],
    "messages": [
        user(
            {"text": "What do you see?"},
            {"image": {"format": "png", "source": {"bytes": b"png" * 5000}}},
            {"document": {"format": "pdf", "name": "paper", "source": {"bytes": b"pdf" * 5000}}},
            {"document": {"format": "txt", "name": "notes", "source": {"text": "Bees " * 100}}},
        )
    ],
    "toolConfig": {"tools": [WEATHER]},
}


def test_count_tokens_converse_and_converse_stream_report_the_same_tokens(client: Any) -> None:
    counted = client.count_tokens(modelId="acme.talk-v1:0", input={"converse": RICH})["inputTokens"]
    usage = client.converse(modelId="acme.talk-v1:0", **RICH)["usage"]
    events = list(client.converse_stream(modelId="acme.talk-v1:0", **RICH)["stream"])
    assert counted == usage["inputTokens"] == events[-1]["metadata"]["usage"]["inputTokens"]
    assert usage == events[-1]["metadata"]["usage"]
    assert 4600 < counted < 5000


def test_count_tokens_accepts_a_native_request(client: Any, error_of: Any) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 400}]}).encode()
    count = client.count_tokens(modelId="acme.talk-v1:0", input={"invokeModel": {"body": body}})
    assert count["inputTokens"] == -(-len(body) // 4)
    assert (
        client.count_tokens(modelId="acme.talk-v1:0", input={"invokeModel": {"body": b""}})["inputTokens"]
        == 1
    )
    error = error_of(
        client.count_tokens, modelId="acme.embed", input={"converse": {"messages": [user({"text": "Hi"})]}}
    )
    assert error[0] == "ValidationException"


def cached(blocks: int = 1) -> dict[str, Any]:
    return user({"text": "long " * 20 * blocks}, {"cachePoint": {"type": "default"}}, {"text": "short?"})


def test_a_cached_prefix_is_written_once_and_then_read(client: Any, send_prompt: Any) -> None:
    counts = [send_prompt(messages=[cached()])["usage"] for _ in range(2)]
    total = client.count_tokens(modelId="acme.talk-v1:0", input={"converse": {"messages": [cached()]}})
    for usage in counts:
        assert (
            usage["inputTokens"] + usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"]
            == total["inputTokens"]
        )
    assert [usage["cacheWriteInputTokens"] for usage in counts] == [25, 0]
    assert [usage["cacheReadInputTokens"] for usage in counts] == [0, 25]
    assert counts[0]["totalTokens"] == total["inputTokens"] + counts[0]["outputTokens"]


def test_a_cache_is_regional_and_a_longer_prefix_reads_the_shorter_one(send_prompt: Any) -> None:
    send_prompt(messages=[cached()])
    assert send_prompt(messages=[cached()], region="us-west-2")["usage"]["cacheReadInputTokens"] == 0
    longer = user(*cached()["content"], {"cachePoint": {"type": "default"}})
    usage = send_prompt(messages=[longer])["usage"]
    assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (25, 2)


def test_written_tokens_are_listed_by_their_time_to_live(send_prompt: Any) -> None:
    hour = user({"text": "long " * 20}, {"cachePoint": {"type": "default", "ttl": "1h"}})
    more = {"content": [*hour["content"], *cached()["content"]]}
    usages = [send_prompt(messages=[{**hour, **more}])["usage"] for _ in range(2)]
    assert usages[0]["cacheDetails"] == [{"ttl": "1h", "inputTokens": 25}, {"ttl": "5m", "inputTokens": 25}]
    assert "cacheDetails" not in usages[1]


def test_calls_that_start_before_the_first_answer_all_write_the_cache(catalog: Any) -> None:
    both_started = threading.Barrier(2)

    def answer_together(_call: Any) -> str:
        both_started.wait(PATIENCE_SECONDS)
        return "Yes."

    with FakeBedrock(catalog, responder=answer_together) as bedrock, ThreadPoolExecutor(2) as threads:
        client = bedrock.client()
        calls = [
            threads.submit(client.converse, modelId="acme.talk-v1:0", messages=[cached()]) for _ in range(2)
        ]
        written = [call.result()["usage"]["cacheWriteInputTokens"] for call in calls]
    assert written == [25, 25]


def test_a_prefix_that_is_too_short_is_not_cached(send_prompt: Any) -> None:
    short = user({"text": "short"}, {"cachePoint": {"type": "default"}}, {"text": "and on"})
    usage = [send_prompt(messages=[short])["usage"] for _ in range(2)][1]
    assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) == (0, 0)


def test_the_response_repeats_performance_config_and_service_tier(send_prompt: Any) -> None:
    answer = send_prompt(performanceConfig={"latency": "standard"}, serviceTier={"type": "flex"})
    assert answer["performanceConfig"] == {"latency": "standard"}
    assert answer["serviceTier"] == {"type": "flex"}


def test_the_log_contains_the_unchanged_body(bedrock: FakeBedrock, send_prompt: Any) -> None:
    send_prompt(messages=[user({"text": "See"}, {"image": {"format": "png", "source": {"bytes": b"png"}}})])
    (call,) = bedrock.calls
    image = call.body["messages"][0]["content"][1]["image"]
    assert base64.b64decode(image["source"]["bytes"]) == b"png"
    assert call.prompt == "See"


THINKING: Any = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def test_thinking_precedes_the_answer_and_is_signed_and_counted(fake_bedrock: FakeBedrock) -> None:
    client = fake_bedrock.client()
    plain = client.converse(modelId=HAIKU, messages=[user({"text": "Tell me about bees"})])
    answer = client.converse(modelId=HAIKU, messages=[user({"text": "Tell me about bees"})], **THINKING)
    reasoning, text = answer["output"]["message"]["content"]
    assert [text] == plain["output"]["message"]["content"]
    thought = reasoning["reasoningContent"]["reasoningText"]
    assert "bees" in thought["text"]
    assert len(base64.b64decode(thought["signature"])) == 128
    more = -(-len(thought["text"]) // 4)
    assert answer["usage"]["outputTokens"] == plain["usage"]["outputTokens"] + more


def test_thinking_is_streamed_with_its_signature_in_parts(fake_bedrock: FakeBedrock) -> None:
    client = fake_bedrock.client()
    request: Any = {"modelId": HAIKU, "messages": [user({"text": "Tell me about bees"})], **THINKING}
    whole = client.converse(**request)
    events = list(client.converse_stream(**request)["stream"])
    deltas = [event["contentBlockDelta"] for event in events if "contentBlockDelta" in event]
    first = [one["delta"]["reasoningContent"] for one in deltas if one["contentBlockIndex"] == 0]
    thought = whole["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"]
    assert "".join(delta.get("text", "") for delta in first) == thought["text"]
    signatures = [delta["signature"] for delta in first if "signature" in delta]
    assert (len(signatures), "".join(signatures)) == (2, thought["signature"])
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_a_tool_result_is_accepted_after_an_answer_with_thinking(fake_bedrock: FakeBedrock) -> None:
    client = fake_bedrock.client()
    messages = [user({"text": QUESTION})]
    request: Any = {"modelId": HAIKU, "toolConfig": {"tools": [WEATHER]}, **THINKING}
    first = client.converse(messages=messages, **request)["output"]["message"]
    call = first["content"][-1]["toolUse"]
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}}
    second = client.converse(messages=[*messages, first, user(result)], **request)
    assert second["stopReason"] == "end_turn"


def test_thinking_counts_towards_max_tokens() -> None:
    with FakeBedrock(responder=lambda call: "x" * 10_000) as bedrock:
        answer = bedrock.client().converse(
            modelId=HAIKU,
            messages=[user({"text": "Tell me about bees"})],
            inferenceConfig={"maxTokens": 1025},
            **THINKING,
        )
    assert (answer["stopReason"], answer["usage"]["outputTokens"]) == ("max_tokens", 1025)
