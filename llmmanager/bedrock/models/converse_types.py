"""Types of what callers send to Converse: messages, content blocks, tools and settings.

Names and members are those of Bedrock's API. At run time, a value is a plain dict. Of a type "exactly one
of the members", a type checker accepts several members, and `LLMManager` does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from llmmanager.bedrock.models.converse_citation_types import CitationsContentBlock

JsonObject: TypeAlias = Mapping[str, Any]
Blob: TypeAlias = bytes | bytearray | memoryview


class UntypedValue:
    """The type of the values of an `UntypedDict`. It has no instances."""


UntypedDict: TypeAlias = dict[str, UntypedValue]
"""A `dict[str, Any]` that was built elsewhere.

`Any` agrees with `UntypedValue`, and the values in a dict literal do not. So a parameter of the type
`Message | UntypedDict` accepts a `dict[str, Any]`, and type checkers still find misspelled keys in a literal.
"""


class Message(TypedDict):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: Sequence[ContentBlock]


class ContentBlock(TypedDict, total=False):
    """A part of a message: exactly one of the members."""

    text: str
    image: ImageBlock
    document: DocumentBlock
    video: VideoBlock
    audio: AudioBlock
    toolUse: ToolUseBlock
    toolResult: ToolResultBlock
    guardContent: GuardrailConverseContentBlock
    cachePoint: CachePointBlock
    reasoningContent: ReasoningContentBlock
    citationsContent: CitationsContentBlock
    searchResult: SearchResultBlock
    toolAddition: ToolAdditionBlock
    toolRemoval: ToolRemovalBlock


class SystemContentBlock(TypedDict, total=False):
    """A part of the system prompt: exactly one of the members."""

    text: str
    guardContent: GuardrailConverseContentBlock
    cachePoint: CachePointBlock


class ImageBlock(TypedDict):
    """An image."""

    format: Literal["png", "jpeg", "gif", "webp"]
    source: ImageSource
    error: NotRequired[ErrorBlock]


class ImageSource(TypedDict, total=False):
    bytes: Blob
    s3Location: S3Location


class S3Location(TypedDict):
    """A file in S3."""

    uri: str
    bucketOwner: NotRequired[str]


class ErrorBlock(TypedDict, total=False):
    """Why a generated file is missing."""

    message: str


class DocumentBlock(TypedDict):
    """A document."""

    format: NotRequired[Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]]
    name: str
    source: DocumentSource
    context: NotRequired[str]
    citations: NotRequired[CitationsConfig]


class DocumentSource(TypedDict, total=False):
    bytes: Blob
    s3Location: S3Location
    text: str
    content: Sequence[DocumentContentBlock]


class DocumentContentBlock(TypedDict, total=False):
    """A part of the text of a document."""

    text: str


class CitationsConfig(TypedDict):
    """Whether the model cites a document."""

    enabled: bool


class VideoBlock(TypedDict):
    """A video."""

    format: Literal["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"]
    source: VideoSource


class VideoSource(TypedDict, total=False):
    bytes: Blob
    s3Location: S3Location


class AudioBlock(TypedDict):
    """A recording."""

    format: Literal[
        "mp3",
        "opus",
        "wav",
        "aac",
        "flac",
        "mp4",
        "ogg",
        "mkv",
        "mka",
        "x-aac",
        "m4a",
        "mpeg",
        "mpga",
        "pcm",
        "webm",
    ]
    source: AudioSource
    error: NotRequired[ErrorBlock]


class AudioSource(TypedDict, total=False):
    bytes: Blob
    s3Location: S3Location


class ToolUseBlock(TypedDict):
    """A call of a tool by the model."""

    toolUseId: str
    name: str
    input: JsonObject
    type: NotRequired[Literal["server_tool_use"]]


class ToolResultBlock(TypedDict):
    """The result of a call of a tool."""

    toolUseId: str
    content: Sequence[ToolResultContentBlock]
    status: NotRequired[Literal["success", "error"]]
    type: NotRequired[str]


class ToolResultContentBlock(TypedDict, total=False):
    """A part of a tool's result: exactly one of the members."""

    json: JsonObject
    text: str
    image: ImageBlock
    document: DocumentBlock
    video: VideoBlock
    searchResult: SearchResultBlock


class SearchResultBlock(TypedDict):
    """A passage that the model can cite."""

    source: str
    title: str
    content: Sequence[SearchResultContentBlock]
    citations: NotRequired[CitationsConfig]


class SearchResultContentBlock(TypedDict):
    """A part of a passage."""

    text: str


class GuardrailConverseContentBlock(TypedDict, total=False):
    """Content that a guardrail checks: exactly one of the members."""

    text: GuardrailConverseTextBlock
    image: GuardrailConverseImageBlock


class GuardrailConverseTextBlock(TypedDict):
    """Text that a guardrail checks."""

    text: str
    qualifiers: NotRequired[Sequence[Literal["grounding_source", "query", "guard_content"]]]


class GuardrailConverseImageBlock(TypedDict):
    """An image that a guardrail checks."""

    format: Literal["png", "jpeg"]
    source: GuardrailConverseImageSource


class GuardrailConverseImageSource(TypedDict, total=False):
    """The bytes of an image that a guardrail checks."""

    bytes: Blob


class CachePointBlock(TypedDict):
    """The end of a prefix that Bedrock caches."""

    type: Literal["default"]
    ttl: NotRequired[Literal["5m", "1h"]]


class ReasoningContentBlock(TypedDict, total=False):
    """Reasoning of the model: exactly one of the members."""

    reasoningText: ReasoningTextBlock
    redactedContent: Blob


class ReasoningTextBlock(TypedDict):
    """Text of reasoning, with a signature that must be sent back unchanged."""

    text: str
    signature: NotRequired[str]


class ToolAdditionBlock(TypedDict):
    """Adds a tool from here on."""

    tool: ToolReference


class ToolReference(TypedDict, total=False):
    """A tool by its name."""

    type: str
    name: str
    serverName: str


class ToolRemovalBlock(TypedDict):
    """Removes a tool from here on."""

    tool: ToolReference


class InferenceConfiguration(TypedDict, total=False):
    """Parameters of the generation."""

    maxTokens: int
    temperature: float
    topP: float
    stopSequences: Sequence[str]


class ToolConfiguration(TypedDict):
    """The tools that the model can call."""

    tools: Sequence[Tool]
    toolChoice: NotRequired[ToolChoice]


class Tool(TypedDict, total=False):
    """A tool: exactly one of the members."""

    toolSpec: ToolSpecification
    systemTool: SystemTool
    cachePoint: CachePointBlock


class ToolSpecification(TypedDict):
    """A tool that the caller runs."""

    name: str
    description: NotRequired[str]
    inputSchema: ToolInputSchema
    strict: NotRequired[bool]


class ToolInputSchema(TypedDict, total=False):
    """The JSON schema of a tool's input."""

    json: JsonObject


class SystemTool(TypedDict):
    """A tool that Bedrock runs."""

    name: str


class ToolChoice(TypedDict, total=False):
    """Whether the model must call a tool: exactly one of the members."""

    auto: AutoToolChoice
    any: AnyToolChoice
    tool: SpecificToolChoice


class AutoToolChoice(TypedDict, total=False):
    """The model decides."""


class AnyToolChoice(TypedDict, total=False):
    """The model must call a tool."""


class SpecificToolChoice(TypedDict):
    """The model must call this tool."""

    name: str


class GuardrailConfiguration(TypedDict, total=False):
    """A guardrail."""

    guardrailIdentifier: str
    guardrailVersion: str
    trace: Literal["enabled", "disabled", "enabled_full"]


class PromptVariableValues(TypedDict, total=False):
    """The value of a variable of a managed prompt."""

    text: str


class PerformanceConfiguration(TypedDict, total=False):
    """The latency of the model."""

    latency: Literal["standard", "optimized"]


class ServiceTier(TypedDict):
    """The service tier."""

    type: Literal["priority", "default", "flex", "reserved"]


class OutputConfig(TypedDict, total=False):
    """The form of the answer."""

    textFormat: OutputFormat
    effort: str


class OutputFormat(TypedDict):
    """The format of the answer."""

    type: Literal["json_schema"]
    structure: OutputFormatStructure


class OutputFormatStructure(TypedDict, total=False):
    """The schema of the answer."""

    jsonSchema: JsonSchemaDefinition


class JsonSchemaDefinition(TypedDict):
    """A JSON schema as text."""

    schema: str
    name: NotRequired[str]
    description: NotRequired[str]


class GuardrailStreamConfiguration(GuardrailConfiguration, total=False):
    """A guardrail, and how it checks a stream."""

    streamProcessingMode: Literal["sync", "async"]
