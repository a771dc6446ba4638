"""The order of docs/api.md: its sections, the public names in them, and links to the guides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CATALOG: Final = "llmmanager.bedrock.catalog"
_TESTING: Final = "llmmanager.testing"


@dataclass(frozen=True, slots=True)
class Entry:
    """A class or function of the page.

    Attributes:
        name: its name.
        module: the module from which users import it.
        guide: a sentence with links to pages that explain more, or nothing.
        has_constructor: whether users create objects of the class.
    """

    name: str
    module: str = "llmmanager"
    guide: str = ""
    has_constructor: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page, with a text before its entries."""

    title: str
    entries: tuple[Entry, ...]
    text: str = ""


SECTIONS: Final = (
    Section(
        "Managers",
        (
            Entry(
                "LLMManager",
                guide="Guides: [models and access](guides/models-and-access.md), "
                "[authentication](guides/authentication.md), "
                "[failover and retries](guides/failover-and-retries.md), "
                "[cooldowns](guides/failover-and-retries.md#cooldowns), [quotas](guides/quotas.md), "
                "[deadlines](guides/deadlines.md), [async](guides/async.md), [messages](guides/messages.md), "
                "[managed prompts](guides/messages.md#managed-prompts), "
                "[structured output](guides/structured-output.md), "
                "[tokens and caching](guides/tokens-and-caching.md), [errors](guides/errors.md).",
            ),
            Entry("ParallelLLMManager", guide="Guide: [many requests at once](guides/parallel.md)."),
        ),
    ),
    Section(
        "Requests and responses",
        (
            Entry("BedrockConverseRequest"),
            Entry("BedrockResponse"),
            Entry("ParsedResponse", guide="Guide: [structured output](guides/structured-output.md)."),
            Entry("structured_output", guide="Guide: [structured output](guides/structured-output.md)."),
            Entry("RecordedError", "llmmanager.bedrock.models.bedrock_response"),
            Entry("RequestAttempt"),
            Entry(
                "StreamingResponse",
                guide="Guide: [streaming](guides/streaming.md).",
                has_constructor=False,
            ),
            Entry(
                "AsyncStreamingResponse",
                guide="Guide: [async](guides/async.md#streams).",
                has_constructor=False,
            ),
            Entry("ParallelResponse"),
            Entry("ParallelExecutionStats"),
        ),
        "Messages, tools and settings are dicts. Their types are TypedDicts with Bedrock's members, "
        "in `llmmanager.bedrock.models.converse_types`. An `UntypedDict` is a `dict[str, Any]`. "
        "[Messages](guides/messages.md#types) describes both.",
    ),
    Section(
        "Parts of an answer",
        (
            *(
                Entry(name)
                for name in (
                    *("ToolUse", "ReasoningContent", "Citation", "CacheDetail", "ResponseContentType"),
                    *("get_block_type", "StopReasonEnum", "StopReasonCategory", "StopReasonClassifier"),
                )
            ),
        ),
    ),
    Section(
        "Messages",
        (
            Entry("Conversation", guide="Guide: [messages](guides/messages.md#conversations)."),
            Entry("MessageBuilder", guide="Guide: [messages](guides/messages.md#message-builder)."),
            *(
                Entry(name)
                for name in (
                    *("create_message", "create_user_message", "create_assistant_message", "CacheConfig"),
                    *("RolesEnum", "ImageFormatEnum", "DocumentFormatEnum", "VideoFormatEnum"),
                    *("DetectionMethodEnum", "ToolResultStatusEnum", "CachePointTTLEnum"),
                    *("GuardContentQualifierEnum", "build_cache_point", "build_json_schema_output_config"),
                )
            ),
        ),
    ),
    Section(
        "Configuration",
        (
            Entry(
                "RetryConfig",
                guide="Guides: [failover and retries](guides/failover-and-retries.md), [throttling and price]"
                "(guides/failover-and-retries.md#throttling-and-price), "
                "[access methods](guides/models-and-access.md#access-methods).",
            ),
            Entry("RetryStrategy"),
            Entry("ModelQuota", guide="Guide: [quotas](guides/quotas.md)."),
            Entry("AuthConfig", guide="Guide: [authentication](guides/authentication.md)."),
            Entry("AuthenticationType"),
            Entry(
                "ResponseValidationConfig",
                guide="Guide: [response validation](guides/response-validation.md).",
            ),
            Entry("ValidationResult"),
            Entry("ParallelProcessingConfig", guide="Guide: [many requests at once](guides/parallel.md)."),
            Entry("FailureHandlingStrategy"),
            Entry("LoadBalancingStrategy"),
            Entry("Deadline", guide="Guide: [deadlines](guides/deadlines.md)."),
        ),
        "Configurations are immutable. An error about a value names its field and the accepted values.",
    ),
    Section(
        "Catalog",
        (
            Entry(
                "UnifiedModelManager",
                guide="Guide: [models and access](guides/models-and-access.md).",
            ),
            Entry("ModelAccess", f"{_CATALOG}.catalog_entries"),
            Entry("AccessMethod", f"{_CATALOG}.catalog_entries"),
            Entry("ModelEntry", f"{_CATALOG}.catalog_entries"),
            Entry("RegionCatalog", f"{_CATALOG}.catalog_entries"),
            Entry("AccessQuota", f"{_CATALOG}.catalog_entries"),
            Entry("ApplicationProfile", f"{_CATALOG}.catalog_entries"),
            Entry("FetchResult", f"{_CATALOG}.bedrock_api"),
            Entry("ResolvedModel", f"{_CATALOG}.names"),
            Entry("CatalogStore", f"{_CATALOG}.stores"),
            Entry("MemoryStore", f"{_CATALOG}.stores"),
            Entry("FileStore", f"{_CATALOG}.stores"),
            Entry("DynamoDBStore", f"{_CATALOG}.dynamodb_store"),
        ),
    ),
    Section(
        "Tokens and costs",
        (
            Entry("InputTokenCount", guide="Guide: [tokens and caching](guides/tokens-and-caching.md)."),
            Entry(
                "CostEstimate",
                guide="Guide: [cost before a request is sent](guides/costs.md#before-a-request-is-sent).",
            ),
            Entry("TargetCost"),
            Entry(
                "FileCostEstimate",
                guide="Guide: [cost before a request is sent](guides/costs.md#before-a-request-is-sent).",
            ),
            Entry("ModelCost"),
            Entry("LaneComparison"),
            Entry("LaneEstimate"),
            Entry("Lane"),
            Entry("estimate_cost", guide="Guide: [costs](guides/costs.md)."),
            Entry(
                "PlannedAttempt",
                guide="Guide: [limit what a call may cost]"
                "(guides/costs.md#limit-what-a-call-may-cost-before_attempt).",
            ),
            Entry("AttemptGuard", has_constructor=False),
        ),
    ),
    Section(
        "Exceptions",
        (
            Entry("LLMManagerError"),
            Entry("ConfigurationError"),
            Entry("RequestValidationError"),
            Entry("ContentError"),
            Entry("AuthenticationError"),
            Entry("RetryExhaustedError"),
            Entry("DeadlineExceededError"),
            Entry("QuotaExceededError"),
            Entry("InvalidResponseError", "llmmanager.bedrock.exceptions.llm_manager_exceptions"),
            Entry("StructuredOutputError"),
            Entry("InvalidAnswerError"),
            Entry("TruncatedAnswerError"),
            Entry("RefusedAnswerError"),
            Entry("ToolCallError"),
            Entry("ParallelProcessingError"),
            Entry("ParallelConfigurationError"),
            Entry("RequestIdCollisionError"),
            Entry("RegionDistributionError"),
            Entry("ParallelExecutionError"),
            Entry("RequestNotStartedError"),
        ),
        "[Errors](guides/errors.md) describes when each exception is raised, and which to catch.",
    ),
    Section(
        "Testing",
        (
            *(
                Entry(name, _TESTING)
                for name in (
                    *(
                        "FakeBedrock",
                        "Answer",
                        "Scope",
                        "Fault",
                        "Quota",
                        "Latency",
                        "JobSettings",
                        "JobFault",
                        "Call",
                        "ModelUsage",
                    ),
                    *("TokenCount", "ServiceError", "FakeCatalog", "FakeModel"),
                )
            ),
        ),
        "[Testing your code](guides/testing.md) shows how to use these classes.",
    ),
)
