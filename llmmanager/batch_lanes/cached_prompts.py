"""Estimates which records of a batch write their prompt to the cache, and which ones read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix

# Limits the memory for a batch with many different prompts.
_MAX_PREFIXES = 10_000


@dataclass(slots=True)
class CachedTokens:
    """Input tokens that records read from the cache, and write to it."""

    read: float = 0.0
    written: float = 0.0


class CachedPrompts:
    """The prompts in the caches, as the shards of a batch use them. Without shards, all records are one.

    Shards that run at the same time start together, so each of them writes its prompts. Each region has its
    own cache. Later shards read what a shard of their region has written.

    Args:
        regions: the regions in which the shards begin, in turn; empty if they are unknown.
        shards_at_once: how many shards run at the same time.
    """

    def __init__(self, *, regions: Sequence[str] = (), shards_at_once: int = 1) -> None:
        self._regions = regions or ("",)
        self._shards_at_once = shards_at_once
        self._shard = 0
        # The round of shards that has first used a prompt, by prompt and region.
        self._rounds: dict[tuple[bytes, str], int] = {}
        # The prompts that the shard has used, and the sums of those that only one of its records has.
        self._used: set[bytes] = set()
        self._single: dict[bytes, CachedTokens] = {}

    def add_shared(self, prefix: CachedPrefix, tokens: CachedTokens) -> None:
        """Count a record that uses the cache only if another one of its shard has the same prompt.

        Args:
            tokens: the sum to which its tokens are added.
        """
        if prefix.digest not in self._used and prefix.digest not in self._single:
            if len(self._single) == _MAX_PREFIXES:
                self._single.clear()
            self._single[prefix.digest] = tokens
            return
        if first := self._single.pop(prefix.digest, None):
            self.add((prefix,), first)
        self.add((prefix,), tokens)

    def add(self, prefixes: Sequence[CachedPrefix], tokens: CachedTokens) -> None:
        """Count a record with cache points.

        Args:
            prefixes: the content before each point, shortest first.
            tokens: the sum to which its tokens are added.
        """
        read = max([prefix.tokens for prefix in prefixes if self._use(prefix)], default=0.0)
        tokens.read += read
        tokens.written += prefixes[-1].tokens - read

    def end_shard(self) -> None:
        """Close a shard."""
        self._used.clear()
        self._single.clear()
        self._shard += 1

    def _use(self, prefix: CachedPrefix) -> bool:
        """Note that the shard uses a prompt. Return whether the cache has it already."""
        if prefix.digest in self._used:
            return True
        for known in (self._used, self._rounds):
            if len(known) == _MAX_PREFIXES:
                known.clear()
        self._used.add(prefix.digest)
        current = self._shard // self._shards_at_once
        place = prefix.digest, self._regions[self._shard % len(self._regions)]
        return self._rounds.setdefault(place, current) < current
