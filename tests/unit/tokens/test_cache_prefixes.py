"""cached_prefixes: which requests read what another one has written to the cache."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix, cached_prefixes

HAIKU, SONNET = "anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-sonnet-4-20250514-v1:0"
LLAMA = "meta.llama3-3-70b-instruct-v1:0"
LONG = "The rules are as follows. " * 800  # 5,200 tokens
POINT = {"cachePoint": {"type": "default"}}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}


def request(question: str, *system: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": [{"text": question}]}],
        "system": list(system) or [{"text": LONG}],
        **members,
    }


def digests(body: dict[str, Any], model_id: str = HAIKU, *, auto: bool = True) -> list[bytes]:
    return [prefix.digest for prefix in cached_prefixes(body, model_id, auto=auto)]


def test_requests_with_the_same_system_prompt_share_its_prefix() -> None:
    (first,) = digests(request("One?"))
    assert digests(request("Two?", inferenceConfig={"maxTokens": 9})) == [first]


@pytest.mark.parametrize(
    ("body", "model_id"),
    [
        (request("One?", {"text": LONG + "!"}), HAIKU),
        (request("One?", toolConfig={"tools": [{"toolSpec": {"name": "t", "inputSchema": {}}}]}), HAIKU),
        (request("One?"), SONNET),
    ],
    ids=["another prompt", "tools", "another model"],
)
def test_another_prefix_has_another_digest(body: dict[str, Any], model_id: str) -> None:
    assert not set(digests(body, model_id)) & set(digests(request("One?")))
    assert digests(body, model_id)


def test_a_conversation_has_the_prefix_of_its_rules_and_those_of_its_turns() -> None:
    turns = [
        {"role": role, "content": [{"text": text}]}
        for role, text in (("user", "One?"), ("assistant", "Yes."), ("user", "Two?"))
    ]
    found = digests(request("", messages=turns))
    assert len(set(found)) == 3
    assert found[0] == digests(request("Other?"))[0]


def test_the_order_of_members_does_not_matter_and_bytes_do() -> None:
    def document(content: bytes, *, is_reversed: bool = False) -> dict[str, Any]:
        members = {"format": "txt", "name": "rules", "source": {"bytes": content}}
        block = {"document": dict(reversed(members.items())) if is_reversed else members}
        return request("One?", messages=[{"role": "user", "content": [{"text": LONG}, block, POINT]}])

    assert digests(document(b"A"), auto=False) == digests(document(b"A", is_reversed=True), auto=False)
    assert digests(document(b"A"), auto=False) != digests(document(b"B"), auto=False)


def test_own_cache_points_count_with_their_time_to_live() -> None:
    body = request("One?", {"text": LONG}, HOUR, {"text": "Be brief."}, POINT)
    before = copy.deepcopy(body)
    hour, minutes = cached_prefixes(body, HAIKU, auto=False)
    assert (hour.seconds, minutes.seconds) == (3600.0, 300.0)
    assert body == before


@pytest.mark.parametrize(
    ("body", "model_id", "auto"),
    [
        (request("One?"), HAIKU, False),
        (request("One?", {"text": "Be brief."}, POINT), HAIKU, False),
        (request("One?", {"text": "Be brief."}), HAIKU, True),
        (request("One?"), LLAMA, True),
        (request("One?"), "", True),
    ],
    ids=["no cache point", "a short prefix", "a short prompt", "a model without caching", "no model"],
)
def test_what_is_not_cached_has_no_prefix(body: dict[str, Any], model_id: str, auto: bool) -> None:
    assert cached_prefixes(body, model_id, auto=auto) == ()


def test_a_prefix_below_the_minimum_is_left_out() -> None:
    found: tuple[CachedPrefix, ...] = cached_prefixes(
        request("One?", {"text": "Be brief."}, POINT, {"text": LONG}, POINT), HAIKU, auto=False
    )
    assert len(found) == 1
