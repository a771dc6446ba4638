"""The middle step of a batch: the records of one shard answered, as many as there is time for.

        ┌────────────────────────── done: false ◄──────────────────────────┐
        ▼                                                                  │
    read the parts ─► run what is in none of them ─► write parts as answers come ─► done: true

What is done stands in the parts and nowhere else. So a worker that was killed, is retried, or was started
twice goes on where the parts end, and no answer that was written is paid for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from lambdas.batch.early_end import EarlyEnd
from lambdas.batch.options import Options
from lambdas.batch.parts import PartWriter
from lambdas.batch.results import ANSWERED, FAILED, interrupted_result, missed_result, result_of
from lambdas.batch.storage import BatchStorage
from lambdas.shared.codec import InvalidRequest, decode_record
from lambdas.shared.manager import REQUEST_SECONDS, Targets, model_ids, parallel_manager
from lambdas.shared.metrics import Tally
from lambdas.shared.observability import log_payload, logger
from lambdas.shared.settings import batch_settings
from lambdas.shared.shared_cooldowns import cooldowns
from llmmanager import BedrockConverseRequest, BedrockResponse, Deadline

# What it takes to write the last part and return.
MARGIN_SECONDS = 10.0


class NoProgress(Exception):
    """Records are left, and a whole invocation has finished none of them: another would not either."""


class Context(Protocol):
    """What is used of the context that Lambda hands to a function."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""


@dataclass(frozen=True)
class Budget:
    """How an invocation's time is shared out.

    Attributes:
        start_until: requests start until then, so that one that takes its full time can still end;
        end: by then those under way have ended.
    """

    start_until: Deadline
    end: Deadline

    @classmethod
    def of(cls, context: Context) -> Budget:
        """The budget of an invocation that starts now."""
        left = context.get_remaining_time_in_millis() / 1000
        end = left - min(MARGIN_SECONDS, left / 5)
        return cls(Deadline.after(end - min(REQUEST_SECONDS, end / 2)), Deadline.after(end))


@logger.inject_lambda_context(clear_state=True)
def handler(item: dict[str, Any], context: Context) -> dict[str, Any]:
    """A shard as the manifest has it; the same with `done`, `answered` and `failed`.

    Raises:
        NoProgress: not one record could be finished in this invocation.
    """
    logger.append_keys(batch_id=item["batchId"], shard=item["shard"])
    cooldowns().learn()
    outcome = run_shard(item, Budget.of(context))
    logger.info("shard run", extra=outcome)
    return {**item, **outcome}


def run_shard(item: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """Run what is left of a shard; `{"done", "answered", "failed"}` of the shard as a whole."""
    storage = BatchStorage(item["bucket"], item["batchId"])
    options = storage.options()
    with (
        Tally(door="batch") as tally,
        PartWriter(storage, item["shard"]) as parts,
        EarlyEnd(storage, options, run=item["run"], shard=item["shard"]) as early_end,
    ):
        finished_before = len(parts.statuses)
        models = model_ids(_targets(item))
        waiting = Waiting(storage.read(item["key"]), parts, budget, early_end, model_ids=models)
        cut_short = False
        for request, response in _responses(item, options, waiting.requests(), deadline=budget.end):
            if _is_interrupted(response, budget):
                cut_short = True
                tally.add_attempts(response)
                parts.add(interrupted_result(request, response))
            else:
                tally.add(response)
                log_payload(request, response)
                parts.add(result_of(request, response))
                early_end.note(success=response.success)
    done = waiting.over and not cut_short
    if not done and len(parts.statuses) == finished_before:
        raise NoProgress(f"shard {item['shard']}: no record could be finished in the time of one invocation")
    statuses = list(parts.statuses.values())
    return {
        "done": done,
        "answered": statuses.count(ANSWERED),
        "failed": statuses.count(FAILED),
    }


def _is_interrupted(response: BedrockResponse, budget: Budget) -> bool:
    """Whether a request perhaps only ran out of this invocation's time, so that the next one runs it again.

    One that was answered, though against the rules, is not: asked again, it would cost more answers than
    its rules allow.
    """
    out_of_time = budget.start_until.remaining() <= 0
    return not response.success and out_of_time and not response.had_validation_failures()


def _responses(
    item: dict[str, Any],
    options: Options,
    requests: Iterator[BedrockConverseRequest],
    *,
    deadline: Deadline,
) -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
    targets = _targets(item)
    calls_at_once = options.calls_at_once(batch_settings().worker_concurrency)
    manager = parallel_manager(
        targets,
        options.retry_strategy,
        calls_at_once=calls_at_once,
        feature_fallback=options.feature_fallback,
        # Shards that an earlier version planned do not say how many workers run at once.
        quota_share=1 / item.get("workers", 1),
    )
    return manager.iter_responses(
        requests,
        response_validation_config=options.rules(),
        deadline=deadline,
        keep_region_order=True,  # a batch's `regions` are in order of preference
    )


def _targets(item: dict[str, Any]) -> Targets:
    return Targets(tuple(item["models"]), tuple(item["regions"]))


class Waiting:
    """The records of a shard that have no result yet, handed out while there is time to start them.

    Attributes:
        over: whether all were handed out that are to be run; not so where nobody asked for them in time.
    """

    def __init__(
        self,
        shard: bytes,
        parts: PartWriter,
        budget: Budget,
        early_end: EarlyEnd,
        *,
        model_ids: tuple[str, ...] = (),
    ) -> None:
        self.over = False
        self._shard = shard
        self._parts = parts
        self._budget = budget
        self._early_end = early_end
        self._model_ids = model_ids

    def requests(self) -> Iterator[BedrockConverseRequest]:
        """Each record once, as a request; those of a lower `priority` number first."""
        for line in sorted(BytesIO(self._shard), key=_priority):
            record = json.loads(line)
            if record["recordId"] in self._parts.statuses:
                continue
            if self._early_end.due():
                break
            if self._parts.in_trouble or self._budget.start_until.remaining() <= 0:
                return
            try:
                request = decode_record(record, default_id=record["recordId"], model_ids=self._model_ids)
            except InvalidRequest as error:
                # The plan took it, by the rules of an earlier deployment; the others are run nevertheless.
                refused = {"type": "InvalidRequest", "code": None, "message": str(error)}
                self._parts.add(missed_result(record, refused))
                self._early_end.note(success=False)
                continue
            yield request
        self.over = True


def _priority(line: bytes) -> int:
    priority: int | None = json.loads(line)["modelInput"].get("priority")
    return priority or 0
