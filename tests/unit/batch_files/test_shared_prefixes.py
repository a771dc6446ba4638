"""SharedPrefixes: which records of a batch get cache points."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager import BedrockConverseRequest
from llmmanager.batch_files.shared_prefixes import SharedPrefixes, prompt_of

NOVA, LLAMA = "amazon.nova-lite-v1:0", "meta.llama3-3-70b-instruct-v1:0"
RULES = [{"text": "The rules are as follows. " * 200}]  # 1,300 tokens
POINT = {"cachePoint": {"type": "default"}}
ASK = [{"role": "user", "content": [{"text": "Why?"}]}]


def cached(*inputs: dict[str, Any], model: str = NOVA) -> list[int]:
    """Return the numbers of the records that share a prompt."""
    given = [{"messages": ASK, "system": RULES, **fields} for fields in inputs]
    shared = SharedPrefixes(model)
    for model_input in given:
        shared.add(model_input)
    return [number for number, model_input in enumerate(given) if shared.has(model_input)]


def test_records_with_the_same_long_prompt_are_cached() -> None:
    other = {"system": [{"text": "Other rules. " * 400}]}
    tools = {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}}
    settings = {"inferenceConfig": {"maxTokens": 5}, "messages": "And why not?"}
    assert cached({}, other, settings, tools) == [0, 2]


def test_a_system_prompt_as_a_string_is_the_same_prompt() -> None:
    assert cached({}, {"system": RULES[0]["text"]}) == [0, 1]


@pytest.mark.parametrize(
    "fields",
    [
        {"system": [{"text": "Be brief."}]},
        {"promptCache": "auto"},
        {"system": [*RULES, POINT]},
        {"messages": [{"role": "user", "content": [*ASK[0]["content"], POINT]}]},
        {"messages": [*ASK, {"role": "assistant", "content": [{"text": "So."}]}, *ASK]},
        {"system": 5},
        {"messages": [{"role": "user", "content": [5]}]},
        {"messages": [5]},
    ],
    ids=[
        "short",
        "auto",
        "own point",
        "own point in a message",
        "conversation",
        "number",
        "block",
        "message",
    ],
)
def test_other_records_stay_as_they_are(fields: dict[str, Any]) -> None:
    assert cached(fields, fields, {}) == []


def test_nothing_is_cached_for_a_model_without_a_prompt_cache() -> None:
    assert cached({}, {}, model=LLAMA) == []


def test_a_request_has_the_prompt_of_its_record() -> None:
    shared = SharedPrefixes(NOVA)
    request = BedrockConverseRequest(messages="Why?", system=RULES)
    shared.add({"messages": ASK, "system": RULES})
    shared.add(prompt_of(request))
    assert shared.has(prompt_of(request))
    assert not shared.has(
        prompt_of(BedrockConverseRequest(messages="Why?", system=RULES, prompt_cache="auto"))
    )
