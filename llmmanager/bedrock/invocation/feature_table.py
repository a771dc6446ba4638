"""The features that a model may not support: how each is found, removed and remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from llmmanager.bedrock.invocation import content_edits as content
from llmmanager.bedrock.invocation import parameter_edits as parameters
from llmmanager.bedrock.invocation.parameter_edits import Check, Edit, Request
from llmmanager.bedrock.routing.unsupported_features import ADDITIONAL_FIELD


class FeatureClass(Enum):
    """How the library handles an unsupported feature."""

    FORM = "form"
    """Sent in another form, without a loss. This is no feature that is left out."""
    SAFETY = "safety"
    """Not removed: the next model is tried."""
    CONTENT = "content"
    """Removed only if no other configured model may support it."""
    TUNING = "tuning"
    """Removed at once, for the same target."""


def _always(_request: Request) -> Hashable:
    return None


@dataclass(frozen=True)
class Feature:
    """A part of a request that a model may not support.

    Attributes:
        is_in: whether a request contains the feature.
        remove: returns the request without the feature.
        replacement: what is sent instead, for the warning.
        condition: what the support depends on. It is remembered for requests with an equal condition.
        is_remembered: False if the model rejected a value, and may accept another value.
    """

    feature_class: FeatureClass
    is_in: Check
    remove: Edit
    replacement: str = "sent without it"
    condition: Callable[[Request], Hashable] = _always
    is_remembered: bool = True


def public_name(key: str) -> str:
    """Return the name of a feature in responses: the key up to the slash."""
    return key.partition("/")[0]


def find_feature(key: str) -> Feature | None:
    """Return the feature for a key, or None for an unknown key."""
    if key in FEATURES or not key.startswith(ADDITIONAL_FIELD):
        return FEATURES.get(key)
    path = tuple(key.removeprefix(ADDITIONAL_FIELD).split("."))
    is_safety = any("guardrail" in name.lower() for name in path)
    return Feature(
        FeatureClass.SAFETY if is_safety else FeatureClass.TUNING,
        parameters.has_additional_field(path),
        parameters.drop_additional_field(path),
    )


def without_features(request: Request, keys: Iterable[str]) -> tuple[Request, tuple[str, ...]]:
    """Return the request without features, and the keys of the removed features.

    Features are removed in the order of the table. A feature that is part of another removed feature is not
    among the returned keys.
    """
    removed = []
    for key in sorted(dict.fromkeys(keys), key=lambda key: (_position(key), key)):
        feature = find_feature(key)
        if feature is not None and feature.is_in(request):
            request = feature.remove(request)
            removed.append(key)
    return request, tuple(removed)


def _position(key: str) -> int:
    return _ORDER.get(key, len(_ORDER))


def _content(is_in: Check, remove: Edit, replacement: str = "sent without it") -> Feature:
    return Feature(FeatureClass.CONTENT, is_in, remove, replacement)


def _tuning(
    is_in: Check,
    remove: Edit,
    replacement: str = "sent without it",
    condition: Callable[[Request], Hashable] = _always,
) -> Feature:
    return Feature(FeatureClass.TUNING, is_in, remove, replacement, condition)


def _media(kind: str, name: str) -> dict[str, Feature]:
    """Return the features for a kind of content block: anywhere, in assistant messages, in tool results."""
    return {
        name: _content(content.has_block(kind), content.drop_block(kind)),
        f"{name}_in_assistant_messages": _content(
            content.has_block(kind, role="assistant"), content.drop_block(kind, role="assistant")
        ),
        f"{name}_in_tool_results": _content(
            content.has_media_in_tool_results(kind),
            content.move_out_of_tool_results(kind),
            "sent after the tool results",
        ),
    }


def _sampling(name: str, *native_names: str) -> Feature:
    return _tuning(
        parameters.has_parameter(name, *native_names),
        parameters.drop_parameter(name, *native_names),
        condition=parameters.is_reasoning,
    )


def _has_temperature_and_top_p(request: Request) -> bool:
    return _TEMPERATURE.is_in(request) and _TOP_P.is_in(request)


def _thinking_type(request: Request) -> Hashable:
    return str(parameters.additional_field(request, ("thinking", "type")))


_TEMPERATURE = _sampling("temperature", "temperature")
_TOP_P = _sampling("topP", "top_p")

_OUTPUT_SCHEMA = Feature(
    FeatureClass.FORM, parameters.has_schema_format, parameters.schema_format_as_tool, "sent as a tool"
)

FEATURES: Mapping[str, Feature] = {
    # Forms of a schema of the answer. Each is replaced by the next one.
    "output_schema": _OUTPUT_SCHEMA,
    # The model supports schemas, but not this one.
    "output_schema/rejected": replace(_OUTPUT_SCHEMA, is_remembered=False),
    "answer_tool": Feature(
        FeatureClass.FORM,
        parameters.has_answer_tool,
        parameters.answer_tool_as_instruction,
        "sent as an instruction",
    ),
    # The service tier, if it was added to make the request cheaper.
    "optional_tier": Feature(
        FeatureClass.FORM,
        parameters.has_optional_tier,
        parameters.drop_member("serviceTier"),
        "sent in the default tier",
        parameters.service_tier,
    ),
    # Safety
    "guardrail": Feature(
        FeatureClass.SAFETY,
        parameters.has_member("guardrailConfig"),
        parameters.drop_member("guardrailConfig"),
    ),
    # Content. A feature that contains other features precedes them.
    "tools": _content(
        content.has_tools, content.drop_tools, "sent without tools, earlier tool calls as text"
    ),
    "system": _content(
        content.has_system, content.fold_system, "sent at the beginning of the first user message"
    ),
    **_media("image", "images"),
    **_media("document", "documents"),
    **_media("video", "video"),
    **_media("audio", "audio"),
    "media_in_tool_results": _content(content.has_moved_media, content.drop_moved_media),
    "citations": _content(content.has_citations, content.drop_citations, "sent without asking for them"),
    "strict_tools": _content(content.has_strict_tools, content.drop_strict),
    "reasoning": Feature(
        FeatureClass.CONTENT,
        content.has_block("reasoningContent"),
        content.drop_block("reasoningContent"),
        condition=content.has_signed_reasoning,
    ),
    "reasoning/invalid_signature": Feature(
        FeatureClass.CONTENT,
        content.has_block("reasoningContent"),
        content.drop_block("reasoningContent"),
        is_remembered=False,
    ),
    "reasoning_in_user_messages": _content(
        content.has_block("reasoningContent", role="user"),
        content.drop_block("reasoningContent", role="user"),
    ),
    "unsigned_reasoning": _content(content.has_unsigned_reasoning, content.drop_unsigned_reasoning),
    # Tuning
    "reasoning_signatures": _tuning(content.has_signed_reasoning, content.drop_reasoning_signatures),
    "forced_tool_choice": _tuning(
        lambda request: parameters.tool_choice(request) not in (None, "auto"),
        parameters.choose_tools_freely,
        'sent as "auto"',
        lambda request: (parameters.tool_choice(request), parameters.is_reasoning(request)),
    ),
    "tool_choice": _tuning(
        lambda request: parameters.tool_choice(request) is not None,
        parameters.drop_tool_choice,
        condition=parameters.tool_choice,
    ),
    "service_tier": _tuning(
        parameters.has_member("serviceTier"),
        parameters.drop_member("serviceTier"),
        "sent in the default tier",
        parameters.service_tier,
    ),
    "cache_points": _tuning(content.has_cache_points, content.drop_cache_points),
    "cache_points_in_tools": _tuning(content.has_cache_points_in_tools, content.drop_cache_points_in_tools),
    "cache_points_in_system": _tuning(
        content.has_cache_points_in_system, content.drop_cache_points_in_system
    ),
    "cache_points_in_messages": _tuning(
        content.has_block("cachePoint"),
        content.drop_block("cachePoint"),
        condition=content.kinds_before_cache_points,
    ),
    "temperature": _TEMPERATURE,
    "top_p": _TOP_P,
    # A model rejects both together and accepts either.
    "top_p/with_temperature": _tuning(_has_temperature_and_top_p, _TOP_P.remove),
    "top_k": _sampling("topK", "top_k", "topK"),
    "stop_sequences": _tuning(
        parameters.has_parameter("stopSequences"), parameters.drop_parameter("stopSequences")
    ),
    "stop_sequences/blank": _tuning(
        parameters.has_blank_stop_sequence,
        parameters.drop_blank_stop_sequences,
        "sent without the blank ones",
    ),
    "max_tokens": Feature(
        FeatureClass.TUNING,
        parameters.has_parameter("maxTokens"),
        parameters.drop_parameter("maxTokens"),
        "sent with the model's own maximum",
        is_remembered=False,
    ),
    "additional_fields.thinking/type": _tuning(
        parameters.has_additional_field(("thinking",)),
        parameters.drop_additional_field(("thinking",)),
        condition=_thinking_type,
    ),
    # A turn of this conversation has no reasoning. Other conversations may be complete.
    "additional_fields.thinking/incomplete_history": Feature(
        FeatureClass.TUNING,
        parameters.has_additional_field(("thinking",)),
        parameters.drop_additional_field(("thinking",)),
        is_remembered=False,
    ),
}

_ORDER = {key: position for position, key in enumerate(FEATURES)}
