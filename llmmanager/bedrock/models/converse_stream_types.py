"""Types of the events of ConverseStream. Names and members are those of Bedrock's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from llmmanager.bedrock.models.converse_api_types import TokenUsage
from llmmanager.bedrock.models.converse_citation_types import CitationLocation
from llmmanager.bedrock.models.converse_trace_types import ConverseStreamTrace
from llmmanager.bedrock.models.converse_types import (
    Blob,
    ErrorBlock,
    ImageSource,
    JsonObject,
    PerformanceConfiguration,
    ServiceTier,
)


class ConverseStreamResponse(TypedDict, total=False):
    stream: ConverseStreamOutput


class ConverseStreamOutput(TypedDict, total=False):
    messageStart: MessageStartEvent
    contentBlockStart: ContentBlockStartEvent
    contentBlockDelta: ContentBlockDeltaEvent
    contentBlockStop: ContentBlockStopEvent
    messageStop: MessageStopEvent
    metadata: ConverseStreamMetadataEvent
    internalServerException: InternalServerException
    modelStreamErrorException: ModelStreamErrorException
    validationException: ValidationException
    throttlingException: ThrottlingException
    serviceUnavailableException: ServiceUnavailableException


class MessageStartEvent(TypedDict):
    role: Literal["user", "assistant", "system"]


class ContentBlockStartEvent(TypedDict):
    start: ContentBlockStart
    contentBlockIndex: int


class ContentBlockStart(TypedDict, total=False):
    toolUse: ToolUseBlockStart
    toolResult: ToolResultBlockStart
    image: ImageBlockStart


class ToolUseBlockStart(TypedDict):
    toolUseId: str
    name: str
    type: NotRequired[Literal["server_tool_use"]]


class ToolResultBlockStart(TypedDict):
    toolUseId: str
    type: NotRequired[str]
    status: NotRequired[Literal["success", "error"]]


class ImageBlockStart(TypedDict):
    format: Literal["png", "jpeg", "gif", "webp"]


class ContentBlockDeltaEvent(TypedDict):
    delta: ContentBlockDelta
    contentBlockIndex: int


class ContentBlockDelta(TypedDict, total=False):
    text: str
    toolUse: ToolUseBlockDelta
    toolResult: Sequence[ToolResultBlockDelta]
    reasoningContent: ReasoningContentBlockDelta
    citation: CitationsDelta
    image: ImageBlockDelta


class ToolUseBlockDelta(TypedDict):
    input: str


class ToolResultBlockDelta(TypedDict, total=False):
    text: str
    json: JsonObject


class ReasoningContentBlockDelta(TypedDict, total=False):
    text: str
    redactedContent: Blob
    signature: str


class CitationsDelta(TypedDict, total=False):
    title: str
    source: str
    sourceContent: Sequence[CitationSourceContentDelta]
    location: CitationLocation


class CitationSourceContentDelta(TypedDict, total=False):
    text: str


class ImageBlockDelta(TypedDict, total=False):
    source: ImageSource
    error: ErrorBlock


class ContentBlockStopEvent(TypedDict):
    contentBlockIndex: int


class MessageStopEvent(TypedDict):
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
    additionalModelResponseFields: NotRequired[JsonObject]


class ConverseStreamMetadataEvent(TypedDict):
    usage: TokenUsage
    metrics: ConverseStreamMetrics
    trace: NotRequired[ConverseStreamTrace]
    performanceConfig: NotRequired[PerformanceConfiguration]
    serviceTier: NotRequired[ServiceTier]


class ConverseStreamMetrics(TypedDict):
    latencyMs: int


class InternalServerException(TypedDict, total=False):
    message: str


class ModelStreamErrorException(TypedDict, total=False):
    message: str
    originalStatusCode: int
    originalMessage: str


class ValidationException(TypedDict, total=False):
    message: str


class ThrottlingException(TypedDict, total=False):
    message: str


class ServiceUnavailableException(TypedDict, total=False):
    message: str
