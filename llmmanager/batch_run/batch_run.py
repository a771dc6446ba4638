"""Runs the records of a batch that have no result yet, and waits for quota like the deployed batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from llmmanager.batch_files.flex_tier import has_flex_tier, with_flex_tier, without_flex_tier
from llmmanager.batch_files.quota_shortage import Shortage, is_final, seconds_to_wait, shortage_of
from llmmanager.batch_files.results import ANSWERED, interrupted_result, result_of
from llmmanager.batch_files.shared_prefixes import SharedPrefixes, prompt_of
from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_run.input_records import BatchInputFile
from llmmanager.batch_run.journal import Journal
from llmmanager.batch_run.run_progress import RunProgress
from llmmanager.bedrock.exceptions.llm_manager_exceptions import AuthenticationError
from llmmanager.bedrock.exceptions.parallel_exceptions import RequestNotStartedError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS
from llmmanager.parallel_llm_manager import ParallelLLMManager

# A single shortage says little: the record may be accepted by one model only, and others may have quota.
_MAX_CONSECUTIVE_SHORTAGES = 8


class RunEnd(Enum):
    """Why a run has ended.

    Attributes:
        COMPLETE: every record has a result.
        STOPPED: `BatchRun.stop` was called.
        DEADLINE: the deadline passed first.
        FAILURES: more records failed than `max_failed_share` allows.
    """

    COMPLETE = "complete"
    STOPPED = "stopped"
    DEADLINE = "deadline"
    FAILURES = "failures"


@dataclass
class BatchRun:
    """A run of a batch.

    Attributes:
        repeat_failed: whether records that failed in an earlier run are tried again.
        shared: the prompts of several records, which get cache points; None for no cache points.
        lane: in FLEX, records use the flex tier if they can, until they would miss the deadline in it.
        rules: the validation of each answer, or None.
        max_failed_share: the share of the records that may fail in this run; None for no limit.
        failures: how many records have failed in this run.
    """

    manager: ParallelLLMManager
    input: BatchInputFile
    journal: Journal
    progress: RunProgress
    deadline: Deadline
    repeat_failed: bool = False
    shared: SharedPrefixes | None = None
    lane: Lane = Lane.ON_DEMAND
    rules: ResponseValidationConfig | None = None
    max_failed_share: float | None = None
    failures: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._pass_ended = threading.Event()
        self._all_started = False
        self._postponed = 0
        self._in_flex = self.lane is Lane.FLEX
        self._failed_in_flex: set[str] = set()
        self._cached: set[str] = set()
        self._finished = {
            id_
            for id_, status in self.journal.statuses.items()
            if status == ANSWERED or not self.repeat_failed
        }
        self.progress.done = len(self._finished)
        self.progress.failed = sum(self.journal.statuses[id_] != ANSWERED for id_ in self._finished)
        self.progress.cost_usd = self.journal.cost_usd

    def stop(self) -> None:
        """End the run early: running requests end, and no further one starts. May be called by any thread."""
        self._stopped.set()
        self._pass_ended.set()

    def waiting_seconds(self) -> float:
        """Return for how long all requests have waited for quota; 0 if one of them runs."""
        return self.manager.seconds_without_quota()

    def run(self) -> RunEnd:
        """Run the records without a result, in several passes if quota is exhausted for longer.

        Raises:
            OSError: a file cannot be read or written.
            AuthenticationError: Bedrock rejects the credentials. No record has failed because of that.
        """
        if not self._in_flex:
            return self._run_passes()
        # Imported here, because few batches use the flex tier.
        from llmmanager.batch_run.flex_watch import FlexWatch

        watch = FlexWatch(
            self.progress, self.deadline, waiting_seconds=self.waiting_seconds, leave=self._leave_flex
        )
        with watch:
            return self._run_passes()

    def _leave_flex(self) -> None:
        self._in_flex = False
        self._pass_ended.set()

    def _run_passes(self) -> RunEnd:
        passes_without_result = 0
        while True:
            finished, in_flex = len(self._finished), self._in_flex
            shortage = self._run_pass()
            if self._stopped.is_set():
                return RunEnd.STOPPED
            if self._all_started and not self._postponed:
                return RunEnd.COMPLETE
            if self._has_failed_too_often():
                return RunEnd.FAILURES
            left = self.deadline.remaining()
            if left <= 0:
                return RunEnd.DEADLINE
            if in_flex and (not self._in_flex or (shortage is None and self._failed_in_flex)):
                continue  # on demand
            passes_without_result = 1 if len(self._finished) > finished else passes_without_result + 1
            known_left = None if left == float("inf") else left
            self._stopped.wait(
                seconds_to_wait(
                    shortage or Shortage.MINUTE, runs=passes_without_result, seconds_left=known_left
                )
            )

    def _run_pass(self) -> Shortage | None:
        """Run all records without a result. Return the quota that the last ones lacked, or None."""
        self._pass_ended.clear()
        self._all_started = False
        self._postponed = 0
        if self._stopped.is_set():
            return None
        shortage = None
        in_a_row = 0
        responses = self.manager.iter_responses(
            self._pending(),
            response_validation_config=self.rules,
            deadline=self.deadline,
            keep_region_order=True,
            stop=self._pass_ended,
        )
        rejected = None
        for request, response in responses:
            if _has_rejected_credentials(response):
                # They may have expired, so each further record would fail as well.
                rejected = response.attempts[-1].error
                self._pass_ended.set()
                self._postpone(request, response)
                continue
            in_flex = has_flex_tier(request)
            found = None
            if not response.had_validation_failures():
                found = shortage_of(response, tier=Lane.FLEX.value if in_flex else "")
            in_a_row = in_a_row + 1 if found else 0
            if found:
                shortage = found
            elif response.success:
                shortage = None
            if found or self._is_interrupted(response):
                self._postpone(request, response)
            elif in_flex and not (response.success or _is_decided(response)):
                self._failed_in_flex.add(str(request.request_id))
                self._postpone(request, response)
            else:
                self._add(request, response)
            if in_a_row >= _MAX_CONSECUTIVE_SHORTAGES or self._has_failed_too_often():
                self._pass_ended.set()
        if rejected is not None:
            raise AuthenticationError(f"credentials rejected: {rejected}") from rejected
        return shortage

    def _pending(self) -> Iterator[BedrockConverseRequest]:
        for record in self.input.records():
            id_ = record.request.request_id
            if id_ not in self._finished:
                in_flex = self._in_flex and id_ not in self._failed_in_flex
                request = self._with_cache(record.request)
                yield with_flex_tier(request) if in_flex else request
        self._all_started = True

    def _with_cache(self, request: BedrockConverseRequest) -> BedrockConverseRequest:
        if self.shared is None or not self.shared.has(prompt_of(request)):
            return request
        self._cached.add(str(request.request_id))
        return replace(request, prompt_cache="auto")

    def _as_given(self, request: BedrockConverseRequest) -> BedrockConverseRequest:
        """Return a request that was sent, without what the batch has added to it."""
        given = without_flex_tier(request)
        return replace(given, prompt_cache=None) if str(request.request_id) in self._cached else given

    def _is_interrupted(self, response: BedrockResponse) -> bool:
        """Whether a request may have failed only because the run was over."""
        if isinstance(response.error, RequestNotStartedError):
            return True
        return not response.success and self.deadline.remaining() <= 0 and not _is_decided(response)

    def _has_failed_too_often(self) -> bool:
        # Division, because 29 / 100 equals 0.29, but 0.29 * 100 is less than 29.
        return (
            self.max_failed_share is not None
            and self.failures / self.progress.records > self.max_failed_share
        )

    def _postpone(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        self._postponed += 1
        if response.attempts:
            self.journal.add(interrupted_result(request, response))
            self.progress.cost_usd = self.journal.cost_usd

    def _add(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        result = result_of(self._as_given(request), response)
        self.journal.add(result)
        self._finished.add(str(request.request_id))
        self.failures += not response.success
        self._cached.discard(str(request.request_id))
        self.progress.add(success=response.success, cost_usd=response.estimated_cost_usd or 0.0)


def _is_decided(response: BedrockResponse) -> bool:
    """Whether a record failed for good: everywhere, or because of its answers, which its rules limit."""
    return is_final(response) or response.had_validation_failures()


def _has_rejected_credentials(response: BedrockResponse) -> bool:
    """Whether a request failed, and each of its attempts because of the credentials."""
    errors = [attempt.error for attempt in response.attempts if attempt.error is not None]
    decisions = map(classify, errors)
    kinds = {decision.kind if decision is not None else None for decision in decisions}
    return not response.success and bool(kinds) and kinds <= CREDENTIALS_KINDS
