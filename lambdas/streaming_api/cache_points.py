"""Cache points from Anthropic's `cache_control`, an extension in other APIs, and OpenAI's breakpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.json_fields import read_choice, read_object

LIFETIMES = ("5m", "1h")


def read_cache_point(fields: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return the cache point behind a part with `cache_control`, or None.

    Args:
        fields: the part, message or tool, or the request.
        path: its path; "" for the request.

    Raises:
        MappingError: `cache_control` is invalid.
    """
    given = fields.get("cache_control")
    if given is None:
        return None
    here = f"{path}.cache_control".lstrip(".")
    control = read_object(given, here)
    read_choice(control.get("type"), f"{here}.type", ("ephemeral",))
    point = {"type": "default"}
    if control.get("ttl") is not None:
        point["ttl"] = read_choice(control["ttl"], f"{here}.ttl", LIFETIMES)
    return {"cachePoint": point}


def read_breakpoint(part: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return the cache point behind a part with OpenAI's `prompt_cache_breakpoint`, or None.

    A lifetime becomes Converse's longest, one hour.

    Args:
        path: the path of the part.

    Raises:
        MappingError: the breakpoint is invalid.
    """
    if part.get("prompt_cache_breakpoint") is None:
        return None
    given = read_object(part["prompt_cache_breakpoint"], f"{path}.prompt_cache_breakpoint")
    lifetime = {"ttl": "1h"} if given.get("ttl") is not None else {}
    return {"cachePoint": {"type": "default", **lifetime}}
