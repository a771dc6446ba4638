"""The records of a shard that get cache points, because others begin with the same long prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from llmmanager.bedrock.tokens.cache_placement import min_cached_tokens
from llmmanager.bedrock.tokens.cache_prefixes import cached_prefixes


def records_to_cache(records: Iterable[Mapping[str, Any]], model_id: str) -> frozenset[str]:
    """Return the ids of the records whose tools and system prompt are those of another record.

    Reading a prompt from the cache costs less than writing it costs more, so caching pays from the second
    record on. Left out are records that state `promptCache` or cache points, prompts below the minimum of the
    model, and conversations, because their turns would be written too.

    Args:
        records: records of a shard.
        model_id: the model that answers first.
    """
    if min_cached_tokens(model_id) is None:
        return frozenset()
    ids: defaultdict[bytes, list[str]] = defaultdict(list)
    for record in records:
        static = _static_part(record["modelInput"])
        if static is None:
            continue
        prefixes = cached_prefixes(static, model_id, auto=True)
        if prefixes:
            ids[prefixes[-1].digest].append(record["recordId"])
    return frozenset(id_ for same in ids.values() if len(same) > 1 for id_ in same)


def _static_part(model_input: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the tools and the system prompt of a record; None if it gets no cache points.

    An earlier version of the stack may have accepted what is invalid now.
    """
    config = model_input.get("toolConfig")
    tools = config.get("tools") if isinstance(config, dict) else None
    system, messages = model_input.get("system"), model_input.get("messages")
    if isinstance(messages, str):
        messages = None
    if model_input.get("promptCache") is not None or not all(map(_are_objects, (tools, system, messages))):
        return None
    contents = [message.get("content") for message in messages or ()]
    if any(message.get("role") == "assistant" for message in messages or ()) or not all(
        map(_are_objects, contents)
    ):
        return None
    blocks = chain(tools or (), system or (), *(content or () for content in contents))
    if any("cachePoint" in block for block in blocks):
        return None
    return {"toolConfig": {"tools": tools}, "system": system}


def _are_objects(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, dict) for item in value))
