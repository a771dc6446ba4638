"""The estimate of a lane is near the cost in the summary, for batches of many shapes."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest

from llmmanager.bedrock.parallel import start_order
from llmmanager.testing import Call, FakeBedrock
from tests.integration.lambdas.conftest import REGIONS, StateMachine

# FakeBedrock counts it as 10 tokens.
ANSWER = "0123456789" * 4
OUTPUT = {"expectedOutputTokens": 10}
RULES = [{"text": "The rules are as follows. " * 1_600}]
MORE_RULES = [{"text": "There are other rules. " * 1_600}]
TEXT = {"type": "string", "description": "The name of a city, in the language of its inhabitants. " * 10}
SCHEMA = {"type": "object", "properties": {"city": TEXT}}
TOOLS = {"tools": [{"toolSpec": {"name": "find_city", "inputSchema": {"json": SCHEMA}}}]}
POINT = {"cachePoint": {"type": "default"}}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = {"image": {"format": "png", "source": {"bytes": PNG}}}
NOTES = base64.b64encode(b"These are the notes of a meeting. " * 100).decode()
DOCUMENT = {"document": {"format": "txt", "name": "notes", "source": {"bytes": NOTES}}}
SEVEN_SHARDS = 7 * 32


Barriers = dict[str, list[threading.Barrier]]


@pytest.fixture
def first_answers() -> Barriers:
    """By prompt, what holds back the first answer in each shard until all of these calls have started."""
    return {}


@pytest.fixture
def fake_bedrock(monkeypatch: pytest.MonkeyPatch, first_answers: Barriers) -> Iterator[FakeBedrock]:
    def respond(call: Call) -> str:
        if held_back := first_answers.get(prompt_of(call.body)):
            held_back.pop().wait(60)
        return ANSWER

    with FakeBedrock(responder=respond) as bedrock:
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        yield bedrock


@pytest.fixture
def run_shards(
    machine: StateMachine, monkeypatch: pytest.MonkeyPatch, first_answers: Barriers
) -> Callable[..., dict[str, Any]]:
    """Runs a batch with so many shards at the same time, and returns its summary."""
    # On a busy machine, the first answers can be held back for longer than the others wait for them.
    monkeypatch.setattr(start_order, "LONGEST_WAIT_SECONDS", 60)

    def prompts(item: dict[str, Any]) -> set[str]:
        lines = machine.lines(f"shards/{item['shard']:05d}.jsonl")
        return {prompt_of(line["modelInput"]) for line in lines}

    def run(data: dict[str, Any], *, at_once: int) -> dict[str, Any]:
        monkeypatch.setenv("LLMMANAGER_MAP_CONCURRENCY", str(at_once))
        shards = machine.plan(data)
        with ThreadPoolExecutor(at_once) as pool:
            for first in range(0, len(shards), at_once):
                together = shards[first : first + at_once]
                for prompt, number in Counter(chain(*map(prompts, together))).items():
                    first_answers[prompt] = [threading.Barrier(number)] * number
                list(pool.map(machine.run_shard, together))
        return machine.collect()

    return run


def prompt_of(request: Mapping[str, Any]) -> str:
    return str(request["system"][0]["text"]) if "system" in request else ""


def questions(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return records of about 250 tokens."""
    return [
        {
            "recordId": f"record-{number}",
            "modelInput": {
                "messages": [
                    {"role": "user", "content": [{"text": f"Question {number:04d}? " + "word " * 200}]}
                ],
                **fields,
            },
        }
        for number in range(count)
    ]


def mixed(*kinds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first record of each kind, then the second, and so on, with new ids."""
    records = [record for together in zip(*kinds, strict=True) for record in together]
    return [{**record, "recordId": f"record-{number}"} for number, record in enumerate(records)]


def with_block(records: list[dict[str, Any]], block: dict[str, Any]) -> list[dict[str, Any]]:
    for record in records:
        record["modelInput"]["messages"][0]["content"].append(block)
    return records


def conversations(count: int, **fields: Any) -> list[dict[str, Any]]:
    records = questions(count, **fields)
    for record in records:
        messages = record["modelInput"]["messages"]
        turn = {"role": "assistant", "content": [{"text": "word " * 1_000}]}
        record["modelInput"]["messages"] = [*messages, turn, *messages]
    return records


SHAPES = {
    "one shard": (questions(32, system=RULES), 10),
    "seven shards at once": (questions(SEVEN_SHARDS, system=RULES), 7),
    "seven shards, three at a time": (questions(SEVEN_SHARDS, system=RULES), 3),
    "seven shards, one after another": (questions(SEVEN_SHARDS, system=RULES), 1),
    "a prompt in each half of the file": (
        [*questions(96, system=RULES), *mixed(questions(224, system=MORE_RULES))[96:]],
        3,
    ),
    "two prompts in turn": (mixed(questions(48, system=RULES), questions(48, system=MORE_RULES)), 3),
    "own cache points": (questions(96, system=[*RULES, POINT]), 1),
    "own cache points in tools and system": (
        questions(96, system=[*RULES, POINT], toolConfig=TOOLS),
        1,
    ),
    "conversations": (conversations(40, system=RULES), 1),
    "cached conversations": (conversations(40, system=RULES, promptCache="auto"), 1),
    "images beside text": (mixed(questions(48), with_block(questions(48), IMAGE)), 3),
    "documents beside text": (mixed(questions(48), with_block(questions(48), DOCUMENT)), 3),
    "tools": (questions(96, toolConfig=TOOLS), 3),
    "a guardrail": (
        questions(40, guardrailConfig={"guardrailIdentifier": "abc123", "guardrailVersion": "1"}),
        3,
    ),
    "structured output": (
        questions(
            40,
            outputConfig={
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA)}},
                }
            },
        ),
        3,
    ),
}


@pytest.mark.parametrize("lane", ["onDemand", "flex"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_estimate_is_near_the_cost_in_the_summary(
    run_shards: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, lane: str, shape: str
) -> None:
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Nova Pro"]')
    records, at_once = SHAPES[shape]

    summary = run_shards(
        {"requests": records, "lane": lane, "regions": [*REGIONS[:2]], **OUTPUT}, at_once=at_once
    )

    assert summary["answered"] == len(records)
    estimates = {estimate["lane"]: estimate for estimate in summary["lanes"]["estimates"]}
    assert summary["estimatedCostUsd"] == pytest.approx(estimates[lane]["estimatedCostUsd"], rel=0.05)
