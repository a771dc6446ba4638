"""Batches under a quota: records that only lack quota stay pending until there is some."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from lambdas.batch import worker
from lambdas.batch.options import Options
from lambdas.batch.quota_wait import QuotaWait
from lambdas.batch.worker import TimeBudget
from lambdas.http_api.handler import handler
from llmmanager import Deadline
from llmmanager.testing import Fault
from tests.waiting import DeadlineWhen, wait_until

ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}
DAILY = Fault(
    error="ThrottlingException", message="Too many tokens per day, please wait before trying again."
)


def budget(*, start_until=None):
    return TimeBudget(start_until=start_until or Deadline.after(800), end=Deadline.after(900))


def calls_by_prompt(bedrock):
    return Counter(call.prompt for call in bedrock.calls if call.status == 200)


def test_every_record_is_answered_under_a_quota_and_paid_for_once(machine, short_minute, records):
    short_minute.set_quota(tokens_per_minute=1_000)

    summary = machine.run({"inputS3Uri": machine.put(records(150)), **ONE_TARGET})

    assert (summary["answered"], summary["failed"]) == (150, 0)
    assert set(calls_by_prompt(short_minute).values()) == {1}
    assert len(calls_by_prompt(short_minute)) == 150


def test_a_batch_waits_for_a_daily_quota_and_tries_one_record_before_the_others(machine, deployed, records):
    (item,) = machine.plan({"requests": records(20), **ONE_TARGET})
    deployed.add_fault(DAILY)

    first = worker.handler(item, machine.context())
    before = len(deployed.calls)
    second = worker.handler(past(first), machine.context())
    tried = len(deployed.calls) - before
    deployed.reset()
    third = worker.handler(past(second), machine.context())

    assert (first["done"], first["answered"], first["failed"]) == (False, 0, 0)
    assert first["quotaWait"]["shortage"] == "per_day"
    # Once through each access method of the model.
    assert tried <= 3 < before
    assert (second["done"], second["quotaWait"]["runs"]) == (False, 2)
    assert second["waitSeconds"] > first["waitSeconds"] / 2
    assert (third["done"], third["answered"]) == (True, 20)
    assert not {"waitSeconds", "quotaWait"} & third.keys()
    summary = machine.collect()
    assert (summary["answered"], summary["failed"]) == (20, 0)


def past(item):
    """The item as it comes back from Step Functions, when its wait is over."""
    now = datetime.now(UTC)
    return {**item, "quotaWait": {**item["quotaWait"], "until": (now - timedelta(seconds=1)).isoformat()}}


def test_an_execution_whose_state_machine_knows_no_waits_waits_in_the_function(
    machine, short_minute, records
):
    (item,) = machine.plan({"requests": records(2), **ONE_TARGET})
    until = datetime.now(UTC) + timedelta(seconds=0.3)
    wait = {"since": until.isoformat(), "runs": 1, "until": until.isoformat(), "shortage": "per_minute"}

    outcome = worker.handler({**item, "waitSeconds": 1, "quotaWait": wait}, machine.context())

    assert outcome["done"]
    assert datetime.now(UTC) >= until


def test_an_invocation_that_ends_during_a_wait_for_quota_fails_no_record(machine, deployed, records):
    (item,) = machine.plan({"inputS3Uri": machine.put(records(30)), **ONE_TARGET})
    deployed.set_quota(requests_per_minute=3)

    first = worker.run_shard(
        item, budget(start_until=DeadlineWhen(lambda: len(calls_by_prompt(deployed)) >= 6))
    )
    deployed.clear_quotas()

    assert (first["done"], first["failed"]) == (False, 0)
    assert first["answered"] == len(calls_by_prompt(deployed)) == 6


def test_a_deadline_that_passes_while_records_wait_fails_them_with_that_reason(
    machine, deployed, records, monkeypatch
):
    (item,) = machine.plan({"requests": records(5), "deadlineSeconds": 3600, **ONE_TARGET})
    deployed.add_fault(DAILY)

    monkeypatch.setattr(Options, "seconds_left", lambda _: 0.9)
    first = worker.run_shard(item, budget())
    monkeypatch.setattr(Options, "seconds_left", lambda _: -0.1)
    machine.run_shard({**item, **first})
    summary = machine.collect()

    assert first["waitSeconds"] == 1
    assert (summary["status"], summary["failed"]) == ("stopped", 5)
    assert summary["reason"] == "the batch's deadline passed while records waited for quota"
    assert {line["error"]["type"] for line in machine.lines("failed.jsonl")} == {"DeadlinePassed"}
    # What was tried is reported.
    assert summary["attempts"] == len(deployed.calls)


def test_without_a_deadline_records_fail_after_a_day_in_which_none_was_answered(machine, deployed, records):
    (item,) = machine.plan({"requests": records(5), **ONE_TARGET})
    deployed.add_fault(DAILY)
    first = worker.handler(item, machine.context())
    a_day_ago = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    waited = past({**first, "quotaWait": {**first["quotaWait"], "since": a_day_ago}})

    outcome = worker.handler(waited, machine.context())
    summary = machine.collect()

    assert (outcome["done"], outcome["failed"]) == (True, 5)
    assert (summary["status"], summary["failed"], summary["attempts"]) == (
        "succeeded",
        5,
        len(deployed.calls),
    )
    assert {line["error"]["type"] for line in machine.lines("failed.jsonl")} == {"QuotaExceeded"}


def test_a_day_of_waiting_does_not_count_while_other_shards_are_answered(machine, deployed, records):
    items = machine.plan({"inputS3Uri": machine.put(records(40)), **ONE_TARGET})
    machine.run_shard(items[0])
    deployed.add_fault(DAILY)
    first = worker.handler(items[1], machine.context())
    a_day_ago = (datetime.now(UTC) - timedelta(hours=25)).isoformat()

    outcome = worker.handler(
        past({**first, "quotaWait": {**first["quotaWait"], "since": a_day_ago}}), machine.context()
    )

    assert (outcome["done"], outcome["failed"]) == (False, 0)


def test_records_that_may_fail_over_do_not_wait_for_the_daily_quota_of_one_model(machine, deployed, records):
    models = {"models": ["Nova Lite", "Nova Micro"], "onThrottle": "failover"}
    (item,) = machine.plan({"requests": records(20), **models})[:1]
    deployed.add_fault(Fault(error=DAILY.error, message=DAILY.message, model="amazon.nova-lite-v1:0"))

    assert machine.run_shard(item)["answered"] == 20


def test_failures_that_are_not_about_quota_fail_as_ever(machine, deployed, records):
    (item,) = machine.plan({"requests": records(3), **ONE_TARGET})
    deployed.add_fault(Fault(error="AccessDeniedException"))

    outcome = worker.run_shard(item, budget())

    assert outcome == {"done": True, "answered": 0, "failed": 3}


def test_the_wait_of_a_shard_is_json(machine, deployed, records):
    (item,) = machine.plan({"requests": records(1), **ONE_TARGET})
    deployed.add_fault(DAILY)

    outcome = json.loads(json.dumps(worker.handler(item, machine.context())))

    assert QuotaWait.from_item(outcome).runs == 1


def test_single_requests_are_answered_beside_a_batch_that_uses_up_the_quota(
    machine, short_minute, records, proxy_event
):
    (item,) = machine.plan({"inputS3Uri": machine.put(records(30)), **ONE_TARGET})
    short_minute.set_quota(requests_per_minute=10)
    stop = threading.Event()
    ends = DeadlineWhen(stop.is_set)
    body = {"messages": "Is it there?", "inferenceConfig": {"maxTokens": 50}, **ONE_TARGET}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.run_shard, item, budget(start_until=ends))
        # In the second minute, the worker knows that the first throttles came from a quota.
        wait_until(lambda: sum(call.status == 200 for call in short_minute.calls) > 10)
        answers = [handler(proxy_event("POST", "/v1/converse", body), machine.context()) for _ in range(10)]
        stop.set()
        outcome = running.result()

    assert [answer["statusCode"] for answer in answers] == [200] * 10
    attempts = [len(json.loads(answer["body"])["attempts"]) for answer in answers]
    assert attempts.count(1) >= 8
    assert outcome["failed"] == 0
