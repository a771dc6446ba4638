"""The prefixes of a request that a model caches, as digests.

Requests with the same prefix read the cache that the first of them has written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmmanager.bedrock.tokens.cache_placement import (
    PARTS,
    blocks_of,
    min_cached_tokens,
    tokens_before_last_point,
    with_cache_points,
)
from llmmanager.bedrock.tokens.typical_tokens import typical_tokens

CACHE_SECONDS = 300.0
"""How long a prefix stays in the cache after its last use, unless its cache point says an hour."""
_SECONDS = {"5m": CACHE_SECONDS, "1h": 3600.0}


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """The content before a cache point, for a model.

    Attributes:
        digest: identifies the model and the content.
        tokens: the typical number of tokens of the content.
        seconds: how long the prefix stays in the cache after its last use.
    """

    model_id: str
    digest: bytes
    tokens: float
    seconds: float


def cached_prefixes(request: Mapping[str, Any], model_id: str, *, auto: bool) -> tuple[CachedPrefix, ...]:
    """Return the prefixes of a request that a model caches, shortest first.

    Prefixes below the model's minimum are left out. Without a known minimum, there are none.

    Args:
        request: a valid Converse request.
        auto: whether the request has `prompt_cache="auto"`.
    """
    minimum = min_cached_tokens(model_id)
    if minimum is None:
        return ()
    if auto:
        request = with_cache_points(request, model_id)
    if (tokens_before_last_point(request) or 0.0) < minimum:
        return ()
    prefixes = []
    tokens = 0.0
    digest = hashlib.blake2b(model_id.encode(), digest_size=16)
    for part in PARTS:
        digest.update(part.encode())
        for block in blocks_of(request, part):
            if "cachePoint" not in block:
                tokens += typical_tokens(block)
                digest.update(json.dumps(block, sort_keys=True, default=_digest_of_bytes).encode())
            elif tokens >= minimum:
                seconds = _SECONDS.get(block["cachePoint"].get("ttl"), CACHE_SECONDS)
                prefixes.append(CachedPrefix(model_id, digest.digest(), tokens, seconds))
    return tuple(prefixes)


def _digest_of_bytes(content: Any) -> str:
    """Return a digest of the content of a file."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
