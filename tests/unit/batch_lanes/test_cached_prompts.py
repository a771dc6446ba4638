"""Which records of a batch are expected to write their prompt to the cache."""

from __future__ import annotations

import pytest

from llmmanager.batch_lanes import cached_prompts
from llmmanager.batch_lanes.cached_prompts import CachedPrompts, CachedTokens
from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix

REGIONS = ("us-east-1", "us-west-2", "eu-central-1")


def prefix(name: str, tokens: float = 1_000) -> CachedPrefix:
    return CachedPrefix("model", name.encode(), tokens, 300.0)


def used(shards: list[str], *, regions: tuple[str, ...] = REGIONS, at_once: int = 10) -> tuple[float, float]:
    """Return how many prompts are read and written by shards, each a text with a letter for each record."""
    tokens = CachedTokens()
    prompts = CachedPrompts(regions=regions, shards_at_once=at_once)
    for shard in shards:
        for name in shard:
            prompts.add_shared(prefix(name), tokens)
        prompts.end_shard()
    return tokens.read / 1_000, tokens.written / 1_000


@pytest.mark.parametrize(
    ("shards", "at_once", "reads", "writes"),
    [
        pytest.param(["a" * 32], 10, 31, 1, id="one shard"),
        pytest.param(["a" * 32] * 7, 10, 7 * 31, 7, id="all at the same time"),
        pytest.param(["a" * 32] * 7, 1, 7 * 32 - 3, 3, id="one after another"),
        pytest.param(["a" * 32] * 7, 2, 7 * 32 - 3, 3, id="two at a time"),
        pytest.param(["a" * 32] * 40, 10, 40 * 32 - 10, 10, id="several rounds"),
        pytest.param(["aaa"] * 10 + ["bbb"] * 10, 10, 40, 20, id="a new prompt in the second round"),
        pytest.param(["abab"] * 3, 3, 6, 6, id="two prompts in each shard"),
        pytest.param(["abc"] * 3, 3, 0, 0, id="a prompt that no other record of the shard has"),
        pytest.param(["aab", "bba"], 1, 2, 2, id="the second of a prompt's two shards"),
    ],
)
def test_shards_write_a_prompt_that_no_earlier_shard_of_their_region_has_written(
    shards: list[str], at_once: int, reads: int, writes: int
) -> None:
    assert used(shards, at_once=at_once) == (reads, writes)


def test_in_one_region_all_later_shards_read_what_the_first_ones_have_written() -> None:
    assert used(["aa"] * 6, regions=("us-east-1",) * 3, at_once=2) == (10, 2)


def test_without_shards_a_prompt_is_written_once() -> None:
    assert used(["ab" * 50], regions=(), at_once=1) == (98, 2)


def test_a_record_with_cache_points_writes_what_follows_the_longest_prompt_in_the_cache() -> None:
    prompts, tokens = CachedPrompts(), [CachedTokens() for _ in range(3)]
    prompts.add((prefix("tools", 2_000), prefix("tools and system", 5_000)), tokens[0])
    prompts.add((prefix("tools", 2_000), prefix("tools and another system", 6_000)), tokens[1])
    prompts.add((prefix("tools", 2_000), prefix("tools and system", 5_000)), tokens[2])
    assert [(count.read, count.written) for count in tokens] == [(0, 5_000), (2_000, 4_000), (5_000, 0)]


def test_the_memory_for_different_prompts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_prompts, "_MAX_PREFIXES", 3)
    assert used(["abcdefgh" + "aa"], at_once=1) == (1, 1)
    assert used(["aabbccddee"], at_once=1) == (5, 5)
