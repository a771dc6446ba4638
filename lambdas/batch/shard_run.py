"""Run the pending records of a shard, as many as the time and the quota of one invocation allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from lambdas.batch.charged_records import ChargedRecords
from lambdas.batch.deadline_risk import DeadlineRisk
from lambdas.batch.options import OnThrottle, Options
from lambdas.batch.parts import PartWriter
from lambdas.batch.pending import PendingRecords
from lambdas.batch.run_mode import LANE, SKIPS_MANAGED, RunMode, run_modes
from lambdas.batch.stop_signal import StopSignal
from lambdas.batch.worker_watch import Stopped, WorkerWatch
from lambdas.shared.answer_options import with_output_schema, without_output_schema
from lambdas.shared.function_log import log_payload
from lambdas.shared.manager import model_ids, parallel_manager
from lambdas.shared.settings import batch_settings
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.shard_spending import NotReserved
from lambdas.usage.transaction import UsageTableUnavailable
from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    Deadline,
    RequestNotStartedError,
    StructuredOutputError,
)
from llmmanager.batch_files.flex_tier import has_flex_tier
from llmmanager.batch_files.quota_shortage import Shortage, is_final, shortage_of
from llmmanager.batch_files.record_retries import RECORD_SECONDS
from llmmanager.batch_lanes.lane import Lane

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager

# A single shortage says little: the record may be accepted by one model only, and others may have quota.
_MAX_CONSECUTIVE_SHORTAGES = 8
_QUOTA_REASONS = (Stopped.QUOTA, Stopped.DEADLINE_AT_RISK)


class ShardRun:
    """Runs the pending records of a shard. Answers and final failures become results. Records that failed for
    lack of quota or time, or because the usage table was unavailable, stay pending.

    Args:
        item: the shard, an item of the manifest.
        start_until: no call starts later.
        end: calls in progress end by then.
        records: prepares the records for their caller, and counts what they used.
        risk: decides whether the records run in the next of the `run_modes` to meet the batch's deadline.
        after_wait: whether the shard has waited for quota. One record then runs before the others, so that
            few calls are throttled if there is still no quota.

    Attributes:
        shortage: the quota that the last records lacked, or None.
        is_starved: whether the run ended for lack of quota.
        left_flex_at: when the records left the flex tier; None if they did not in this invocation.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        options: Options,
        *,
        start_until: Deadline,
        end: Deadline,
        records: ChargedRecords,
        parts: PartWriter,
        stop_signal: StopSignal,
        risk: DeadlineRisk,
        after_wait: bool = False,
    ) -> None:
        self.shortage: Shortage | None = None
        self.is_starved = False
        self.left_flex_at: datetime | None = None
        self._start_until = start_until
        self._end = end
        self._records = records
        self._parts = parts
        self._stop_signal = stop_signal
        self._after_wait = after_wait
        self._rules = options.rules()
        self._schema = options.schema()
        self._item = item
        self._options = options
        self._risk = risk
        self._postponed = 0
        self._failed_in_flex: set[str] = set()
        self._consecutive_shortages = 0

    def run_pending(self, shard: bytes) -> PendingRecords:
        """Run the pending records of a shard, given as its lines, and return them."""
        *earlier, last = run_modes(self._item, self._options)
        for mode in earlier:
            pending = self._run_pending(shard, mode)
            is_short_of_quota = self._watch.reason in _QUOTA_REASONS and not pending.is_done
            if not (is_short_of_quota and self._risk.is_missed()):
                break
            if mode.lane is Lane.FLEX:
                self.leave_flex()
        else:
            pending = self._run_pending(shard, last)
        self.is_starved = self._watch.reason is Stopped.QUOTA
        return pending

    @property
    def is_in_flex(self) -> bool:
        """Whether the records run in the flex tier."""
        return self._item.get(LANE) == Lane.FLEX and self.left_flex_at is None

    def leave_flex(self) -> None:
        """Run the records on demand from now on."""
        self.left_flex_at = datetime.now(UTC)
        self._risk.restart(self.left_flex_at)

    def _run_pending(self, shard: bytes, mode: RunMode) -> PendingRecords:
        self._postponed = self._consecutive_shortages = 0
        self._failed_in_flex = set()
        self.shortage = None
        self._manager = self._create_manager(mode.on_throttle)
        self._watch = watch = WorkerWatch(
            start_until=self._start_until,
            stop_signal=self._stop_signal,
            seconds_without_quota=self._manager.seconds_without_quota,
            deadline_at_risk=partial(self._is_at_risk, mode),
        )
        pending = PendingRecords(
            shard,
            self._parts,
            watch,
            self._stop_signal,
            prepare=self._records.prepare,
            model_ids=model_ids(self._records.targets),
            in_flex=mode.lane is Lane.FLEX,
            skips_managed=self._item.get(SKIPS_MANAGED, False),
            tried_last=self._after_wait,
            cached=self._options.prompt_cache,
        )
        requests = pending.requests()
        with watch:
            if self._after_wait:
                self._run(islice(requests, 1), max_shortages=1)
            if watch.may_start():
                self._run(requests, max_shortages=_MAX_CONSECUTIVE_SHORTAGES)
            if self._failed_in_flex and pending.is_done and watch.may_start():
                again = pending.requests_on_demand(frozenset(self._failed_in_flex))
                self._run(again, max_shortages=_MAX_CONSECUTIVE_SHORTAGES)
        if watch.starved:
            self.shortage = self.shortage or Shortage.MINUTE
        is_complete = pending.is_done and not (self._postponed or self._failed_in_flex)
        pending.is_done = watch.reason is Stopped.BATCH_ENDED or is_complete
        return pending

    def _is_at_risk(self, mode: RunMode, throttled: bool) -> bool:
        """Whether another mode is needed to meet the batch's deadline."""
        if mode.lane is Lane.FLEX:
            return self._risk.is_missed(throttled=throttled)
        return throttled and mode.on_throttle == "wait" and self._risk.is_missed()

    def _create_manager(self, on_throttle: OnThrottle) -> ParallelLLMManager:
        options, settings = self._options, batch_settings()
        return parallel_manager(
            self._records.targets,
            options.retry_strategy,
            calls_at_once=options.calls_at_once(settings.worker_concurrency),
            feature_fallback=options.feature_fallback,
            on_throttle=on_throttle,
            max_cost_multiple=options.max_cost_multiple,
            # Shards that an earlier version of the stack planned have no share.
            quota_share=self._item.get("quotaShare", 1.0),
            quota_reserve=settings.single_request_share,
        )

    def _run(self, requests: Iterator[BedrockConverseRequest], *, max_shortages: int) -> None:
        """Run requests until `max_shortages` consecutive ones lack quota, without an answer in between."""
        responses = self._manager.iter_responses(
            map(self._with_schema, requests),
            response_validation_config=self._rules,
            deadline=self._end,
            keep_region_order=True,  # a batch's `regions` are in order of preference
            stop=self._watch.stop,
            before_attempt=self._records.guard(self._watch.stop),
        )
        for sent, response in responses:
            request = sent if self._schema is None else without_output_schema(sent)
            in_flex = has_flex_tier(sent)
            shortage = _shortage_of(response, in_flex=in_flex)
            self._failed_in_flex.discard(str(sent.request_id))
            self._consecutive_shortages = self._consecutive_shortages + 1 if shortage else 0
            if shortage:
                self.shortage = shortage
            elif response.success:
                self.shortage = None
            if isinstance(response.error, UsageTableUnavailable):
                self._watch.stop_for(Stopped.NO_RESERVATIONS)
            if shortage or self._is_interrupted(response):
                self._postpone(request, response)
            elif in_flex and _may_succeed_on_demand(response):
                self._failed_in_flex.add(str(sent.request_id))
                self._add_interrupted(request, response)
            else:
                self._add_result(request, response)
            if self._consecutive_shortages >= max_shortages:
                self._watch.stop_for(Stopped.QUOTA)

    def _with_schema(self, request: BedrockConverseRequest) -> BedrockConverseRequest:
        """Return the request with the schema of the batch. The plan rejected those that cannot have it."""
        return with_output_schema(request, self._schema)

    def _is_interrupted(self, response: BedrockResponse) -> bool:
        """Whether a request may have failed only because the invocation had no time left: it runs again.

        A request whose answer breaks its rules, or has no value for its schema, does not run again, because
        that would cost more answers than the rules allow.
        """
        if response.success or _was_answered(response):
            return False
        if isinstance(response.error, UsageTableUnavailable | NotReserved | RequestNotStartedError):
            return True
        is_decided = isinstance(response.error, BudgetExceeded) or is_final(response)
        return self._start_until.remaining() <= 0 and not (is_decided or _used_its_full_time(response))

    def _postpone(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        self._postponed += 1
        self._add_interrupted(request, response)

    def _add_interrupted(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        interrupted = self._records.interrupted(request, response)
        if response.attempts:
            self._parts.add(interrupted)

    def _add_result(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        log_payload(request, response)
        self._parts.add(self._records.result(request, response))
        self._stop_signal.add_outcome(success=response.success)


def _shortage_of(response: BedrockResponse, *, in_flex: bool) -> Shortage | None:
    """Return the quota for whose lack a record failed, or None."""
    is_not_reserved = isinstance(response.error, BudgetExceeded | UsageTableUnavailable | NotReserved)
    if is_not_reserved or _was_answered(response):
        return None
    return shortage_of(response, tier=Lane.FLEX.value if in_flex else "")


def _may_succeed_on_demand(response: BedrockResponse) -> bool:
    """Whether a record that failed in the flex tier for another reason than quota runs again on demand.

    A policy may deny the tier, and an answer may take too long in it.
    """
    is_decided = isinstance(response.error, BudgetExceeded) or is_final(response)
    return not (response.success or is_decided or _was_answered(response))


def _was_answered(response: BedrockResponse) -> bool:
    """Whether a record failed because of its answers."""
    return response.had_validation_failures() or isinstance(response.error, StructuredOutputError)


def _used_its_full_time(response: BedrockResponse) -> bool:
    """Whether the attempts, without waits for quota, took the maximum time of a record."""
    seconds = sum((attempt.end_time - attempt.start_time).total_seconds() for attempt in response.attempts)
    return seconds >= RECORD_SECONDS
