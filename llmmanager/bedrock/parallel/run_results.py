"""Results of parallel runs: the response of a run, and a run with the answers of its retry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from llmmanager.bedrock.exceptions.parallel_exceptions import ParallelExecutionError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.parallel_response import ParallelExecutionStats, ParallelResponse
from llmmanager.bedrock.parallel.failure_handling import FailureHandling

if TYPE_CHECKING:
    from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest, ParallelProcessingConfig


def summarize(
    requests: Sequence[BedrockConverseRequest],
    answers: Mapping[str, BedrockResponse],
    *,
    success: bool,
    total_duration_ms: float,
    concurrent_executions: int,
) -> ParallelResponse:
    """Return the response of a run with responses for some or all of its requests, by id."""
    answered = [response for response in answers.values() if response.success]
    failed = [key for key, response in answers.items() if not response.success]
    durations = [response.total_duration_ms or 0.0 for response in answers.values()] or [0.0]
    return ParallelResponse(
        success=success,
        request_responses=dict(answers),
        total_duration_ms=total_duration_ms,
        failed_requests=failed,
        original_requests={str(request.request_id): request for request in requests},
        parallel_execution_stats=ParallelExecutionStats(
            total_requests=len(requests),
            successful_requests=len(answered),
            failed_requests_count=len(failed),
            average_request_duration_ms=sum(durations) / len(durations),
            max_request_duration_ms=max(durations),
            min_request_duration_ms=min(durations),
            concurrent_executions=concurrent_executions,
            region_distribution=dict(Counter(str(response.region_used) for response in answered)),
        ),
    )


def merge_retry(
    previous: ParallelResponse, retry: ParallelResponse, config: ParallelProcessingConfig
) -> ParallelResponse:
    """Return a run with the responses of its retry.

    The attempts of the retry follow those of the first run, so that tokens and costs of both are counted.
    """
    answers = {
        key: _continued(first, retry.request_responses[key]) if key in retry.request_responses else first
        for key, first in previous.request_responses.items()
    }
    requests = list(previous.original_requests.values())
    return summarize(
        requests,
        answers,
        success=FailureHandling(config, len(requests)).succeeded(
            sum(response.success for response in answers.values())
        ),
        total_duration_ms=(previous.total_duration_ms or 0.0) + (retry.total_duration_ms or 0.0),
        concurrent_executions=max(
            previous.parallel_execution_stats.concurrent_executions,
            retry.parallel_execution_stats.concurrent_executions,
        ),
    )


@contextmanager
def merged_error(previous: ParallelResponse, config: ParallelProcessingConfig) -> Iterator[None]:
    """Give a ParallelExecutionError of a retry, which the block raises, the responses of both runs."""
    try:
        yield
    except ParallelExecutionError as error:
        if error.response is not None:
            error.response = merge_retry(previous, error.response, config)
        raise


def _continued(first: BedrockResponse, again: BedrockResponse) -> BedrockResponse:
    count = len(first.attempts)
    attempts = [replace(attempt, attempt_number=attempt.attempt_number + count) for attempt in again.attempts]
    return replace(
        again,
        attempts=[*first.attempts, *attempts],
        total_duration_ms=(first.total_duration_ms or 0.0) + (again.total_duration_ms or 0.0),
    )
