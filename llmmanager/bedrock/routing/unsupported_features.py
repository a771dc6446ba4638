"""The messages for a feature that a model does not support, as rows of the error table.

A row contains the features that the message can mean, in the order in which the request is searched for them.
The features are those of `invocation.feature_table`. Collected 2026-11-29 from public reports of Bedrock's
ValidationExceptions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.routing.error_rule import ANY, Rule

ADDITIONAL_FIELD = "additional_fields."
"""Prefix of a field of `additionalModelRequestFields`, followed by its path, separated by dots."""

NAMED_FIELDS = f"{ADDITIONAL_FIELD}*"
"""Placeholder for the fields that the message names."""

_NAMED_FIELD = re.compile(
    r"(?:#(?P<pointer>[^\s:]*): )?extraneous key \[(?P<key>[^\]]+)\]"
    r"|(?P<path>[^\s:`'\"]+): extra inputs are not permitted",
    re.IGNORECASE,
)
_MEDIA = {"image": "images", "document": "documents", "video": "video", "audio": "audio"}


def _rule(text: str, *features: str, code: str = "ValidationException") -> Rule:
    return Rule(code, text, Decision(Next.DROP_FEATURE, Kind.FEATURE, features))


def _media_rules(kind: str, features: str) -> Iterator[Rule]:
    """Return the rows for one kind of content block.

    The message for a block in a tool result is the same as for a block outside: "for user messages".
    """
    anywhere = (f"{features}_in_tool_results", features)
    yield _rule(f"doesn't support the {kind} field for assistant", f"{features}_in_assistant_messages")
    yield _rule(f"doesn't support the {kind}", *anywhere)
    yield _rule(f"doesn't support {kind}", *anywhere)


UNSUPPORTED_FEATURE_RULES: tuple[Rule, ...] = (
    # Tool choice
    _rule("doesn't support the toolconfig.toolchoice.auto", "tool_choice"),
    _rule("doesn't support the toolconfig.toolchoice", "forced_tool_choice", "tool_choice"),
    _rule("thinking may not be enabled when tool_choice forces", "forced_tool_choice"),
    # Cache points
    _rule("did not allow prompt caching", "cache_points", code=ANY),
    _rule("#/toolconfig/…extraneous key [cachepoint]", "cache_points_in_tools"),
    _rule("#/system/…extraneous key [cachepoint]", "cache_points_in_system"),
    _rule("#/messages/…extraneous key [cachepoint]", "cache_points_in_messages"),
    _rule("extraneous key [cachepoint]", "cache_points"),
    _rule("tools.…cache_control: extra inputs", "cache_points_in_tools"),
    _rule("system.…cache_control: extra inputs", "cache_points_in_system"),
    _rule("messages.…cache_control: extra inputs", "cache_points_in_messages"),
    _rule("doesn't support the toolconfig…cachepoint", "cache_points_in_tools"),
    _rule("doesn't support the cachepoint", "cache_points"),
    _rule("doesn't support cachepoint", "cache_points"),
    _rule("doesn't support prompt caching", "cache_points"),
    # Schema of the answer
    _rule("doesn't support the outputconfig", "output_schema"),
    _rule("output_config.format", "output_schema/rejected"),
    _rule("outputconfig.textformat", "output_schema/rejected"),
    # Service tier
    _rule("service tier", "optional_tier", "service_tier"),
    _rule("servicetier", "optional_tier", "service_tier"),
    # Tools
    _rule("doesn't support the strict", "strict_tools"),
    _rule("doesn't support the toolconfig…strict", "strict_tools"),
    _rule("tools.…strict: extra inputs", "strict_tools"),
    _rule("doesn't support tool use", "answer_tool", "tools"),
    _rule("doesn't support the toolconfig", "answer_tool", "tools"),
    _rule("conversation blocks and tool result blocks cannot", "media_in_tool_results"),
    # System prompt
    _rule("doesn't support system messages", "system"),
    _rule("doesn't support system prompt", "system"),
    _rule("doesn't support the system", "system"),
    # Images, documents, video, audio
    _rule("doesn't support citations", "citations"),
    _rule("doesn't support the citations", "citations"),
    _rule("doesn't support the document…citations", "citations"),
    *(row for kind, features in _MEDIA.items() for row in _media_rules(kind, features)),
    # Reasoning in the history
    _rule("cannot contain reasoning content", "reasoning_in_user_messages", "reasoning"),
    _rule("doesn't support the reasoningcontent…signature", "reasoning_signatures"),
    _rule("doesn't support the reasoningcontent", "reasoning"),
    _rule("doesn't support reasoning content", "reasoning"),
    _rule("invalid `signature` in `thinking` block", "reasoning/invalid_signature"),
    _rule("thinking.signature: field required", "unsigned_reasoning"),
    # Reasoning of the next answer
    _rule("must start with a thinking block", "additional_fields.thinking/incomplete_history"),
    _rule("adaptive thinking is not supported", "additional_fields.thinking/type"),
    _rule("thinking.type…is not supported for this model", "additional_fields.thinking/type"),
    # Guardrails
    _rule("doesn't support guardrail", "guardrail"),
    _rule("doesn't support the guard", "guardrail"),
    # Inference parameters
    _rule("doesn't support the temperature", "temperature"),
    _rule("doesn't support the topp", "top_p"),
    _rule("doesn't support the topk", "top_k"),
    _rule("doesn't support the stopsequences", "stop_sequences"),
    _rule("doesn't support the maxtokens", "max_tokens"),
    _rule("cannot both be specified", "top_p/with_temperature"),
    _rule("temperature…when thinking is enabled", "temperature"),
    _rule("top_p…when thinking is enabled", "top_p"),
    _rule("top_k…when thinking is enabled", "top_k"),
    _rule("temperature…is deprecated for this model", "temperature"),
    _rule("top_p…is deprecated for this model", "top_p"),
    _rule("top_k…is deprecated for this model", "top_k"),
    _rule("temperature…not supported for this model", "temperature"),
    _rule("top_p…not supported for this model", "top_p"),
    _rule("top_k…not supported for this model", "top_k"),
    _rule("stop sequence must contain non-whitespace", "stop_sequences/blank"),
    _rule("maximum tokens you requested exceed", "max_tokens"),
    # Model-specific fields
    _rule("invalid beta flag", f"{ADDITIONAL_FIELD}anthropic_beta"),
    _rule("extraneous key", NAMED_FIELDS),
    _rule("extra inputs are not permitted", NAMED_FIELDS),
)


def with_named_fields(features: tuple[str, ...], message: str) -> tuple[str, ...]:
    """Replace `NAMED_FIELDS` by the fields in the message, each before the member that contains it.

    Args:
        message: the unchanged message, because names of fields are case-sensitive.
    """
    if NAMED_FIELDS not in features:
        return features
    named: list[str] = []
    for match in _NAMED_FIELD.finditer(message):
        path = match["path"] or f"{match['pointer'] or ''}/{match['key']}".strip("/").replace("/", ".")
        named += [path, path.partition(".")[0]]
    return tuple(f"{ADDITIONAL_FIELD}{path}" for path in dict.fromkeys(named)) or features
