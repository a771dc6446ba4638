"""records_to_cache: which records of a shard get cache points."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.batch.shared_prefixes import records_to_cache

NOVA, LLAMA = "amazon.nova-lite-v1:0", "meta.llama3-3-70b-instruct-v1:0"
RULES = [{"text": "The rules are as follows. " * 200}]  # 1,300 tokens
POINT = {"cachePoint": {"type": "default"}}
ASK = [{"role": "user", "content": [{"text": "Why?"}]}]


def records(*inputs: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"recordId": f"record-{number}", "modelInput": {"messages": ASK, "system": RULES, **fields}}
        for number, fields in enumerate(inputs)
    ]


def cached(*inputs: dict[str, Any], model: str = NOVA) -> list[str]:
    return sorted(records_to_cache(records(*inputs), model))


def test_records_with_the_same_long_prompt_are_cached() -> None:
    other = {"system": [{"text": "Other rules. " * 400}]}
    tools = {"toolConfig": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]}}
    settings = {"inferenceConfig": {"maxTokens": 5}, "messages": "And why not?"}
    assert cached({}, other, settings, tools) == ["record-0", "record-2"]


@pytest.mark.parametrize(
    "fields",
    [
        {"system": [{"text": "Be brief."}]},
        {"promptCache": "auto"},
        {"system": [*RULES, POINT]},
        {"messages": [{"role": "user", "content": [*ASK[0]["content"], POINT]}]},
        {"messages": [*ASK, {"role": "assistant", "content": [{"text": "So."}]}, *ASK]},
        {"system": "an earlier version has accepted this"},
        {"messages": [{"role": "user", "content": [5]}]},
        {"messages": [5]},
    ],
    ids=["short", "auto", "own point", "own point in a message", "conversation", "text", "block", "message"],
)
def test_other_records_stay_as_they_are(fields: dict[str, Any]) -> None:
    assert cached(fields, fields, {}) == []


def test_nothing_is_cached_for_a_model_without_a_prompt_cache() -> None:
    assert cached({}, {}, model=LLAMA) == []
