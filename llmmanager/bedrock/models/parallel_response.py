"""The result of a run of `ParallelLLMManager`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.models.bedrock_response import BedrockResponse, RecordedError
from llmmanager.bedrock.models.request_attempt import as_list
from llmmanager.bedrock.models.usage import PaidTotals


@dataclass(frozen=True)
class ParallelExecutionStats:
    """Counts and durations of one parallel run.

    Attributes:
        total_requests: number of requests.
        successful_requests: number of answered requests.
        failed_requests_count: number of requests without an answer.
        average_request_duration_ms, max_request_duration_ms, min_request_duration_ms: durations of the
            requests that were started, in milliseconds.
        concurrent_executions: highest number of requests that ran at the same time.
        region_distribution: number of answered requests by region.
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
        """Return the fields as a dict for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class ParallelResponse:
    """The responses of many requests, in request order.

    It can be created with any subset of the fields.

    Attributes:
        success: whether every request succeeded; with CONTINUE_ON_FAILURE, whether at least one did.
        request_responses: responses by request id, in the order of the requests.
        total_duration_ms: duration of the run in milliseconds, or None.
        parallel_execution_stats: counts and durations; by default counted from `request_responses`.
        failed_requests: ids of the requests without an answer.
        original_requests: each `BedrockConverseRequest` by its id, for
            `ParallelLLMManager.retry_failed_requests`. They are not part of `to_dict()`.
    """

    success: bool
    request_responses: dict[str, BedrockResponse] = field(default_factory=dict)
    total_duration_ms: float | None = None
    parallel_execution_stats: ParallelExecutionStats = field(default_factory=ParallelExecutionStats)
    failed_requests: list[str] = field(default_factory=list)
    original_requests: Mapping[str, Any] = field(default_factory=dict, repr=False)

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

    @property
    def successful_request_ids(self) -> list[str]:
        """Ids of the answered requests, in request order."""
        return list(self.get_successful_responses())

    @property
    def failed_request_ids(self) -> list[str]:
        """Ids of the failed requests without those in `timed_out_request_ids`, in request order."""
        timed_out = self.timed_out_request_ids
        return [key for key in self.get_failed_responses() if key not in timed_out]

    @property
    def timed_out_request_ids(self) -> list[str]:
        """Ids of the requests that reached `request_timeout_seconds` or the deadline of the run, in order."""
        return list(self.get_failed_by_exception_type("DeadlineExceededError"))

    def get_retryable_request_ids(self) -> list[str]:
        """Return the ids of all requests that failed or whose time was over, in request order."""
        return list(self.get_failed_responses())

    def get_failed_by_exception_type(self, exception_type: str) -> dict[str, BedrockResponse]:
        """Return the failed responses whose last error has this class name or AWS error code, by id."""
        return {
            key: value
            for key, value in self.get_failed_responses().items()
            if exception_type in _names(value.get_last_error())
        }

    def get_requests_by_access_method(self, access_method: str) -> dict[str, BedrockResponse]:
        """Return the responses that came by an access method such as "global_profile", by id."""
        return {
            key: value for key, value in self._responses().items() if value.access_method == access_method
        }

    def get_average_latency(self) -> float | None:
        """Return the average of `api_latency_ms` of the answered requests, or None if it is unknown."""
        latencies = [response.api_latency_ms for response in self.get_successful_responses().values()]
        known = [latency for latency in latencies if latency is not None]
        return sum(known) / len(known) if known else None

    def get_response_by_id(self, request_id: str) -> BedrockResponse | None:
        """Return the response of one request, or None for an unknown id."""
        return self._responses().get(request_id)

    def get_total_tokens_used(self) -> dict[str, int]:
        """Return the tokens of all answers, valid or invalid, with the keys of `BedrockResponse.get_usage()`.

        An empty dict if no count is known.
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
        """Number of attempts that were sent and whose answer was lost or has no usage."""
        return self._totals().unknown_usage

    @property
    def answers_without_price(self) -> int:
        """Number of answers with known token counts and an unknown price."""
        return self._totals().without_price

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and totals as data for JSON."""
        totals = self._totals()
        return {
            "success": self.success,
            "request_responses": {key: value.to_dict() for key, value in self._responses().items()},
            "total_duration_ms": self.total_duration_ms,
            "parallel_execution_stats": self.parallel_execution_stats.to_dict(),
            "failed_requests": as_list(self.failed_requests),
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


def _names(error: Exception | None) -> tuple[str | None, ...]:
    """Return the class name and the AWS error code of an error."""
    if isinstance(error, RecordedError):
        return error.error_type, error.code
    return (type(error).__name__, aws_error_code(error)) if error is not None else ()
