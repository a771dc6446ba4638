"""Field names, limits and defaults of the library."""

from __future__ import annotations

from typing import Final

__all__ = [
    "DEFAULT_MAX_RETRIES",
    "DEFAULT_RETRY_DELAY",
    "DEFAULT_TIMEOUT",
    "MAX_DOCUMENTS_PER_REQUEST",
    "MAX_DOCUMENT_SIZE_BYTES",
    "MAX_IMAGES_PER_REQUEST",
    "MAX_IMAGE_SIZE_BYTES",
    "MAX_VIDEOS_PER_REQUEST",
    "MAX_VIDEO_SIZE_BYTES",
    "ContentLimits",
    "ConverseAPIFields",
    "LLMManagerConfig",
    "RetryableErrorTypes",
]


class ConverseAPIFields:
    """Field names and fixed values of Bedrock's Converse and ConverseStream APIs."""

    # Request
    MODEL_ID: Final[str] = "modelId"
    MESSAGES: Final[str] = "messages"
    SYSTEM: Final[str] = "system"
    INFERENCE_CONFIG: Final[str] = "inferenceConfig"
    TOOL_CONFIG: Final[str] = "toolConfig"
    GUARDRAIL_CONFIG: Final[str] = "guardrailConfig"
    ADDITIONAL_MODEL_REQUEST_FIELDS: Final[str] = "additionalModelRequestFields"
    ADDITIONAL_MODEL_RESPONSE_FIELD_PATHS: Final[str] = "additionalModelResponseFieldPaths"
    PROMPT_VARIABLES: Final[str] = "promptVariables"
    REQUEST_METADATA: Final[str] = "requestMetadata"
    PERFORMANCE_CONFIG: Final[str] = "performanceConfig"
    SERVICE_TIER: Final[str] = "serviceTier"
    OUTPUT_CONFIG: Final[str] = "outputConfig"

    # Message
    ROLE: Final[str] = "role"
    CONTENT: Final[str] = "content"
    ROLE_USER: Final[str] = "user"
    ROLE_ASSISTANT: Final[str] = "assistant"
    ROLE_SYSTEM: Final[str] = "system"

    # Content blocks
    TEXT: Final[str] = "text"
    IMAGE: Final[str] = "image"
    DOCUMENT: Final[str] = "document"
    VIDEO: Final[str] = "video"
    AUDIO: Final[str] = "audio"
    TOOL_USE: Final[str] = "toolUse"
    TOOL_RESULT: Final[str] = "toolResult"
    GUARD_CONTENT: Final[str] = "guardContent"
    CACHE_POINT: Final[str] = "cachePoint"
    REASONING_CONTENT: Final[str] = "reasoningContent"
    CITATIONS_CONTENT: Final[str] = "citationsContent"
    SEARCH_RESULT: Final[str] = "searchResult"
    TOOL_ADDITION: Final[str] = "toolAddition"
    TOOL_REMOVAL: Final[str] = "toolRemoval"

    # Inside content blocks
    FORMAT: Final[str] = "format"
    SOURCE: Final[str] = "source"
    BYTES: Final[str] = "bytes"
    S3_LOCATION: Final[str] = "s3Location"
    URI: Final[str] = "uri"
    BUCKET_OWNER: Final[str] = "bucketOwner"
    NAME: Final[str] = "name"
    CONTEXT: Final[str] = "context"
    CITATIONS: Final[str] = "citations"
    ENABLED: Final[str] = "enabled"
    TITLE: Final[str] = "title"
    QUALIFIERS: Final[str] = "qualifiers"
    TYPE: Final[str] = "type"
    TTL: Final[str] = "ttl"
    TOOL_USE_ID: Final[str] = "toolUseId"
    INPUT: Final[str] = "input"
    STATUS: Final[str] = "status"
    JSON: Final[str] = "json"
    REASONING_TEXT: Final[str] = "reasoningText"
    REDACTED_CONTENT: Final[str] = "redactedContent"
    SIGNATURE: Final[str] = "signature"
    ERROR: Final[str] = "error"

    # Inference configuration
    MAX_TOKENS: Final[str] = "maxTokens"
    TEMPERATURE: Final[str] = "temperature"
    TOP_P: Final[str] = "topP"
    STOP_SEQUENCES: Final[str] = "stopSequences"

    # Tool configuration
    TOOLS: Final[str] = "tools"
    TOOL_SPEC: Final[str] = "toolSpec"
    SYSTEM_TOOL: Final[str] = "systemTool"
    TOOL_CHOICE: Final[str] = "toolChoice"
    AUTO: Final[str] = "auto"
    ANY: Final[str] = "any"
    TOOL: Final[str] = "tool"
    DESCRIPTION: Final[str] = "description"
    INPUT_SCHEMA: Final[str] = "inputSchema"
    STRICT: Final[str] = "strict"

    # Guardrail, performance and output configuration
    GUARDRAIL_IDENTIFIER: Final[str] = "guardrailIdentifier"
    GUARDRAIL_VERSION: Final[str] = "guardrailVersion"
    STREAM_PROCESSING_MODE: Final[str] = "streamProcessingMode"
    LATENCY: Final[str] = "latency"
    TEXT_FORMAT: Final[str] = "textFormat"
    STRUCTURE: Final[str] = "structure"
    JSON_SCHEMA: Final[str] = "jsonSchema"
    SCHEMA: Final[str] = "schema"
    EFFORT: Final[str] = "effort"

    # Response
    OUTPUT: Final[str] = "output"
    MESSAGE: Final[str] = "message"
    STOP_REASON: Final[str] = "stopReason"
    USAGE: Final[str] = "usage"
    METRICS: Final[str] = "metrics"
    TRACE: Final[str] = "trace"
    ADDITIONAL_MODEL_RESPONSE_FIELDS: Final[str] = "additionalModelResponseFields"
    INPUT_TOKENS: Final[str] = "inputTokens"
    OUTPUT_TOKENS: Final[str] = "outputTokens"
    TOTAL_TOKENS: Final[str] = "totalTokens"
    CACHE_READ_INPUT_TOKENS: Final[str] = "cacheReadInputTokens"
    CACHE_WRITE_INPUT_TOKENS: Final[str] = "cacheWriteInputTokens"
    CACHE_DETAILS: Final[str] = "cacheDetails"
    LATENCY_MS: Final[str] = "latencyMs"

    # Stop reasons
    STOP_REASON_END_TURN: Final[str] = "end_turn"
    STOP_REASON_TOOL_USE: Final[str] = "tool_use"
    STOP_REASON_MAX_TOKENS: Final[str] = "max_tokens"
    STOP_REASON_STOP_SEQUENCE: Final[str] = "stop_sequence"
    STOP_REASON_GUARDRAIL_INTERVENED: Final[str] = "guardrail_intervened"
    STOP_REASON_CONTENT_FILTERED: Final[str] = "content_filtered"
    STOP_REASON_MALFORMED_MODEL_OUTPUT: Final[str] = "malformed_model_output"
    STOP_REASON_MALFORMED_TOOL_USE: Final[str] = "malformed_tool_use"
    STOP_REASON_MODEL_CONTEXT_WINDOW_EXCEEDED: Final[str] = "model_context_window_exceeded"

    # Stream events
    STREAM: Final[str] = "stream"
    MESSAGE_START: Final[str] = "messageStart"
    CONTENT_BLOCK_START: Final[str] = "contentBlockStart"
    CONTENT_BLOCK_DELTA: Final[str] = "contentBlockDelta"
    CONTENT_BLOCK_STOP: Final[str] = "contentBlockStop"
    CONTENT_BLOCK_INDEX: Final[str] = "contentBlockIndex"
    MESSAGE_STOP: Final[str] = "messageStop"
    METADATA: Final[str] = "metadata"
    START: Final[str] = "start"
    DELTA: Final[str] = "delta"


class LLMManagerConfig:
    """Default settings of a manager. Delays and the timeout are in seconds."""

    DEFAULT_MAX_RETRIES: Final[int] = 3
    DEFAULT_RETRY_DELAY: Final[float] = 1.0
    DEFAULT_BACKOFF_MULTIPLIER: Final[float] = 2.0
    DEFAULT_MAX_RETRY_DELAY: Final[float] = 60.0
    DEFAULT_TIMEOUT: Final[int] = 300


class ContentLimits:
    """Limits of one request as documented by AWS: files in all messages, and bytes of one raw file.

    Some newer models have higher limits: see `catalog/media_limits.json`.
    """

    MAX_IMAGES_PER_REQUEST: Final[int] = 20
    MAX_DOCUMENTS_PER_REQUEST: Final[int] = 5
    MAX_VIDEOS_PER_REQUEST: Final[int] = 1
    MAX_IMAGE_SIZE_BYTES: Final[int] = 3_750_000
    MAX_DOCUMENT_SIZE_BYTES: Final[int] = 4_500_000
    MAX_VIDEO_SIZE_BYTES: Final[int] = 25_000_000


class RetryableErrorTypes:
    """Categories of AWS error codes and botocore exception names.

    `ValidationException` is in no category. Its message decides whether a feature, the access method, the
    model or the request is invalid. The routing table matches messages first.
    """

    # The target's capacity or quota is exhausted: wait or fail over.
    THROTTLING_ERRORS: Final[tuple[str, ...]] = (
        "ThrottlingException",
        "TooManyRequestsException",
        "ServiceQuotaExceededException",
    )
    # The service or the model failed: retry or fail over.
    SERVICE_ERRORS: Final[tuple[str, ...]] = (
        "InternalServerException",
        "InternalFailure",
        "ServiceUnavailableException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ModelErrorException",
        "ModelStreamErrorException",
    )
    # The connection failed, before or during the answer.
    NETWORK_ERRORS: Final[tuple[str, ...]] = (
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "EndpointConnectionError",
        "ConnectionClosedError",
        "ProxyConnectionError",
        "ResponseStreamingError",
    )
    # Access to the target is denied, or it does not exist: fail over.
    ACCESS_ERRORS: Final[tuple[str, ...]] = (
        "AccessDeniedException",
        "ResourceNotFoundException",
        "FTUFormNotFilled",
        "BadCScoreException",
        "MPAgreementBeingCreated",
    )
    # Credentials, clock or request are invalid: no target can succeed.
    NON_RETRYABLE_ERRORS: Final[tuple[str, ...]] = (
        "ExpiredTokenException",
        "ExpiredToken",
        "RequestExpired",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "NotAuthorized",
        "OptInRequired",
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "SSOTokenLoadError",
        "NoRegionError",
        "InvalidRegionError",
        "UnknownEndpointError",
        "SSLError",
        "ParamValidationError",
    )


MAX_IMAGES_PER_REQUEST: Final[int] = ContentLimits.MAX_IMAGES_PER_REQUEST
MAX_DOCUMENTS_PER_REQUEST: Final[int] = ContentLimits.MAX_DOCUMENTS_PER_REQUEST
MAX_VIDEOS_PER_REQUEST: Final[int] = ContentLimits.MAX_VIDEOS_PER_REQUEST
MAX_IMAGE_SIZE_BYTES: Final[int] = ContentLimits.MAX_IMAGE_SIZE_BYTES
MAX_DOCUMENT_SIZE_BYTES: Final[int] = ContentLimits.MAX_DOCUMENT_SIZE_BYTES
MAX_VIDEO_SIZE_BYTES: Final[int] = ContentLimits.MAX_VIDEO_SIZE_BYTES
DEFAULT_MAX_RETRIES: Final[int] = LLMManagerConfig.DEFAULT_MAX_RETRIES
DEFAULT_RETRY_DELAY: Final[float] = LLMManagerConfig.DEFAULT_RETRY_DELAY
DEFAULT_TIMEOUT: Final[int] = LLMManagerConfig.DEFAULT_TIMEOUT
