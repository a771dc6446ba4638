"""One invocation's work at a shard: its pending records answered, as many as there is time and quota for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from lambdas.batch.deadline_risk import DeadlineRisk
from lambdas.batch.early_end import EarlyEnd
from lambdas.batch.options import OnThrottle, Options
from lambdas.batch.parts import PartWriter
from lambdas.batch.pending import PendingRecords
from lambdas.batch.quota_wait import Shortage, is_final, shortage_of
from lambdas.batch.results import interrupted_result, result_of
from lambdas.batch.worker_watch import Stopped, WorkerWatch
from lambdas.shared.manager import REQUEST_SECONDS, RequestTargets, model_ids, parallel_manager
from lambdas.shared.metrics import Tally
from lambdas.shared.observability import log_payload
from lambdas.shared.settings import batch_settings
from llmmanager import BedrockConverseRequest, BedrockResponse, Deadline

if TYPE_CHECKING:
    from llmmanager import ParallelLLMManager

# A record can lack quota that others do not need, since only one model accepts it.
_SHORTAGES_IN_A_ROW = 8
_FOR_LACK_OF_QUOTA = (Stopped.QUOTA, Stopped.DEADLINE_AT_RISK)


class ShardRun:
    """Answers the pending records of a shard. Each answer is kept as a result, and each failure that quota
    or time would not have prevented; the other records stay pending.

    Args:
        item: the shard as the manifest has it.
        start_until: no call is sent after it.
        end: calls that were sent end by it.
        risk: when it says so, other models are used although the batch rather waits for quota.
        after_wait: whether the shard has waited for quota. One record is then tried before the others, so
            that few calls are throttled while there still is none.

    Attributes:
        shortage: the quota that the last records lacked; None when they lacked none.
        is_starved: whether the run ended since no quota admitted any of the records.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        options: Options,
        *,
        start_until: Deadline,
        end: Deadline,
        tally: Tally,
        parts: PartWriter,
        early_end: EarlyEnd,
        risk: DeadlineRisk,
        after_wait: bool = False,
    ) -> None:
        self.shortage: Shortage | None = None
        self.is_starved = False
        self._start_until = start_until
        self._end = end
        self._tally = tally
        self._parts = parts
        self._early_end = early_end
        self._after_wait = after_wait
        self._rules = options.rules()
        self._item = item
        self._options = options
        self._risk = risk
        self._targets = RequestTargets(tuple(item["models"]), tuple(item["regions"]))
        self._put_off = 0
        self._shortages_in_a_row = 0

    def answer(self, shard: bytes) -> PendingRecords:
        """Answer what is pending of a shard, given as its lines; the records that were pending."""
        pending = self._answer_pending(shard, self._options.on_throttle)
        if self._watch.reason in _FOR_LACK_OF_QUOTA and not pending.over and self._risk.is_missed():
            pending = self._answer_pending(shard, "failover")
        self.is_starved = self._watch.reason is Stopped.QUOTA
        return pending

    def _answer_pending(self, shard: bytes, on_throttle: OnThrottle) -> PendingRecords:
        self._put_off = self._shortages_in_a_row = 0
        self.shortage = None
        self._manager = self._make_manager(on_throttle)
        self._watch = watch = WorkerWatch(
            start_until=self._start_until,
            early_end=self._early_end,
            seconds_without_quota=self._manager.seconds_without_quota,
            deadline_at_risk=self._risk.is_missed if on_throttle == "wait" else lambda: False,
        )
        pending = PendingRecords(
            shard,
            self._parts,
            watch,
            self._early_end,
            model_ids=model_ids(self._targets),
            tried_last=self._after_wait,
        )
        requests = pending.requests()
        with watch:
            if self._after_wait:
                self._answer(islice(requests, 1), shortages=1)
            if watch.may_start():
                self._answer(requests, shortages=_SHORTAGES_IN_A_ROW)
        if watch.starved:
            self.shortage = self.shortage or Shortage.MINUTE
        pending.over = watch.reason is Stopped.BATCH_ENDED or (pending.over and not self._put_off)
        return pending

    def _make_manager(self, on_throttle: OnThrottle) -> ParallelLLMManager:
        options, settings = self._options, batch_settings()
        return parallel_manager(
            self._targets,
            options.retry_strategy,
            calls_at_once=options.calls_at_once(settings.worker_concurrency),
            feature_fallback=options.feature_fallback,
            on_throttle=on_throttle,
            max_cost_multiple=options.max_cost_multiple,
            # Shards that an earlier version of the stack planned have no share.
            quota_share=self._item.get("quotaShare", 1.0),
            quota_reserve=settings.single_request_share,
        )

    def _answer(self, requests: Iterator[BedrockConverseRequest], *, shortages: int) -> None:
        """Answer requests until so many in a row, without an answer between them, lack quota."""
        responses = self._manager.iter_responses(
            requests,
            response_validation_config=self._rules,
            deadline=self._end,
            keep_region_order=True,  # a batch's `regions` are in order of preference
            stop=self._watch.stop,
        )
        for request, response in responses:
            lacking = None if response.had_validation_failures() else shortage_of(response)
            self._shortages_in_a_row = self._shortages_in_a_row + 1 if lacking else 0
            if lacking:
                self.shortage = lacking
            elif response.success:
                self.shortage = None
            if lacking or self._is_interrupted(response):
                self._put_off_record(request, response)
            else:
                self._keep(request, response)
            if self._shortages_in_a_row >= shortages:
                self._watch.stop_for(Stopped.QUOTA)

    def _is_interrupted(self, response: BedrockResponse) -> bool:
        """Whether a request perhaps only ran out of the invocation's time, so that it is run again.

        One that was answered, though against the rules, is not: asked again, it would cost more answers than
        its rules allow.
        """
        if response.success or self._start_until.remaining() > 0:
            return False
        return not (response.had_validation_failures() or is_final(response) or _took_its_time(response))

    def _put_off_record(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        self._put_off += 1
        self._tally.add_attempts(response)
        if response.attempts:
            self._parts.add(interrupted_result(request, response))

    def _keep(self, request: BedrockConverseRequest, response: BedrockResponse) -> None:
        self._tally.add(response)
        log_payload(request, response)
        self._parts.add(result_of(request, response))
        self._early_end.note(success=response.success)


def _took_its_time(response: BedrockResponse) -> bool:
    """Whether the attempts, without waits for quota, took as long as a record may take."""
    took = sum((attempt.end_time - attempt.start_time).total_seconds() for attempt in response.attempts)
    return took >= REQUEST_SECONDS
