"""ParallelLLMManager: sends many requests concurrently."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError, RetryExhaustedError
from llmmanager.bedrock.exceptions.parallel_exceptions import (
    ParallelConfigurationError,
    ParallelExecutionError,
)
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.call_parameters import check_options
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
from llmmanager.bedrock.parallel.in_flight import InFlightCounter
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.quota_pacing import QuotaPatience
from llmmanager.llm_manager import LLMManager

if TYPE_CHECKING:
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard
    from llmmanager.bedrock.models.converse_types import InferenceConfiguration, UntypedDict

__all__ = ["ParallelLLMManager"]


class _DefaultCount(int):
    """The default of a parameter. Its type differs from that of a number passed by the caller."""


_DEFAULT_TARGET_REGIONS = _DefaultCount(2)


@dataclass(frozen=True)
class _Job:
    """One request of a run, with the settings and state that all requests of the run share."""

    request: BedrockConverseRequest
    regions: int
    deadline: Deadline
    in_flight: InFlightCounter
    validation: ResponseValidationConfig | None = None
    cancelled: threading.Event | None = None
    keep_region_order: bool = False
    stop: threading.Event | None = None
    repeated: bool = False
    before_attempt: AttemptGuard | None = None


class ParallelLLMManager:
    """Runs many Converse requests concurrently, distributed over the configured regions. Thread-safe.

    Args:
        models, regions, auth_config, retry_config: as in `LLMManager`.
        parallel_config: concurrency, timeout, load balancing and failure handling; None for
            `ParallelProcessingConfig()`.
        default_inference_config, timeout, unified_model_manager, cooldowns: as in `LLMManager`.
        quotas, quota_share, quota_reserve: as in `LLMManager`.

    Raises:
        ConfigurationError, ParallelConfigurationError: a setting is invalid.
    """

    def __init__(
        self,
        models: Sequence[str],
        regions: Sequence[str],
        auth_config: AuthConfig | None = None,
        retry_config: RetryConfig | None = None,
        parallel_config: ParallelProcessingConfig | None = None,
        default_inference_config: InferenceConfiguration | UntypedDict | None = None,
        timeout: float = LLMManagerConfig.DEFAULT_TIMEOUT,
        *,
        unified_model_manager: UnifiedModelManager | None = None,
        cooldowns: Cooldowns | None = None,
        quotas: Sequence[ModelQuota] = (),
        quota_share: float = 1.0,
        quota_reserve: float = 0.0,
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
            quota_reserve=quota_reserve,
        )
        self._regions = self._manager.get_available_regions()
        self._balancer = LoadBalancer(self._regions, self._config.load_balancing_strategy)
        self._executor = Executor(self._answer, self._config.max_concurrent_requests)

    def converse_parallel(
        self,
        requests: Sequence[BedrockConverseRequest],
        target_regions_per_request: int = _DEFAULT_TARGET_REGIONS,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        deadline: float | Deadline | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> ParallelResponse:
        """Send all requests and return their responses. A failed request does not raise an exception.

        Args:
            requests: at least one, with unique ids. They are not changed.
            target_regions_per_request: the number of regions that each request may use, in the order chosen
                by load balancing; from 1 to the number of regions. The default is 2, or 1 with one region.
            response_validation_config: the validation of each answer, or None.
            deadline: seconds from now, or a `Deadline`, for the whole run; None for no limit.
            before_attempt: as in `LLMManager.converse`, called on the threads of the run.

        Raises:
            ParallelConfigurationError: no requests, duplicate ids, or more target regions than configured.
            ParallelExecutionError: a STOP strategy stopped the run. Its `response` contains the answers
                received before.
        """
        self._check_requests(requests)
        check_options(response_validation_config, before_attempt)
        count = self._checked_count(target_regions_per_request)
        started = time.monotonic()
        cancelled = threading.Event()
        in_flight = InFlightCounter()
        limit = Deadline.from_value(deadline)
        handling = FailureHandling(self._config, len(requests))
        jobs = (
            _Job(
                request,
                count,
                limit,
                in_flight,
                response_validation_config,
                cancelled,
                before_attempt=before_attempt,
            )
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
        result = _summarized(requests, answers, handling, in_flight, (time.monotonic() - started) * 1000)
        if cancelled.is_set():
            raise ParallelExecutionError(
                f"stopped by {self._config.failure_handling_strategy.value}: {handling.failed} of "
                f"{len(requests)} requests failed, {len(requests) - len(answers)} were not started",
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
        stop: threading.Event | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
        """Return an iterator over requests and their responses, in order of completion.

        Memory use is constant: a request is read only when another one completes. No request is read after
        `deadline`, and running requests end by it. A failed request is yielded with `success=False` and
        does not raise an exception. If the caller closes the iterator early, running requests make no
        further attempt and the iterator waits for them.

        Args:
            requests: any iterable, e.g. a generator.
            target_regions_per_request: the number of regions that each request may use; None for all.
            response_validation_config: the validation of each answer, or None.
            deadline: seconds from now, or a `Deadline`, for the whole run; None for no limit.
            keep_region_order: use the regions in the configured order for every request, without load
                balancing. This keeps a prompt cache warm in the first region.
            stop: when another thread sets it, the run ends early: no further request is read, and no request
                waits for quota. A request that would have to wait is yielded with `success=False` and a
                `QuotaExceededError`. The event is also set when the caller closes the iterator early. A
                caller that passes it is expected to repeat requests later. So with `on_throttle` "wait", a
                request whose model has no quota in time, or no daily quota, is yielded too, and not sent to
                another model.
            before_attempt: as in `LLMManager.converse`, called on the threads of the run. A request that it
                ends with an `LLMManagerError` is yielded with `success=False` and this error.

        Raises:
            ParallelConfigurationError: `requests` is not iterable, or more target regions than configured.
        """
        if not isinstance(requests, Iterable):
            raise ParallelConfigurationError(
                f"requests must be an iterable of BedrockConverseRequest (got {type(requests).__name__})",
                "requests",
                requests,
            )
        check_options(response_validation_config, before_attempt)
        count = len(self._regions)
        if target_regions_per_request is not None:
            count = self._checked_count(target_regions_per_request)
        limit = Deadline.from_value(deadline)
        in_flight = InFlightCounter()
        abandoned = threading.Event()
        repeated = stop is not None
        stop = stop or threading.Event()
        jobs = (
            _Job(
                request,
                count,
                limit,
                in_flight,
                response_validation_config,
                abandoned,
                keep_region_order,
                stop,
                repeated,
                before_attempt,
            )
            for request in requests
        )
        completed = self._executor.completed(jobs, deadline=limit, stop=stop, abandoned=abandoned)
        return ((job.request, response) for job, response in completed)

    def seconds_without_quota(self) -> float:
        """Return for how many seconds requests have waited for quota while no call was admitted.

        It is 0 if no request waits.
        """
        return self._manager._resources.quotas.seconds_without_admission()

    def converse_with_request(self, request: BedrockConverseRequest) -> BedrockResponse:
        """Send one request, and return its response. The exceptions are those of `LLMManager.converse`."""
        return self._manager.converse_with_request(request)

    def get_underlying_llm_manager(self) -> LLMManager:
        """Return the manager that sends the requests."""
        return self._manager

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._executor.close()
        self._manager.close()

    def _answer(self, job: _Job) -> BedrockResponse:
        """Send one request and return its response, also when it fails."""
        limit = Deadline.after(self._config.request_timeout_seconds).earlier(job.deadline)
        started = time.monotonic()
        chosen = self._balancer.assigned(job.regions, balanced=not job.keep_region_order)
        with job.in_flight.count(), chosen as regions:
            try:
                return self._manager._send(
                    job.request,
                    job.validation,
                    regions=regions,
                    deadline=limit,
                    cancelled=job.cancelled,
                    quota_patience=self._patience(job),
                    before_attempt=job.before_attempt,
                )
            except LLMManagerError as error:
                recorded = error.response
                failed = recorded if isinstance(recorded, BedrockResponse) else BedrockResponse(success=False)
                if not isinstance(error, RetryExhaustedError):
                    failed = replace(failed, error=error)
                return replace(failed, total_duration_ms=(time.monotonic() - started) * 1000)

    def _patience(self, job: _Job) -> QuotaPatience:
        """Return the quota settings of a request. Throttling does not count towards its retries."""
        ordered = self._config.enable_request_prioritization
        priority = job.request.priority if ordered else 0
        return QuotaPatience(priority=priority, free_throttles=True, stop=job.stop, repeated=job.repeated)

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
                    f"requests must contain BedrockConverseRequest only (got {type(request).__name__})",
                    "requests",
                    request,
                )
        ids = Counter(request.request_id for request in requests)
        repeated = [request_id for request_id, times in ids.items() if times > 1]
        if repeated:
            raise ParallelConfigurationError(
                f"request_id must be unique (duplicates: {', '.join(map(repr, repeated))})",
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


def _summarized(
    requests: Sequence[BedrockConverseRequest],
    answers: dict[str, BedrockResponse],
    handling: FailureHandling,
    in_flight: InFlightCounter,
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
            concurrent_executions=in_flight.maximum,
            region_distribution=dict(Counter(str(response.region_used) for response in answered)),
        ),
    )
