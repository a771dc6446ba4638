"""Requests, settings and results of `ParallelLLMManager`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from llmmanager.bedrock.exceptions.parallel_exceptions import ParallelConfigurationError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.message_text import as_messages
from llmmanager.bedrock.models.usage import PaidTotals

__all__ = [
    "BedrockConverseRequest",
    "FailureHandlingStrategy",
    "LoadBalancingStrategy",
    "ParallelExecutionStats",
    "ParallelProcessingConfig",
    "ParallelResponse",
]


class FailureHandlingStrategy(Enum):
    """Whether failed requests stop the others."""

    CONTINUE_ON_FAILURE = "continue_on_failure"
    STOP_ON_FIRST_FAILURE = "stop_on_first_failure"
    STOP_ON_THRESHOLD = "stop_on_threshold"


class LoadBalancingStrategy(Enum):
    """How the first region of each request is chosen."""

    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"
    RANDOM = "random"


def _new_request_id() -> str:
    return f"req-{uuid.uuid4().hex}"


def _required_messages() -> list[dict[str, Any]]:
    # The documented order starts with the optional id. A field without a default cannot follow it.
    raise TypeError("BedrockConverseRequest needs messages")


@dataclass(frozen=True)
class BedrockConverseRequest:
    """One Converse request of a parallel run.

    Attributes:
        request_id: the key of the request in the results; generated if None.
        messages: as in `LLMManager.converse`. A string becomes one user message. None requires a managed
            prompt.
        system ... prompt_variables: as in `LLMManager.converse`.
        priority: 0 is the highest; used if prioritization is enabled.
        performance_config, service_tier, output_config, extra_request_fields: as in `converse`.
    """

    request_id: str | None = None
    messages: str | list[dict[str, Any]] | None = field(default_factory=_required_messages)
    system: list[dict[str, Any]] | None = None
    inference_config: dict[str, Any] | None = None
    additional_model_request_fields: dict[str, Any] | None = None
    additional_model_response_field_paths: list[str] | None = None
    guardrail_config: dict[str, Any] | None = None
    tool_config: dict[str, Any] | None = None
    request_metadata: dict[str, Any] | None = None
    prompt_variables: dict[str, Any] | None = None
    priority: int = field(default=0, kw_only=True)
    performance_config: dict[str, Any] | None = field(default=None, kw_only=True)
    service_tier: dict[str, Any] | None = field(default=None, kw_only=True)
    output_config: dict[str, Any] | None = field(default=None, kw_only=True)
    extra_request_fields: dict[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", as_messages(self.messages))
        if self.request_id is None:
            object.__setattr__(self, "request_id", _new_request_id())
        elif not isinstance(self.request_id, str) or not self.request_id:
            raise ParallelConfigurationError(
                f"request_id must be a non-empty string (got {self.request_id!r})",
                "request_id",
                self.request_id,
            )
        if not _is_int(self.priority, 0):
            raise ParallelConfigurationError(
                f"priority must be an integer of at least 0 (got {self.priority!r})",
                "priority",
                self.priority,
            )

    def to_converse_args(self) -> dict[str, Any]:
        """Return the keyword arguments for `LLMManager.converse` that this request sets."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("request_id", "priority") and value is not None
        }


@dataclass(frozen=True)
class ParallelProcessingConfig:
    """Concurrency, timeout and failure handling of parallel runs.

    Attributes:
        max_concurrent_requests: at least 1.
        request_timeout_seconds: maximum duration of a request from its start to its answer or failure.
        failure_threshold: share of failed requests (0.0 to 1.0) above which STOP_ON_THRESHOLD stops.

    Raises:
        ParallelConfigurationError: a value is invalid.
    """

    max_concurrent_requests: int = 10
    request_timeout_seconds: float = 120
    failure_handling_strategy: FailureHandlingStrategy = FailureHandlingStrategy.CONTINUE_ON_FAILURE
    failure_threshold: float = 0.5
    load_balancing_strategy: LoadBalancingStrategy = LoadBalancingStrategy.ROUND_ROBIN
    enable_request_prioritization: bool = False

    def __post_init__(self) -> None:
        self._require(
            "max_concurrent_requests", "an integer of at least 1", _is_int(self.max_concurrent_requests, 1)
        )
        self._require(
            "request_timeout_seconds", "a number above 0", _is_number(self.request_timeout_seconds, above=0)
        )
        self._require(
            "failure_threshold",
            "a number from 0.0 to 1.0",
            _is_number(self.failure_threshold) and 0 <= self.failure_threshold <= 1,
        )
        for name, kind in (
            ("failure_handling_strategy", FailureHandlingStrategy),
            ("load_balancing_strategy", LoadBalancingStrategy),
        ):
            self._require(name, f"a {kind.__name__}", isinstance(getattr(self, name), kind))
        self._require(
            "enable_request_prioritization",
            "True or False",
            isinstance(self.enable_request_prioritization, bool),
        )

    def _require(self, name: str, accepted: str, valid: bool) -> None:
        if not valid:
            value = getattr(self, name)
            raise ParallelConfigurationError(f"{name} must be {accepted} (got {value!r})", name, value)


def _is_number(value: Any, *, above: float | None = None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and (above is None or value > above)


def _is_int(value: Any, minimum: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


@dataclass(frozen=True)
class ParallelExecutionStats:
    """Counts and durations of one parallel run.

    Attributes:
        region_distribution: number of answered requests by region.
        concurrent_executions: maximum number of requests in flight at the same time.
        Durations are in milliseconds and cover the requests that were started.
    """

    total_requests: int = 0
    successful_requests: int = 0
    failed_requests_count: int = 0
    average_request_duration_ms: float = 0.0
    max_request_duration_ms: float = 0.0
    min_request_duration_ms: float = 0.0
    concurrent_executions: int = 0
    region_distribution: dict[str, int] = field(default_factory=dict)

    @property
    def success_rate(self) -> float:
        """Share of answered requests, 0.0 to 1.0."""
        return self.successful_requests / self.total_requests if self.total_requests else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dict."""
        return dict(vars(self))


@dataclass(frozen=True)
class ParallelResponse:
    """The responses of many requests, in request order.

    It can be created with any subset of the fields.

    Attributes:
        success: whether every request succeeded; with CONTINUE_ON_FAILURE, whether at least one did.
        request_responses: responses by request id.
        total_duration_ms: wall time of the run, or None.
        parallel_execution_stats: if not given, counted from `request_responses`.
        failed_requests: ids of the requests without an answer.
    """

    success: bool
    request_responses: dict[str, BedrockResponse] = field(default_factory=dict)
    total_duration_ms: float | None = None
    parallel_execution_stats: ParallelExecutionStats = field(default_factory=ParallelExecutionStats)
    failed_requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = self.parallel_execution_stats
        if not isinstance(given, ParallelExecutionStats) or given == ParallelExecutionStats():
            answered = len(self.get_successful_responses())
            failed = len(self.get_failed_responses())
            stats = ParallelExecutionStats(
                total_requests=answered + failed, successful_requests=answered, failed_requests_count=failed
            )
            object.__setattr__(self, "parallel_execution_stats", stats)

    def get_success_rate(self) -> float:
        """Return the share of answered requests, 0.0 to 1.0."""
        return self.parallel_execution_stats.success_rate

    def get_successful_responses(self) -> dict[str, BedrockResponse]:
        """Return the responses of the answered requests by id."""
        return {key: value for key, value in self._responses().items() if value.success}

    def get_failed_responses(self) -> dict[str, BedrockResponse]:
        """Return the responses of the failed requests by id, with their attempts and errors."""
        return {key: value for key, value in self._responses().items() if not value.success}

    def get_response_by_id(self, request_id: str) -> BedrockResponse | None:
        """Return the response of one request, or None for an unknown id."""
        return self._responses().get(request_id)

    def get_total_tokens_used(self) -> dict[str, int]:
        """Return the tokens of all answers, valid or invalid, with the keys of `BedrockResponse.get_usage()`.

        Return an empty dict if no count is known.
        """
        return self._totals().usage or {}

    def get_total_usage(self) -> dict[str, int] | None:
        """Return the same as `get_total_tokens_used()`, but None if no count is known."""
        return self._totals().usage

    @property
    def estimated_cost_usd(self) -> float | None:
        """Cost of all answers of all requests in USD, or None if no price is known."""
        return self._totals().cost_usd

    @property
    def attempts_with_unknown_usage(self) -> int:
        """Number of attempts whose answer was lost. AWS may have charged for their tokens."""
        return self._totals().unknown_usage

    @property
    def answers_without_price(self) -> int:
        """Number of answers with known token counts and an unknown price."""
        return self._totals().without_price

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe dict of all fields and totals."""
        totals = self._totals()
        return {
            "success": self.success,
            "request_responses": {key: value.to_dict() for key, value in self._responses().items()},
            "total_duration_ms": self.total_duration_ms,
            "parallel_execution_stats": self.parallel_execution_stats.to_dict(),
            "failed_requests": list(self.failed_requests) if isinstance(self.failed_requests, list) else [],
            "total_usage": totals.usage,
            "estimated_cost_usd": totals.cost_usd,
            "attempts_with_unknown_usage": totals.unknown_usage,
            "answers_without_price": totals.without_price,
        }

    def _totals(self) -> PaidTotals:
        return PaidTotals.from_calls(response._totals() for response in self._responses().values())

    def _responses(self) -> dict[str, BedrockResponse]:
        """Return the responses by id. Values of another type are left out: the fields are not validated."""
        given = self.request_responses if isinstance(self.request_responses, dict) else {}
        return {key: value for key, value in given.items() if isinstance(value, BedrockResponse)}
