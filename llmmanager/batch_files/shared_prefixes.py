"""The records of a batch that get cache points, because others begin with the same long prompt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from llmmanager.batch_files.id_set import IdSet
from llmmanager.bedrock.models.message_text import as_system
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.bedrock.tokens.cache_placement import PARTS, blocks_of, min_cached_tokens
from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix, cached_prefixes

_FIRST_SLOTS = 1 << 16


class SharedPrefixes:
    """The tools and system prompts that several records have.

    Reading a prompt from the cache costs less than writing it costs more, so caching pays from the second
    record on. Left out are records that state `promptCache` or cache points, prompts below the minimum of the
    model, and conversations, because their turns would be written too.

    Args:
        model_id: the model that answers first.

    Attributes:
        can_cache: whether the model is known to cache prompts. If not, no record shares a prompt.
    """

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self.can_cache = min_cached_tokens(model_id) is not None
        self._seen = IdSet(first_slots=_FIRST_SLOTS)
        self._shared: set[bytes] = set()

    def add(self, model_input: Mapping[str, Any]) -> None:
        """Add the `modelInput` of a record."""
        digest = self._digest(model_input)
        if digest is not None and not self._seen.add(digest.hex()):
            self._shared.add(digest)

    def has(self, model_input: Mapping[str, Any]) -> bool:
        """Whether several records with these tools and system prompt were added."""
        return bool(self._shared) and self._digest(model_input) in self._shared

    def _digest(self, model_input: Mapping[str, Any]) -> bytes | None:
        prefix = shareable_prefix(model_input, self._model_id) if self.can_cache else None
        return prefix.digest if prefix else None


def shareable_prefix(model_input: Mapping[str, Any], model_id: str) -> CachedPrefix | None:
    """Return the tools and the system prompt of a record, if it gets a cache point when others have them."""
    if not (model_input.get("toolConfig") or model_input.get("system")):
        return None
    static = _static_part(model_input)
    prefixes = cached_prefixes(static, model_id, auto=True) if static else ()
    return prefixes[-1] if prefixes else None


def own_prefixes(model_input: Mapping[str, Any], model_id: str) -> tuple[CachedPrefix, ...]:
    """Return what a record with `promptCache` or cache points of its own caches, shortest first."""
    is_auto = model_input.get("promptCache") == "auto"
    messages = model_input.get("messages")
    # A text alone gets no cache points.
    request = {**model_input, "messages": None if isinstance(messages, str) else messages}
    has_points = any("cachePoint" in block for part in PARTS for block in blocks_of(request, part))
    return cached_prefixes(request, model_id, auto=is_auto) if is_auto or has_points else ()


def prompt_of(request: BedrockConverseRequest) -> dict[str, Any]:
    """Return the members of a request's `modelInput` that `SharedPrefixes` reads."""
    return {
        "toolConfig": request.tool_config,
        "system": request.system,
        "messages": request.messages,
        "promptCache": request.prompt_cache,
    }


def _static_part(model_input: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the tools and the system prompt of a record; None if it gets no cache points.

    A record of a shard may be invalid, if an earlier version of the stack has accepted it.
    """
    config = model_input.get("toolConfig")
    tools = config.get("tools") if isinstance(config, Mapping) else None
    system, messages = as_system(model_input.get("system")), model_input.get("messages")
    if isinstance(messages, str):
        messages = None
    if model_input.get("promptCache") is not None or not all(map(_are_objects, (tools, system, messages))):
        return None
    contents = [message.get("content") for message in messages or ()]
    is_conversation = any(message.get("role") == "assistant" for message in messages or ())
    if is_conversation or not all(map(_are_objects, contents)):
        return None
    blocks = chain(tools or (), system or (), *(content or () for content in contents))
    if any("cachePoint" in block for block in blocks):
        return None
    return {"toolConfig": {"tools": tools}, "system": system}


def _are_objects(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)
