"""The messages of models that do not support a feature, as quoted in public reports."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from llmmanager.bedrock.invocation.feature_table import without_features
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

MODEL_SAYS = "The model returned the following errors: "
MALFORMED = f"{MODEL_SAYS}Malformed input request: "
REFORMAT = ", please reformat your input and try again."

REJECTED_FEATURES: list[tuple[str, tuple[str, ...]]] = [
    ("This model doesn't support tool use in streaming mode.", ("answer_tool", "tools")),
    ("This model doesn't support tool use.", ("answer_tool", "tools")),
    (
        "This model doesn't support the toolConfig field. Remove toolConfig and try again.",
        ("answer_tool", "tools"),
    ),
    (
        "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and "
        "try again.",
        ("output_schema",),
    ),
    (
        f"{MODEL_SAYS}output_config.format.schema: For 'integer' type, properties maximum, minimum are not "
        "supported",
        ("output_schema/rejected",),
    ),
    (
        "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any "
        "and try again.",
        ("forced_tool_choice", "tool_choice"),
    ),
    (
        "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool "
        "and try again.",
        ("forced_tool_choice", "tool_choice"),
    ),
    ("This model doesn't support the toolConfig.toolChoice.auto field.", ("tool_choice",)),
    (f"{MODEL_SAYS}Thinking may not be enabled when tool_choice forces tool use.", ("forced_tool_choice",)),
    ("This model doesn't support the strict field. Remove strict and try again.", ("strict_tools",)),
    (f"{MODEL_SAYS}tools.0.custom.strict: Extra inputs are not permitted", ("strict_tools",)),
    (
        "messages.2.content: Conversation blocks and tool result blocks cannot be provided in the same turn.",
        ("media_in_tool_results",),
    ),
    (
        "This model doesn't support system messages. Try again without a system message or use a model that "
        "supports system messages.",
        ("system",),
    ),
    ("This model doesn't support system prompts.", ("system",)),
    (
        "This model doesn't support the image field for user messages. Remove image and try again.",
        ("images_in_tool_results", "images"),
    ),
    (
        "This model doesn't support the image field for assistant messages. Remove image and try again.",
        ("images_in_assistant_messages",),
    ),
    (
        "This model doesn't support the image content block that you provided. Update the content block and "
        "try again.",
        ("images_in_tool_results", "images"),
    ),
    ("This model doesn't support images.", ("images_in_tool_results", "images")),
    ("This model does not support image input.", ("images_in_tool_results", "images")),
    ("This model doesn't support documents.", ("documents_in_tool_results", "documents")),
    (
        "This model doesn't support the document field for user messages. Remove document and try again.",
        ("documents_in_tool_results", "documents"),
    ),
    (
        "This model doesn't support the video field for user messages. Remove video and try again.",
        ("video_in_tool_results", "video"),
    ),
    (
        "This model doesn't support the audio field for user messages. Remove audio and try again.",
        ("audio_in_tool_results", "audio"),
    ),
    ("This model doesn't support citations.", ("citations",)),
    (
        "User messages cannot contain reasoning content. Please remove the reasoning content and try again.",
        ("reasoning_in_user_messages", "reasoning"),
    ),
    (
        "This model doesn't support the reasoningContent.reasoningText.signature field. Remove "
        "reasoningContent.reasoningText.signature and try again.",
        ("reasoning_signatures",),
    ),
    (
        "This model doesn't support the reasoningContent.reasoningText.text field for assistant messages.",
        ("reasoning",),
    ),
    (
        f"{MODEL_SAYS}messages.1.content.0: Invalid `signature` in `thinking` block",
        ("reasoning/invalid_signature",),
    ),
    (
        f"{MODEL_SAYS}messages.1.content.0.thinking.signature: Field required",
        ("unsigned_reasoning",),
    ),
    (
        f"{MODEL_SAYS}messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        "`tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
        "block.",
        ("additional_fields.thinking/incomplete_history",),
    ),
    (
        f'{MODEL_SAYS}"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" '
        'and "output_config.effort" to control thinking behavior.',
        ("additional_fields.thinking/type",),
    ),
    (
        f"{MODEL_SAYS}adaptive thinking is not supported on this model",
        ("additional_fields.thinking/type",),
    ),
    ("This model doesn't support guardrails.", ("guardrail",)),
    ("This model doesn't support the guardrailConfig field. Remove guardrailConfig.", ("guardrail",)),
    ("This model doesn't support prompt caching.", ("cache_points",)),
    ("This model doesn't support cachePoint blocks.", ("cache_points",)),
    ("You invoked an unsupported model or your request did not allow prompt caching.", ("cache_points",)),
    (
        f"{MALFORMED}#/toolConfig/tools/18: extraneous key [cachePoint] is not permitted{REFORMAT}",
        ("cache_points_in_tools",),
    ),
    (
        f"{MALFORMED}#/messages/8/content/0: extraneous key [cachePoint] is not permitted{REFORMAT}",
        ("cache_points_in_messages",),
    ),
    (
        f"{MALFORMED}#/system/1: extraneous key [cachePoint] is not permitted{REFORMAT}",
        ("cache_points_in_system",),
    ),
    ("Malformed input request: extraneous key [cachePoint] is not permitted", ("cache_points",)),
    (f"{MODEL_SAYS}system.0.cache_control: Extra inputs are not permitted", ("cache_points_in_system",)),
    (
        f"{MODEL_SAYS}tools.3.custom.cache_control: Extra inputs are not permitted",
        ("cache_points_in_tools",),
    ),
    (
        f"{MODEL_SAYS}messages.0.content.0.text.cache_control: Extra inputs are not permitted",
        ("cache_points_in_messages",),
    ),
    (
        "This model doesn't support the temperature field. Remove temperature and try again.",
        ("temperature",),
    ),
    ("This model doesn't support the topP field. Remove topP and try again.", ("top_p",)),
    (
        "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
        ("stop_sequences",),
    ),
    (
        f"{MODEL_SAYS}`temperature` and `top_p` cannot both be specified for this model.",
        ("top_p/with_temperature",),
    ),
    (f"{MODEL_SAYS}`temperature` is deprecated for this model.", ("temperature",)),
    (f"{MODEL_SAYS}`top_p` is deprecated for this model.", ("top_p",)),
    (f"{MODEL_SAYS}`top_k` is deprecated for this model.", ("top_k",)),
    (
        f"{MODEL_SAYS}temperature: non-default values are not supported for this model",
        ("temperature",),
    ),
    (f"{MODEL_SAYS}`temperature` may only be set to 1 when thinking is enabled.", ("temperature",)),
    (
        f"{MODEL_SAYS}`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        ("top_p",),
    ),
    (f"{MODEL_SAYS}`top_k` must be unset when thinking is enabled or in adaptive mode.", ("top_k",)),
    (
        f"{MODEL_SAYS}stop_sequences: each stop sequence must contain non-whitespace",
        ("stop_sequences/blank",),
    ),
    ("The maximum tokens you requested exceeds the model limit of 8192.", ("max_tokens",)),
    (f"{MODEL_SAYS}invalid beta flag", ("additional_fields.anthropic_beta",)),
    (f"{MALFORMED}#: extraneous key [top_k] is not permitted{REFORMAT}", ("additional_fields.top_k",)),
    (
        f"{MALFORMED}#: extraneous key [top_p] is not permitted#: extraneous key [max_tokens_to_sample] is "
        f"not permitted{REFORMAT}",
        ("additional_fields.top_p", "additional_fields.max_tokens_to_sample"),
    ),
    (
        f"{MALFORMED}#/inferenceConfig: extraneous key [topK] is not permitted{REFORMAT}",
        ("additional_fields.inferenceConfig.topK", "additional_fields.inferenceConfig"),
    ),
    (f"{MODEL_SAYS}top_k: Extra inputs are not permitted", ("additional_fields.top_k",)),
    (
        f"{MODEL_SAYS}output_config.effort: Extra inputs are not permitted",
        ("additional_fields.output_config.effort", "additional_fields.output_config"),
    ),
    (f"{MODEL_SAYS}guardrails: Extra inputs are not permitted", ("additional_fields.guardrails",)),
]


def decided(message: str) -> Decision | None:
    return classify(ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Converse"))


@pytest.mark.parametrize(("message", "features"), REJECTED_FEATURES)
def test_a_rejected_feature_is_recognised_and_otherwise_the_next_model_is_tried(
    message: str, features: tuple[str, ...]
) -> None:
    assert decided(message) == Decision(Next.DROP_FEATURE, Kind.FEATURE, features, otherwise=Next.OTHER_MODEL)


@pytest.mark.parametrize(
    "message",
    [
        # The schema of a tool, and what no message of Converse lets through: nothing that can be left out.
        f"{MALFORMED}#/toolConfig/tools/1/toolSpec/inputSchema/json: extraneous key [$defs] is not permitted",
        "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat.",
        "This model does not support assistant message prefill.",
    ],
)
def test_a_rejection_without_a_known_feature_leaves_the_features_unchanged(message: str) -> None:
    decision = decided(message)
    assert decision is not None
    request = {"messages": [], "toolConfig": {}, "outputConfig": {}, "additionalModelRequestFields": {"x": 1}}
    assert without_features(request, decision.features)[1] == ()
    assert Next.OTHER_MODEL in (decision.next, decision.otherwise)
