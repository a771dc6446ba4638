"""The messages in which a model refuses one feature of a request, as data.

A row names the features that the message can mean, in the order in which the request is searched for them.
The features are those of `invocation.feature_table`. Gathered 2026-11-29 from public reports of Bedrock's
ValidationExceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.routing.error_rule import ANY, Rule

ADDITIONAL_FIELD = "additional_fields."
"""Begins the name of a field of `additionalModelRequestFields`; its path follows, separated by dots."""

NAMED_FIELDS = f"{ADDITIONAL_FIELD}*"
"""Stands for the fields that the message itself names."""

_NAMED_FIELD = re.compile(
    r"(?:#(?P<pointer>[^\s:]*): )?extraneous key \[(?P<key>[^\]]+)\]"
    r"|(?P<path>[^\s:`'\"]+): extra inputs are not permitted",
    re.IGNORECASE,
)
_MEDIA = {"image": "images", "document": "documents", "video": "video", "audio": "audio"}


def _refusal(text: str, *features: str, code: str = "ValidationException") -> Rule:
    return Rule(code, text, Decision(Next.DROP_FEATURE, Kind.FEATURE, features))


def _media_refusals(kind: str, features: str) -> Iterator[Rule]:
    """Return the rows for one kind of content block.

    The message for a block in a tool result is the same as for one beside it: "for user messages".
    """
    anywhere = (f"{features}_in_tool_results", features)
    yield _refusal(f"doesn't support the {kind} field for assistant", f"{features}_in_assistant_messages")
    yield _refusal(f"doesn't support the {kind}", *anywhere)
    yield _refusal(f"doesn't support {kind}", *anywhere)


FEATURE_REFUSALS: tuple[Rule, ...] = (
    # Tool choice
    _refusal("doesn't support the toolconfig.toolchoice.auto", "tool_choice"),
    _refusal("doesn't support the toolconfig.toolchoice", "forced_tool_choice", "tool_choice"),
    _refusal("thinking may not be enabled when tool_choice forces", "forced_tool_choice"),
    # Cache points
    _refusal("did not allow prompt caching", "cache_points", code=ANY),
    _refusal("#/toolconfig/…extraneous key [cachepoint]", "cache_points_in_tools"),
    _refusal("#/system/…extraneous key [cachepoint]", "cache_points_in_system"),
    _refusal("#/messages/…extraneous key [cachepoint]", "cache_points_in_messages"),
    _refusal("extraneous key [cachepoint]", "cache_points"),
    _refusal("tools.…cache_control: extra inputs", "cache_points_in_tools"),
    _refusal("system.…cache_control: extra inputs", "cache_points_in_system"),
    _refusal("messages.…cache_control: extra inputs", "cache_points_in_messages"),
    _refusal("doesn't support the toolconfig…cachepoint", "cache_points_in_tools"),
    _refusal("doesn't support the cachepoint", "cache_points"),
    _refusal("doesn't support cachepoint", "cache_points"),
    _refusal("doesn't support prompt caching", "cache_points"),
    # Tools
    _refusal("doesn't support the strict", "strict_tools"),
    _refusal("doesn't support the toolconfig…strict", "strict_tools"),
    _refusal("tools.…strict: extra inputs", "strict_tools"),
    _refusal("doesn't support tool use", "tools"),
    _refusal("doesn't support the toolconfig", "tools"),
    _refusal("conversation blocks and tool result blocks cannot", "media_in_tool_results"),
    # System prompt
    _refusal("doesn't support system messages", "system"),
    _refusal("doesn't support system prompt", "system"),
    _refusal("doesn't support the system", "system"),
    # Images, documents, video, audio
    _refusal("doesn't support citations", "citations"),
    _refusal("doesn't support the citations", "citations"),
    _refusal("doesn't support the document…citations", "citations"),
    *(row for kind, features in _MEDIA.items() for row in _media_refusals(kind, features)),
    # Reasoning in the history
    _refusal("cannot contain reasoning content", "reasoning_in_user_messages", "reasoning"),
    _refusal("doesn't support the reasoningcontent…signature", "reasoning_signatures"),
    _refusal("doesn't support the reasoningcontent", "reasoning"),
    _refusal("doesn't support reasoning content", "reasoning"),
    _refusal("invalid `signature` in `thinking` block", "reasoning/invalid_signature"),
    _refusal("thinking.signature: field required", "unsigned_reasoning"),
    # Reasoning of the next answer
    _refusal("must start with a thinking block", "additional_fields.thinking/incomplete_history"),
    _refusal("adaptive thinking is not supported", "additional_fields.thinking/type"),
    _refusal("thinking.type…is not supported for this model", "additional_fields.thinking/type"),
    # Guardrails
    _refusal("doesn't support guardrail", "guardrail"),
    _refusal("doesn't support the guard", "guardrail"),
    # Inference parameters
    _refusal("doesn't support the temperature", "temperature"),
    _refusal("doesn't support the topp", "top_p"),
    _refusal("doesn't support the topk", "top_k"),
    _refusal("doesn't support the stopsequences", "stop_sequences"),
    _refusal("doesn't support the maxtokens", "max_tokens"),
    _refusal("cannot both be specified", "top_p/with_temperature"),
    _refusal("temperature…when thinking is enabled", "temperature"),
    _refusal("top_p…when thinking is enabled", "top_p"),
    _refusal("top_k…when thinking is enabled", "top_k"),
    _refusal("temperature…is deprecated for this model", "temperature"),
    _refusal("top_p…is deprecated for this model", "top_p"),
    _refusal("top_k…is deprecated for this model", "top_k"),
    _refusal("temperature…not supported for this model", "temperature"),
    _refusal("top_p…not supported for this model", "top_p"),
    _refusal("top_k…not supported for this model", "top_k"),
    _refusal("stop sequence must contain non-whitespace", "stop_sequences/blank"),
    _refusal("maximum tokens you requested exceed", "max_tokens"),
    # Fields of the model's own
    _refusal("invalid beta flag", f"{ADDITIONAL_FIELD}anthropic_beta"),
    _refusal("extraneous key", NAMED_FIELDS),
    _refusal("extra inputs are not permitted", NAMED_FIELDS),
)


def with_named_fields(features: tuple[str, ...], message: str) -> tuple[str, ...]:
    """Replace `NAMED_FIELDS` by the fields that the message names, each before the member that contains it.

    Args:
        message: as AWS sent it: the names of fields are case-sensitive.
    """
    if NAMED_FIELDS not in features:
        return features
    named: list[str] = []
    for match in _NAMED_FIELD.finditer(message):
        path = match["path"] or f"{match['pointer'] or ''}/{match['key']}".strip("/").replace("/", ".")
        named += [path, path.partition(".")[0]]
    return tuple(f"{ADDITIONAL_FIELD}{path}" for path in dict.fromkeys(named)) or features
