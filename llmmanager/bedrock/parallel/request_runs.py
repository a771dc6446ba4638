"""The runs of a parallel manager: their requests, and the methods that await them in an event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError, RetryExhaustedError
from llmmanager.bedrock.exceptions.parallel_exceptions import (
    ParallelExecutionError,
    RequestNotStartedError,
)
from llmmanager.bedrock.invocation.invoker import CallOptions
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.call_parameters import check_options, takes
from llmmanager.bedrock.models.deadline import NEVER, Cancellation, Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.models.parallel_structures import (
    BedrockConverseRequest,
    ParallelProcessingConfig,
    ParallelResponse,
)
from llmmanager.bedrock.parallel.failure_handling import FailureHandling
from llmmanager.bedrock.parallel.in_flight import InFlightCounter
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.parallel.request_checks import (
    check_iterable,
    check_region_count,
    check_requests,
    may_cache,
)
from llmmanager.bedrock.parallel.run_parameters import (
    CollectedParameters,
    IteratedParameters,
    RetryParameters,
)
from llmmanager.bedrock.parallel.run_results import merge_retry, merged_error, summarize
from llmmanager.bedrock.parallel.start_order import StartOrder
from llmmanager.bedrock.parallel.warm_prefixes import WarmPrefixes
from llmmanager.bedrock.routing.quota_pacing import QuotaPatience

if TYPE_CHECKING:
    from llmmanager.bedrock.models.attempt_guard import AttemptGuard
    from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix
    from llmmanager.llm_manager import LLMManager


@dataclass(frozen=True)
class RunSettings:
    """What all requests of a run share.

    Attributes:
        regions: the number of regions that each request may use.
        cancelled: ends the requests before their next attempt or wait.
        stop: ends waits for quota.
        repeated: whether the caller repeats requests that end for lack of quota.
    """

    regions: int
    deadline: Deadline
    validation: ResponseValidationConfig | None
    before_attempt: AttemptGuard | None
    keep_region_order: bool = False
    stop: threading.Event | None = None
    repeated: bool = False
    cancelled: Cancellation = field(default_factory=Cancellation)
    in_flight: InFlightCounter = field(default_factory=InFlightCounter)


@dataclass(frozen=True)
class RunItem:
    """One request of a run.

    Attributes:
        prefixes: the prompt prefixes that its first model caches, shortest first.
    """

    request: BedrockConverseRequest
    run: RunSettings
    prefixes: tuple[CachedPrefix, ...] = ()


class CollectedRun:
    """A run whose responses are collected, until a STOP strategy ends it.

    Attributes:
        ordered: the requests in the order in which they are sent.
        settings: what they share.
    """

    def __init__(
        self, requests: Sequence[BedrockConverseRequest], config: ParallelProcessingConfig, run: RunSettings
    ) -> None:
        ordered = requests
        if config.enable_request_prioritization:
            ordered = sorted(requests, key=lambda request: request.priority)
        self.ordered = ordered
        self.settings = run
        self._requests = requests
        self._config = config
        self._started = time.monotonic()
        self._handling = FailureHandling(config, len(requests))
        self._responses: dict[str | None, BedrockResponse] = {}

    def add(self, item: RunItem, response: BedrockResponse) -> None:
        """Add a response."""
        self._responses[item.request.request_id] = response
        if self._handling.must_stop(response.success):
            self.settings.cancelled.set()

    def result(self) -> ParallelResponse:
        """Return the responses. Raise ParallelExecutionError if a STOP strategy stopped the run."""
        answers = {
            str(request.request_id): self._responses[request.request_id]
            for request in self._requests
            if request.request_id in self._responses
        }
        result = summarize(
            self._requests,
            answers,
            success=self._handling.succeeded(sum(response.success for response in answers.values())),
            total_duration_ms=(time.monotonic() - self._started) * 1000,
            concurrent_executions=self.settings.in_flight.maximum,
        )
        if self.settings.cancelled.is_set():
            count = len(self._requests)
            raise ParallelExecutionError(
                f"stopped by {self._config.failure_handling_strategy.value}: {self._handling.failed} of "
                f"{count} requests failed, {count - len(answers)} were not started",
                result.failed_requests,
                count,
                response=result,
            )
        return result


class RequestRuns:
    """The base class of `ParallelLLMManager`, which sets its attributes."""

    _config: ParallelProcessingConfig
    _manager: LLMManager
    _regions: list[str]
    _balancer: LoadBalancer
    _warm_prefixes: WarmPrefixes

    @takes(CollectedParameters)
    async def aconverse_parallel(self, call: CollectedParameters) -> ParallelResponse:
        """Send all requests and return their responses, without blocking the event loop.

        The arguments and exceptions are those of `converse_parallel`. Cancelling the task ends all requests
        and closes their connections.
        """
        return await self._aconverse_all(call)

    @takes(RetryParameters)
    async def aretry_failed_requests(self, call: RetryParameters) -> ParallelResponse:
        """Send the failed requests of a run again, without blocking the event loop.

        The arguments and exceptions are those of `retry_failed_requests`. Cancelling the task ends all
        requests and closes their connections.
        """
        again = call.of_retry()
        if again is None:
            return call.previous_response
        with merged_error(call.previous_response, self._config):
            retry = await self._aconverse_all(again)
        return merge_retry(call.previous_response, retry, self._config)

    @takes(IteratedParameters)
    def aiter_responses(
        self, call: IteratedParameters
    ) -> AsyncIterator[tuple[BedrockConverseRequest, BedrockResponse]]:
        """Return an async iterator over requests and their responses, in order of completion.

        The arguments and exceptions are those of `iter_responses`. Requests are read in the event loop. If
        the iteration ends early, running requests end and their connections are closed.
        """
        run = self._iterated_run(call)

        async def responses() -> AsyncIterator[tuple[BedrockConverseRequest, BedrockResponse]]:
            items = self._start_order(call.requests, run)
            async with aclosing(
                self._acompleted(items, run, stop=run.stop or run.cancelled, deadline=run.deadline)
            ) as completed:
                async for item, response in completed:
                    yield item.request, response
            for item in items.waiting:
                yield item.request, not_started()

        return responses()

    async def _aconverse_all(self, call: CollectedParameters) -> ParallelResponse:
        run = self._collected_run(call)
        items = self._start_order(run.ordered, run.settings)
        async with aclosing(self._acompleted(items, run.settings, stop=run.settings.cancelled)) as completed:
            async for item, response in completed:
                run.add(item, response)
        return run.result()

    def _acompleted(
        self,
        items: StartOrder[RunItem],
        run: RunSettings,
        *,
        stop: threading.Event,
        deadline: Deadline = NEVER,
    ) -> AsyncGenerator[tuple[RunItem, BedrockResponse], None]:
        from llmmanager.bedrock.async_calls.async_executor import completed

        return completed(
            self._manager._call_threads,
            self._answer,
            items,
            max_concurrent=self._config.max_concurrent_requests,
            deadline=deadline,
            stop=stop,
            cancelled=run.cancelled,
        )

    def _collected_run(self, call: CollectedParameters) -> CollectedRun:
        check_requests(call.requests)
        check_options(call.response_validation_config, call.before_attempt)
        settings = RunSettings(
            check_region_count(call.target_regions_per_request, len(self._regions)),
            Deadline.from_value(call.deadline),
            call.response_validation_config,
            call.before_attempt,
        )
        return CollectedRun(call.requests, self._config, settings)

    def _iterated_run(self, call: IteratedParameters) -> RunSettings:
        check_iterable(call.requests)
        check_options(call.response_validation_config, call.before_attempt)
        regions, count = call.target_regions_per_request, len(self._regions)
        return RunSettings(
            count if regions is None else check_region_count(regions, count),
            Deadline.from_value(call.deadline),
            call.response_validation_config,
            call.before_attempt,
            keep_region_order=call.keep_region_order,
            stop=call.stop or Cancellation(),
            repeated=call.stop is not None,
        )

    def _start_order(
        self, requests: Iterable[BedrockConverseRequest], run: RunSettings
    ) -> StartOrder[RunItem]:
        items = (RunItem(request, run, self._prefixes(request)) for request in requests)
        return StartOrder(items, self._warm_prefixes, max_waiting=self._config.max_concurrent_requests)

    def _prefixes(self, request: BedrockConverseRequest) -> tuple[CachedPrefix, ...]:
        """Return the prompt prefixes that the first model of a request caches."""
        if not self._config.cache_warm_up or not may_cache(request):
            return ()
        # Imported here, since many runs do not cache prompts.
        from llmmanager.bedrock.tokens.cache_prefixes import cached_prefixes

        try:
            valid = self._manager._valid_request(request)
        except LLMManagerError:
            return ()  # the call reports it
        models = (group[0].model_id for group in self._manager._targets.groups())
        model_id = next((name for name in models if name not in valid.skipped_models), "")
        return cached_prefixes(valid.fields, model_id, auto=valid.prompt_cache)

    def _answer(self, item: RunItem) -> BedrockResponse:
        """Send one request and return its response, also when it fails."""
        run = item.run
        limit = Deadline.after(self._config.request_timeout_seconds).earlier(run.deadline)
        started = time.monotonic()
        balanced = not run.keep_region_order
        warm = self._warm_prefixes.regions(item.prefixes) if item.prefixes and balanced else ()
        chosen = self._balancer.assigned(run.regions, balanced=balanced, preferred=warm)
        with run.in_flight.count(), chosen as regions:
            options = CallOptions(
                limit,
                regions=regions,
                validation=run.validation,
                cancelled=run.cancelled,
                quota_patience=self._patience(item),
                before_attempt=run.before_attempt,
            )
            try:
                return self._manager._send(item.request, options)
            except LLMManagerError as error:
                recorded = error.response
                failed = recorded if isinstance(recorded, BedrockResponse) else BedrockResponse(success=False)
                if not isinstance(error, RetryExhaustedError):
                    failed = replace(failed, error=error)
                return replace(failed, total_duration_ms=(time.monotonic() - started) * 1000)

    def _patience(self, item: RunItem) -> QuotaPatience:
        """Return the quota settings of a request. Throttling does not count towards its retries."""
        ordered = self._config.enable_request_prioritization
        return QuotaPatience(
            priority=item.request.priority if ordered else 0,
            free_throttles=True,
            stop=item.run.stop,
            repeated=item.run.repeated,
        )


def not_started() -> BedrockResponse:
    """Return the response of a request that was read, and did not start because the run ended."""
    error = RequestNotStartedError("the run ended while the request waited for the prompt cache")
    return BedrockResponse(success=False, error=error)
