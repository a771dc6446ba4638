"""Types of whole requests and responses of Converse and CountTokens.

Names and members are those of Bedrock's API, except `ConverseRequestBody` and `ConverseStreamRequestBody`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from llmmanager.bedrock.models.converse_trace_types import ConverseTrace
from llmmanager.bedrock.models.converse_types import (
    Blob,
    GuardrailConfiguration,
    GuardrailStreamConfiguration,
    InferenceConfiguration,
    JsonObject,
    Message,
    OutputConfig,
    PerformanceConfiguration,
    PromptVariableValues,
    ServiceTier,
    SystemContentBlock,
    ToolConfiguration,
)


class ConverseRequestBody(TypedDict):
    """A request of Converse."""

    modelId: str
    messages: NotRequired[Sequence[Message]]
    system: NotRequired[Sequence[SystemContentBlock]]
    inferenceConfig: NotRequired[InferenceConfiguration]
    toolConfig: NotRequired[ToolConfiguration]
    guardrailConfig: NotRequired[GuardrailConfiguration]
    additionalModelRequestFields: NotRequired[JsonObject]
    promptVariables: NotRequired[Mapping[str, PromptVariableValues]]
    additionalModelResponseFieldPaths: NotRequired[Sequence[str]]
    requestMetadata: NotRequired[Mapping[str, str]]
    performanceConfig: NotRequired[PerformanceConfiguration]
    serviceTier: NotRequired[ServiceTier]
    outputConfig: NotRequired[OutputConfig]


class ConverseStreamRequestBody(TypedDict):
    """A request of ConverseStream."""

    modelId: str
    messages: NotRequired[Sequence[Message]]
    system: NotRequired[Sequence[SystemContentBlock]]
    inferenceConfig: NotRequired[InferenceConfiguration]
    toolConfig: NotRequired[ToolConfiguration]
    guardrailConfig: NotRequired[GuardrailStreamConfiguration]
    additionalModelRequestFields: NotRequired[JsonObject]
    promptVariables: NotRequired[Mapping[str, PromptVariableValues]]
    additionalModelResponseFieldPaths: NotRequired[Sequence[str]]
    requestMetadata: NotRequired[Mapping[str, str]]
    performanceConfig: NotRequired[PerformanceConfiguration]
    serviceTier: NotRequired[ServiceTier]
    outputConfig: NotRequired[OutputConfig]


class ConverseResponse(TypedDict):
    """A response of Converse."""

    output: ConverseOutput
    stopReason: Literal[
        "end_turn",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "guardrail_intervened",
        "content_filtered",
        "malformed_model_output",
        "malformed_tool_use",
        "model_context_window_exceeded",
    ]
    usage: TokenUsage
    metrics: ConverseMetrics
    additionalModelResponseFields: NotRequired[JsonObject]
    trace: NotRequired[ConverseTrace]
    performanceConfig: NotRequired[PerformanceConfiguration]
    serviceTier: NotRequired[ServiceTier]


class ConverseOutput(TypedDict, total=False):
    """The message of a response."""

    message: Message


class TokenUsage(TypedDict):
    """Tokens of a request and its answer."""

    inputTokens: int
    outputTokens: int
    totalTokens: int
    cacheReadInputTokens: NotRequired[int]
    cacheWriteInputTokens: NotRequired[int]
    cacheDetails: NotRequired[Sequence[TokenCacheDetail]]


class TokenCacheDetail(TypedDict):
    """Tokens written to the cache, by their time to live."""

    ttl: Literal["5m", "1h"]
    inputTokens: int


class ConverseMetrics(TypedDict):
    """Latency as measured by Bedrock."""

    latencyMs: int


class CountTokensRequest(TypedDict):
    """A request of CountTokens."""

    modelId: str
    input: CountTokensInput


class CountTokensInput(TypedDict, total=False):
    """What CountTokens counts: exactly one of the members."""

    invokeModel: InvokeModelTokensRequest
    converse: ConverseTokensRequest


class ConverseTokensRequest(TypedDict, total=False):
    """The part of a request of Converse that CountTokens reads."""

    messages: Sequence[Message]
    system: Sequence[SystemContentBlock]
    toolConfig: ToolConfiguration
    additionalModelRequestFields: JsonObject


class InvokeModelTokensRequest(TypedDict):
    """The body of a request of InvokeModel."""

    body: Blob


class CountTokensResponse(TypedDict):
    """A response of CountTokens."""

    inputTokens: int
