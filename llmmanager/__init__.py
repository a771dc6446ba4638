"""LLMManager for Amazon Bedrock: Converse requests with failover, retries and cost tracking.

All public names can be imported from here. A name's module is loaded when the name is first used, so
`import llmmanager` loads neither boto3 nor botocore.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmmanager.batch_lanes.lane import Lane
    from llmmanager.batch_lanes.lane_comparison import LaneComparison
    from llmmanager.batch_lanes.lane_estimate import LaneEstimate
    from llmmanager.bedrock.async_calls.async_streaming_response import AsyncStreamingResponse
    from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
    from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
        AuthenticationError,
        ConfigurationError,
        ContentError,
        DeadlineExceededError,
        LLMManagerError,
        QuotaExceededError,
        RequestValidationError,
        RetryExhaustedError,
    )
    from llmmanager.bedrock.exceptions.parallel_exceptions import (
        ParallelConfigurationError,
        ParallelExecutionError,
        ParallelProcessingError,
        RegionDistributionError,
        RequestIdCollisionError,
        RequestNotStartedError,
    )
    from llmmanager.bedrock.exceptions.structured_output_errors import (
        InvalidAnswerError,
        RefusedAnswerError,
        StructuredOutputError,
        ToolCallError,
        TruncatedAnswerError,
    )
    from llmmanager.bedrock.models.answer_parts import (
        CacheDetail,
        Citation,
        ReasoningContent,
        ResponseContentType,
        ToolUse,
        get_block_type,
    )
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard, PlannedAttempt
    from llmmanager.bedrock.models.bedrock_response import BedrockResponse
    from llmmanager.bedrock.models.cost_estimates import (
        CostEstimate,
        FileCostEstimate,
        ModelCost,
        TargetCost,
    )
    from llmmanager.bedrock.models.deadline import Deadline
    from llmmanager.bedrock.models.llm_manager_structures import (
        AuthConfig,
        AuthenticationType,
        RequestAttempt,
        ResponseValidationConfig,
        RetryConfig,
        RetryStrategy,
        ValidationResult,
    )
    from llmmanager.bedrock.models.model_quota import ModelQuota
    from llmmanager.bedrock.models.parallel_structures import (
        BedrockConverseRequest,
        FailureHandlingStrategy,
        LoadBalancingStrategy,
        ParallelExecutionStats,
        ParallelProcessingConfig,
        ParallelResponse,
    )
    from llmmanager.bedrock.models.parsed_response import ParsedResponse
    from llmmanager.bedrock.models.request_parts import build_cache_point, build_json_schema_output_config
    from llmmanager.bedrock.models.stop_reasons import (
        StopReasonCategory,
        StopReasonClassifier,
        StopReasonEnum,
    )
    from llmmanager.bedrock.models.streaming_response import StreamingResponse
    from llmmanager.bedrock.models.token_count import InputTokenCount
    from llmmanager.bedrock.pricing import estimate_cost
    from llmmanager.bedrock.structured.parsing import structured_output
    from llmmanager.conversation import Conversation
    from llmmanager.llm_manager import LLMManager
    from llmmanager.message_builder import (
        CacheConfig,
        MessageBuilder,
        create_assistant_message,
        create_message,
        create_user_message,
    )
    from llmmanager.message_builder_enums import (
        CachePointTTLEnum,
        DetectionMethodEnum,
        DocumentFormatEnum,
        GuardContentQualifierEnum,
        ImageFormatEnum,
        RolesEnum,
        ToolResultStatusEnum,
        VideoFormatEnum,
    )
    from llmmanager.parallel_llm_manager import ParallelLLMManager

__version__ = "0.1.0"

_MODELS = "llmmanager.bedrock.models"
_EXCEPTIONS = "llmmanager.bedrock.exceptions"
_EXPORTS = {
    "llmmanager.conversation": ("Conversation",),
    "llmmanager.llm_manager": ("LLMManager",),
    "llmmanager.parallel_llm_manager": ("ParallelLLMManager",),
    "llmmanager.bedrock.catalog.unified_model_manager": ("UnifiedModelManager",),
    "llmmanager.bedrock.pricing": ("estimate_cost",),
    "llmmanager.batch_lanes.lane": ("Lane",),
    "llmmanager.batch_lanes.lane_comparison": ("LaneComparison",),
    "llmmanager.batch_lanes.lane_estimate": ("LaneEstimate",),
    f"{_MODELS}.attempt_guard": ("AttemptGuard", "PlannedAttempt"),
    "llmmanager.message_builder": (
        "CacheConfig",
        "MessageBuilder",
        "create_assistant_message",
        "create_message",
        "create_user_message",
    ),
    "llmmanager.message_builder_enums": (
        "CachePointTTLEnum",
        "DetectionMethodEnum",
        "DocumentFormatEnum",
        "GuardContentQualifierEnum",
        "ImageFormatEnum",
        "RolesEnum",
        "ToolResultStatusEnum",
        "VideoFormatEnum",
    ),
    f"{_MODELS}.answer_parts": (
        "CacheDetail",
        "Citation",
        "ReasoningContent",
        "ResponseContentType",
        "ToolUse",
        "get_block_type",
    ),
    f"{_MODELS}.request_parts": (
        "build_cache_point",
        "build_json_schema_output_config",
    ),
    f"{_MODELS}.stop_reasons": (
        "StopReasonCategory",
        "StopReasonClassifier",
        "StopReasonEnum",
    ),
    "llmmanager.bedrock.async_calls.async_streaming_response": ("AsyncStreamingResponse",),
    f"{_MODELS}.bedrock_response": ("BedrockResponse",),
    f"{_MODELS}.cost_estimates": ("CostEstimate", "FileCostEstimate", "ModelCost", "TargetCost"),
    f"{_MODELS}.deadline": ("Deadline",),
    f"{_MODELS}.llm_manager_structures": (
        "AuthConfig",
        "AuthenticationType",
        "RequestAttempt",
        "ResponseValidationConfig",
        "RetryConfig",
        "RetryStrategy",
        "ValidationResult",
    ),
    f"{_MODELS}.model_quota": ("ModelQuota",),
    f"{_MODELS}.parallel_structures": (
        "BedrockConverseRequest",
        "FailureHandlingStrategy",
        "LoadBalancingStrategy",
        "ParallelExecutionStats",
        "ParallelProcessingConfig",
        "ParallelResponse",
    ),
    f"{_MODELS}.parsed_response": ("ParsedResponse",),
    f"{_MODELS}.streaming_response": ("StreamingResponse",),
    f"{_MODELS}.token_count": ("InputTokenCount",),
    "llmmanager.bedrock.structured.parsing": ("structured_output",),
    f"{_EXCEPTIONS}.structured_output_errors": (
        "InvalidAnswerError",
        "RefusedAnswerError",
        "StructuredOutputError",
        "ToolCallError",
        "TruncatedAnswerError",
    ),
    f"{_EXCEPTIONS}.llm_manager_exceptions": (
        "AuthenticationError",
        "ConfigurationError",
        "ContentError",
        "DeadlineExceededError",
        "LLMManagerError",
        "QuotaExceededError",
        "RequestValidationError",
        "RetryExhaustedError",
    ),
    f"{_EXCEPTIONS}.parallel_exceptions": (
        "ParallelConfigurationError",
        "ParallelExecutionError",
        "ParallelProcessingError",
        "RegionDistributionError",
        "RequestIdCollisionError",
        "RequestNotStartedError",
    ),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "AsyncStreamingResponse",
    "AttemptGuard",
    "AuthConfig",
    "AuthenticationError",
    "AuthenticationType",
    "BedrockConverseRequest",
    "BedrockResponse",
    "CacheConfig",
    "CacheDetail",
    "CachePointTTLEnum",
    "Citation",
    "ConfigurationError",
    "ContentError",
    "Conversation",
    "CostEstimate",
    "Deadline",
    "DeadlineExceededError",
    "DetectionMethodEnum",
    "DocumentFormatEnum",
    "FailureHandlingStrategy",
    "FileCostEstimate",
    "GuardContentQualifierEnum",
    "ImageFormatEnum",
    "InputTokenCount",
    "InvalidAnswerError",
    "LLMManager",
    "LLMManagerError",
    "Lane",
    "LaneComparison",
    "LaneEstimate",
    "LoadBalancingStrategy",
    "MessageBuilder",
    "ModelCost",
    "ModelQuota",
    "ParallelConfigurationError",
    "ParallelExecutionError",
    "ParallelExecutionStats",
    "ParallelLLMManager",
    "ParallelProcessingConfig",
    "ParallelProcessingError",
    "ParallelResponse",
    "ParsedResponse",
    "PlannedAttempt",
    "QuotaExceededError",
    "ReasoningContent",
    "RefusedAnswerError",
    "RegionDistributionError",
    "RequestAttempt",
    "RequestIdCollisionError",
    "RequestNotStartedError",
    "RequestValidationError",
    "ResponseContentType",
    "ResponseValidationConfig",
    "RetryConfig",
    "RetryExhaustedError",
    "RetryStrategy",
    "RolesEnum",
    "StopReasonCategory",
    "StopReasonClassifier",
    "StopReasonEnum",
    "StreamingResponse",
    "StructuredOutputError",
    "TargetCost",
    "ToolCallError",
    "ToolResultStatusEnum",
    "ToolUse",
    "TruncatedAnswerError",
    "UnifiedModelManager",
    "ValidationResult",
    "VideoFormatEnum",
    "build_cache_point",
    "build_json_schema_output_config",
    "create_assistant_message",
    "create_message",
    "create_user_message",
    "estimate_cost",
    "get_block_type",
    "structured_output",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
