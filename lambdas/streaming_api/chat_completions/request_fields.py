"""The fields of a Chat Completions request: mapped, without effect, or not supported.

As of openai-python 3.57. A field that is not known is ignored and reported, because clients add fields of
other gateways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.mapping_error import unsupported

MAPPED = frozenset(
    (
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "models",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
    )
)
"""Fields that other modules read. `models` is an extension."""

IGNORED: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "prompt_cache_key": (),
    "prompt_cache_options": ({},),
    "prompt_cache_retention": (),
    "seed": (),
    "store": (False,),
    "verbosity": ("medium",),
}
"""Fields without effect, and their neutral values. Other values are reported."""

UNSUPPORTED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "audio": ((), "models answer with text only"),
    "function_call": (("none", "auto"), "use tool_choice"),
    "functions": (([],), "use tools"),
    "logit_bias": (({},), "remove it"),
    "logprobs": ((False,), "remove it"),
    "modalities": ((["text"],), 'the only accepted value is ["text"]'),
    "moderation": ((), "remove it; configure a guardrail in Bedrock instead"),
    "n": ((1,), "send one request for each answer"),
    "prediction": ((), "remove it"),
    "top_logprobs": ((0,), "remove it"),
    "web_search_options": ((), "use a tool of your own"),
}
"""Fields that cannot be mapped, their neutral values, and what to do instead. Other values are rejected."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def ignored_fields(body: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields without effect.

    Raises:
        MappingError: a field is not supported, or configures a guardrail in an unknown form: it is a safety
            feature, which is never ignored.
    """
    ignored = []
    for name, value in body.items():
        if name in MAPPED or value is None:
            continue
        if name in UNSUPPORTED:
            neutral, instead = UNSUPPORTED[name]
            if value not in neutral:
                raise unsupported(name, instead)
        elif "guardrail" in name.lower():
            raise unsupported(name[:64], "remove it")
        elif value not in IGNORED.get(name, ()):
            # The names are sent in a header.
            ignored.append(name if _PLAIN_NAME.fullmatch(name) else "other")
    return list(dict.fromkeys(ignored))
