"""ParallelLLMManager: many requests at once over the regions of one manager."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError, RetryExhaustedError
from llmmanager.bedrock.exceptions.parallel_exceptions import (
    ParallelConfigurationError,
    ParallelExecutionError,
)
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_constants import LLMManagerConfig
from llmmanager.bedrock.models.llm_manager_structures import (
    AuthConfig,
    ResponseValidationConfig,
    RetryConfig,
)
from llmmanager.bedrock.models.model_quota import ModelQuota
from llmmanager.bedrock.models.parallel_structures import (
    BedrockConverseRequest,
    ParallelExecutionStats,
    ParallelProcessingConfig,
    ParallelResponse,
)
from llmmanager.bedrock.parallel.executor import Executor
from llmmanager.bedrock.parallel.failure_handling import FailureHandling
from llmmanager.bedrock.parallel.gauge import Gauge
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.quota_pacing import QuotaPatience
from llmmanager.llm_manager import LLMManager, check_validation

__all__ = ["ParallelLLMManager"]


class _DefaultCount(int):
    """The documented default of a parameter, told apart from the same number given by the caller."""


_DEFAULT_TARGET_REGIONS = _DefaultCount(2)


@dataclass(frozen=True)
class _Job:
    """One request of a run and what it shares with the others of that run."""

    request: BedrockConverseRequest
    regions: int
    deadline: Deadline
    gauge: Gauge
    validation: ResponseValidationConfig | None = None
    cancelled: threading.Event | None = None
    keep_region_order: bool = False


class ParallelLLMManager:
    """Runs many Converse requests concurrently, spread over the configured regions.

    Args:
        parallel_config: concurrency, time limit, load balancing and failure handling.
        unified_model_manager: as for `LLMManager`, like all other arguments.

    Raises:
        ConfigurationError, ParallelConfigurationError: a setting that cannot work.
    """

    def __init__(
        self,
        models: Sequence[str],
        regions: Sequence[str],
        auth_config: AuthConfig | None = None,
        retry_config: RetryConfig | None = None,
        parallel_config: ParallelProcessingConfig | None = None,
        default_inference_config: dict[str, Any] | None = None,
        timeout: float = LLMManagerConfig.DEFAULT_TIMEOUT,
        *,
        unified_model_manager: UnifiedModelManager | None = None,
        cooldowns: Cooldowns | None = None,
        quotas: Sequence[ModelQuota] = (),
        quota_share: float = 1.0,
    ) -> None:
        if parallel_config is not None and not isinstance(parallel_config, ParallelProcessingConfig):
            raise ParallelConfigurationError(
                f"parallel_config must be a ParallelProcessingConfig (got {type(parallel_config).__name__})",
                "parallel_config",
                parallel_config,
            )
        self._config = parallel_config or ParallelProcessingConfig()
        self._manager = LLMManager(
            models=models,
            regions=regions,
            auth_config=auth_config,
            retry_config=retry_config,
            unified_model_manager=unified_model_manager,
            default_inference_config=default_inference_config,
            timeout=timeout,
            max_connections=self._config.max_concurrent_requests,
            cooldowns=cooldowns,
            quotas=quotas,
            quota_share=quota_share,
        )
        self._regions = self._manager.get_available_regions()
        self._balancer = LoadBalancer(self._regions, self._config.load_balancing_strategy)
        self._executor = Executor(self._answer, self._config.max_concurrent_requests)

    def converse_parallel(
        self,
        requests: list[BedrockConverseRequest],
        target_regions_per_request: int = _DEFAULT_TARGET_REGIONS,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        deadline: float | Deadline | None = None,
    ) -> ParallelResponse:
        """Answer all requests; one that fails is recorded, never raised.

        Args:
            requests: at least one, with distinct ids; they are not changed and can be run again.
            target_regions_per_request: how many of the regions each request may use, in the order that
                load balancing gives it.
            deadline: seconds from now, or a `Deadline`, for the run as a whole.

        Raises:
            ParallelConfigurationError: no requests, duplicate ids, more target regions than there are.
            ParallelExecutionError: a STOP strategy ended the run; `response` holds what was answered.
        """
        self._check_requests(requests)
        check_validation(response_validation_config)
        count = self._checked_count(target_regions_per_request)
        started = time.monotonic()
        cancelled = threading.Event()
        gauge = Gauge()
        moment = Deadline.of(deadline)
        handling = FailureHandling(self._config, len(requests))
        jobs = (
            _Job(request, count, moment, gauge, response_validation_config, cancelled)
            for request in self._queue(requests)
        )
        responses: dict[str | None, BedrockResponse] = {}
        for job, response in self._executor.completed(jobs, stop=cancelled):
            responses[job.request.request_id] = response
            if handling.must_stop(response.success):
                cancelled.set()
        answers = {
            str(request.request_id): responses[request.request_id]
            for request in requests
            if request.request_id in responses
        }
        result = _summarised(requests, answers, handling, gauge, (time.monotonic() - started) * 1000)
        if cancelled.is_set():
            raise ParallelExecutionError(
                f"stopped by {self._config.failure_handling_strategy.value} after {handling.failed} of "
                f"{len(requests)} requests had failed; {len(requests) - len(answers)} were not started",
                result.failed_requests,
                len(requests),
                response=result,
            )
        return result

    def iter_responses(
        self,
        requests: Iterable[BedrockConverseRequest],
        *,
        target_regions_per_request: int | None = None,
        response_validation_config: ResponseValidationConfig | None = None,
        deadline: float | Deadline | None = None,
        keep_region_order: bool = False,
    ) -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
        """Answer a stream of requests in constant memory, yielding each as it completes.

        Load balancing spreads the requests over the regions as in `converse_parallel`. Requests are read
        one by one as others complete, and none after `deadline`; running requests end by it. A failed
        request is yielded with `success=False`, never raised. When the caller leaves the iterator early,
        running requests make no further attempt and the iterator waits for them.

        Args:
            target_regions_per_request: how many of the regions each request may use; None for all of them.
            deadline: seconds from now, or a `Deadline`.
            keep_region_order: try the regions in the configured order for every request, without load
                balancing. This keeps a prompt cache warm in the first region.

        Raises:
            ParallelConfigurationError: more target regions than there are, or nothing to draw requests from.
        """
        if not isinstance(requests, Iterable):
            raise ParallelConfigurationError(
                f"requests must be an iterable of BedrockConverseRequest (got {type(requests).__name__})",
                "requests",
                requests,
            )
        check_validation(response_validation_config)
        count = len(self._regions)
        if target_regions_per_request is not None:
            count = self._checked_count(target_regions_per_request)
        moment = Deadline.of(deadline)
        gauge = Gauge()
        abandoned = threading.Event()
        jobs = (
            _Job(request, count, moment, gauge, response_validation_config, abandoned, keep_region_order)
            for request in requests
        )
        return self._completed(jobs, moment, abandoned)

    def converse_with_request(self, request: BedrockConverseRequest) -> BedrockResponse:
        """Answer one request like `LLMManager.converse`, raising what it raises."""
        return self._manager.converse_with_request(request)

    def get_underlying_llm_manager(self) -> LLMManager:
        """The manager that makes the calls."""
        return self._manager

    def close(self) -> None:
        """End the threads and close the connections."""
        self._executor.close()
        self._manager.close()

    def _completed(
        self, jobs: Iterable[_Job], deadline: Deadline, abandoned: threading.Event
    ) -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
        for job, response in self._executor.completed(jobs, deadline=deadline, stop=abandoned):
            yield job.request, response

    def _answer(self, job: _Job) -> BedrockResponse:
        """One request on one thread: its failure is its response."""
        limit = Deadline.after(self._config.request_timeout_seconds).earlier(job.deadline)
        started = time.monotonic()
        chosen = self._balancer.assigned(job.regions, balanced=not job.keep_region_order)
        with job.gauge.one_more(), chosen as regions:
            try:
                return self._manager._converse_with_request(
                    job.request,
                    job.validation,
                    regions=regions,
                    deadline=limit,
                    cancelled=job.cancelled,
                    quota_patience=self._patience(job.request),
                )
            except LLMManagerError as error:
                recorded: BedrockResponse | None = getattr(error, "response", None)
                failed = recorded or BedrockResponse(success=False)
                if not isinstance(error, RetryExhaustedError):
                    failed = replace(failed, error=error)
                return replace(failed, total_duration_ms=(time.monotonic() - started) * 1000)

    def _patience(self, request: BedrockConverseRequest) -> QuotaPatience:
        """A request fails for throttling only when its time is up."""
        ordered = self._config.enable_request_prioritization
        return QuotaPatience(priority=request.priority if ordered else 0, free_throttles=True)

    def _queue(self, requests: Sequence[BedrockConverseRequest]) -> Sequence[BedrockConverseRequest]:
        if not self._config.enable_request_prioritization:
            return requests
        return sorted(requests, key=lambda request: request.priority)

    def _check_requests(self, requests: Sequence[BedrockConverseRequest]) -> None:
        if not isinstance(requests, list | tuple) or not requests:
            raise ParallelConfigurationError(
                f"requests must be a list of at least one BedrockConverseRequest (got {requests!r})",
                "requests",
                requests,
            )
        for request in requests:
            if not isinstance(request, BedrockConverseRequest):
                raise ParallelConfigurationError(
                    f"requests must hold BedrockConverseRequest only (got {type(request).__name__})",
                    "requests",
                    request,
                )
        ids = Counter(request.request_id for request in requests)
        repeated = [request_id for request_id, times in ids.items() if times > 1]
        if repeated:
            raise ParallelConfigurationError(
                f"request_id must be unique; given more than once: {', '.join(map(repr, repeated))}",
                "request_id",
                repeated,
            )

    def _checked_count(self, count: int) -> int:
        available = len(self._regions)
        if isinstance(count, _DefaultCount):
            return min(count, available)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= available:
            raise ParallelConfigurationError(
                f"target_regions_per_request must be from 1 to {available}, the number of regions "
                f"(got {count!r})",
                "target_regions_per_request",
                count,
            )
        return count


def _summarised(
    requests: Sequence[BedrockConverseRequest],
    answers: dict[str, BedrockResponse],
    handling: FailureHandling,
    gauge: Gauge,
    total_duration_ms: float,
) -> ParallelResponse:
    answered = [response for response in answers.values() if response.success]
    failed = [
        str(request.request_id)
        for request in requests
        if (response := answers.get(str(request.request_id))) is not None and not response.success
    ]
    durations = [response.total_duration_ms or 0.0 for response in answers.values()] or [0.0]
    return ParallelResponse(
        success=handling.succeeded(len(answered)),
        request_responses=answers,
        total_duration_ms=total_duration_ms,
        failed_requests=failed,
        parallel_execution_stats=ParallelExecutionStats(
            total_requests=len(requests),
            successful_requests=len(answered),
            failed_requests_count=len(failed),
            average_request_duration_ms=sum(durations) / len(durations),
            max_request_duration_ms=max(durations),
            min_request_duration_ms=min(durations),
            concurrent_executions=gauge.most,
            region_distribution=dict(Counter(str(response.region_used) for response in answered)),
        ),
    )
