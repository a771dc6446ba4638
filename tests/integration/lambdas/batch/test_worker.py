"""A worker that is interrupted, and the next one that continues."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections import Counter

import pytest
from botocore.exceptions import ClientError

from lambdas.batch import parts, shard_run, worker
from lambdas.batch.parts import PartWriter
from lambdas.batch.storage import BatchStorage
from lambdas.batch.worker import NoProgress, TimeBudget
from lambdas.batch.worker_watch import WorkerWatch
from lambdas.shared import shared_cooldowns
from llmmanager import Deadline
from llmmanager.bedrock.transport import converse_api
from llmmanager.json_format.json_text import dump_line
from llmmanager.testing import Fault
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS, DeadlineWhen, wait_until

ENOUGH = 900.0


class Killed(BaseException):
    """Raised where the function stops. Not an Exception, so that the function does not handle it."""


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_RESULTS", 5)


@pytest.fixture
def shard(machine, records):
    """The only shard of a batch of twenty records."""
    (item,) = machine.plan({"inputS3Uri": machine.put(records(20)), "regions": ["us-east-1"]})
    return item


def budget(*, start, end):
    return TimeBudget(start_until=Deadline.after(start), end=Deadline.after(end))


def in_parts(machine, item):
    storage = BatchStorage(item["bucket"], item["batchId"])
    lines = [line for part in storage.parts(item["shard"]) for line in storage.read(part.key).splitlines()]
    return [json.loads(line)["recordId"] for line in lines]


def calls_by_prompt(bedrock):
    return Counter(call.prompt for call in bedrock.calls)


def test_a_worker_that_stops_is_followed_by_one_that_repeats_no_call(
    machine, deployed, shard, small_parts, monkeypatch
):
    write = BatchStorage.add_part

    def write_once_then_die(self, *args, **kwargs):
        if kwargs["number"] > 1:
            raise Killed
        return write(self, *args, **kwargs)

    monkeypatch.setattr(BatchStorage, "add_part", write_once_then_die)
    with pytest.raises(Killed):
        machine.run_shard(shard)
    monkeypatch.setattr(BatchStorage, "add_part", write)
    kept = in_parts(machine, shard)
    machine.run_shard(shard)
    summary = machine.collect()

    assert len(kept) == 5
    assert summary["answered"] == 20
    assert len({line["recordId"] for line in machine.lines("results.jsonl")}) == 20
    calls_made = calls_by_prompt(deployed)
    assert all(calls_made[f"Question {number.removeprefix('record-')}?"] == 1 for number in kept)


def test_records_without_time_are_left_to_the_next_invocation(machine, deployed, records):
    (item,) = machine.plan({"inputS3Uri": machine.put(records(96)), "regions": ["us-east-1"]})[-1:]

    over = DeadlineWhen(lambda: len(deployed.calls) >= 30)
    first = worker.run_shard(item, TimeBudget(start_until=over, end=Deadline.after(ENOUGH)))
    calls_made = len(deployed.calls)
    second = worker.run_shard(item, budget(start=ENOUGH, end=ENOUGH))

    assert not first["done"]
    assert first["answered"] == calls_made < item["records"]
    assert second == {"done": True, "answered": item["records"], "failed": 0}
    assert set(calls_by_prompt(deployed).values()) == {1}
    assert len(in_parts(machine, item)) == len(set(in_parts(machine, item))) == item["records"]


def test_a_record_that_the_invocation_interrupts_runs_again(machine, deployed, shard, monkeypatch):
    turn, over = itertools.count(), threading.Event()
    converse = converse_api.converse

    def first_call_hangs(client, invoke_id, body, read_timeout, **options):
        if next(turn):
            return converse(client, invoke_id, body, PATIENCE_SECONDS, **options)
        wait_until(lambda: sum(call.status == 200 for call in deployed.calls) == 19)
        deployed.add_fault(Fault(hang=True, count=1))
        try:
            return converse(client, invoke_id, body, SILENCE_SECONDS, **options)
        finally:
            over.set()

    monkeypatch.setattr(converse_api, "converse", first_call_hangs)
    end = DeadlineWhen(over.is_set)
    first = worker.run_shard(shard, TimeBudget(start_until=end, end=end))
    second = worker.run_shard(shard, budget(start=ENOUGH, end=ENOUGH))

    assert first == {"done": False, "answered": 19, "failed": 0}
    assert second == {"done": True, "answered": 20, "failed": 0}


@pytest.mark.parametrize("end", [ENOUGH, 0, -1])
def test_an_invocation_without_progress_raises(machine, deployed, shard, end):
    with pytest.raises(NoProgress, match="shard 0"):
        worker.run_shard(shard, budget(start=-1, end=end))

    assert not deployed.calls


def test_records_that_wait_for_the_prompt_cache_are_left_to_the_next_invocation(
    machine, deployed, records, answer_with, monkeypatch
):
    watches = []

    class RecordedWatch(WorkerWatch):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            watches.append(self)

    def after_the_stop(_call):
        wait_until(watches[0].stop.is_set)

    monkeypatch.setattr(shard_run, "WorkerWatch", RecordedWatch)
    answer_with(after_the_stop)
    cached = records(20)
    for record in cached:
        record["modelInput"] |= {"system": [{"text": "The rules. " * 1000}], "promptCache": "auto"}
    (item,) = machine.plan({"requests": cached, "regions": ["us-east-1"]})
    first_call = DeadlineWhen(lambda: deployed.calls)

    outcome = worker.run_shard(item, TimeBudget(start_until=first_call, end=Deadline.after(ENOUGH)))

    assert (outcome["done"], outcome["answered"], len(deployed.calls)) == (False, 1, 1)
    assert machine.run_shard(item)["answered"] == 20
    assert set(calls_by_prompt(deployed).values()) == {1}


def test_a_failed_record_is_not_run_again_by_the_next_invocation(machine, deployed, shard):
    deployed.add_fault(Fault(error="AccessDeniedException"))
    machine.run_shard(shard)
    calls_made = len(deployed.calls)

    assert machine.run_shard(shard)["failed"] == 20
    assert len(deployed.calls) == calls_made


def test_a_record_that_a_new_version_rejects_does_not_affect_others(machine, deployed, shard):
    lines = [json.loads(line) for line in machine.read(shard["key"]).splitlines()]
    lines[3]["modelInput"] = {"messages": {"role": "user"}}
    machine.put(lines, key=shard["key"])

    summary = machine.run_shard(shard) and machine.collect()

    (failed,) = machine.lines("failed.jsonl")
    assert (summary["answered"], summary["failed"], summary["attempts"]) == (19, 1, 19)
    assert (failed["recordId"], failed["error"]["type"]) == (lines[3]["recordId"], "InvalidRequest")
    assert failed["error"]["message"].startswith("messages: ")


def test_results_that_s3_rejects_are_written_with_the_next_part(
    machine, deployed, shard, small_parts, monkeypatch
):
    write = BatchStorage.add_part
    rejections = iter([True])

    def reject_once(self, *args, **kwargs):
        if next(rejections, False):
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "PutObject")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(BatchStorage, "add_part", reject_once)
    first = worker.run_shard(shard, budget(start=ENOUGH, end=ENOUGH))
    second = worker.run_shard(shard, budget(start=ENOUGH, end=ENOUGH))

    assert second["answered"] == 20
    assert 5 <= first["answered"] <= 20
    assert set(calls_by_prompt(deployed).values()) == {1}


def test_a_worker_whose_results_cannot_be_written_raises(machine, deployed, shard, monkeypatch):
    def reject(self, *args, **kwargs):
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "PutObject")

    monkeypatch.setattr(BatchStorage, "add_part", reject)

    with pytest.raises(ClientError):
        machine.run_shard(shard)


def test_two_workers_on_one_shard_never_overwrite_each_other(machine, deployed, shard):
    storage = BatchStorage(shard["bucket"], shard["batchId"])
    one, other = PartWriter(storage, 0), PartWriter(storage, 0)

    for writer, name in ((one, "record-0"), (other, "record-1")):
        writer.add({"recordId": name, "status": "answered"})
        writer.flush()

    assert sorted(in_parts(machine, shard)) == ["record-0", "record-1"]


def test_an_answer_has_precedence_over_a_failure_and_an_earlier_answer_over_a_later_one(
    machine, deployed, shard
):
    machine.run_shard(shard)
    storage = BatchStorage(shard["bucket"], shard["batchId"])
    (part,) = list(storage.parts(0))
    answered = [json.loads(line) for line in storage.read(part.key).splitlines()]
    failure = {"recordId": "record-0", "status": "failed", "attempts": 1, "error": None, "modelInput": {}}
    second = {**answered[1], "region": "another-region-1"}
    for number, result in enumerate((failure, second), start=2):
        storage.add_part(
            0,
            [dump_line(result)],
            number=number,
            answered=int(result["status"] == "answered"),
            failed=int(result["status"] == "failed"),
        )

    summary = machine.collect()

    assert (summary["answered"], summary["failed"]) == (20, 0)
    assert "another-region-1" not in summary["byRegion"]


def test_rejected_credentials_fail_the_records_with_the_reason(machine, deployed, shard):
    deployed.reject_credentials(os.environ["AWS_ACCESS_KEY_ID"], error="UnrecognizedClientException")

    assert machine.run_shard(shard)["failed"] == 20
    machine.collect()
    assert {line["error"]["code"] for line in machine.lines("failed.jsonl")} == {
        "UnrecognizedClientException"
    }


def test_a_region_that_is_not_enabled_fails_no_record_and_is_reported_to_other_workers(
    machine, deployed, records, cold_start
):
    deployed.add_fault(Fault(region="us-east-1", error="UnrecognizedClientException"))
    shared_cooldowns.cooldowns()._in_background = lambda work: work()

    (item,) = machine.plan({"requests": records(20), "regions": ["us-east-1", "us-west-2"]})

    assert machine.run_shard(item)["answered"] == 20
    assert list(shared_cooldowns.SharedCooldownStore("catalog-of-the-test").read()) == [("*", "us-east-1")]
    cold_start()
    machine.run({"requests": records(5), "regions": ["us-east-1", "us-west-2"]}, name="another-batch")
    assert Counter(call.region for call in deployed.calls)["us-east-1"] <= 8


@pytest.mark.parametrize(
    ("seconds", "starts", "ends"), [(900, 650, 890), (60, 25, 50), (10, 4, 8), (0.1, 0.04, 0.08)]
)
def test_an_invocation_has_time_for_a_whole_request_and_for_the_last_part(seconds, starts, ends):
    class Context:
        def get_remaining_time_in_millis(self):
            return int(seconds * 1000)

    given = TimeBudget.from_context(Context())

    assert given.start_until.remaining() == pytest.approx(starts, abs=1)
    assert given.end.at - given.start_until.at == pytest.approx(ends - starts, abs=1e-3)


def test_a_batch_prefers_its_first_region_for_every_record(machine, deployed, records):
    data = {"inputS3Uri": machine.put(records(12)), "regions": ["us-west-2", "us-east-1"]}

    assert machine.run(data)["byRegion"] == {"us-west-2": 12}
