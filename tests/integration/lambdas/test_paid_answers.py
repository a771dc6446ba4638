"""Every answer that was paid for is reported, over HTTP and in batches, and their number is limited."""

from __future__ import annotations

import json

import pytest

from lambdas.batch import pending, worker
from lambdas.batch.storage import BatchStorage
from lambdas.batch.worker import TimeBudget
from lambdas.http_api.handler import handler
from llmmanager import Deadline, estimate_cost
from llmmanager.json_format.codec import decode_record
from llmmanager.json_format.json_text import dump_line
from llmmanager.testing import Fault
from tests.waiting import DeadlineWhen

MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
NEVER_VALID = {"mustContain": ["a text that no answer has"]}
THREE_MODELS = json.dumps(["Nova Lite", "Nova Micro", "Nova Pro"])
ACCESS_METHODS = {"on_demand": "on_demand", "geo": "geographic_profile", "global": "global_profile"}
LOST = Fault(reset=True, billed=True, count=1)
TIMED_OUT = Fault(error="ModelTimeoutException", billed=True, count=1)
ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}


@pytest.fixture
def time_to_start(monkeypatch):
    """Return the budget of an invocation whose time is over after this number of records has started."""
    started = []

    def count(record, **arguments):
        started.append(record)
        return decode_record(record, **arguments)

    monkeypatch.setattr(pending, "decode_record", count)
    return lambda records: TimeBudget(
        start_until=DeadlineWhen(lambda: len(started) >= records), end=Deadline.after(900)
    )


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request to /v1/converse and returns status and body."""

    def send(**body):
        answer = handler(proxy_event("POST", "/v1/converse", {"messages": MESSAGES, **body}), context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.fixture
def metrics(capsys):
    """Returns the sums of the written metrics by name."""

    def read():
        sums = {}
        for line in capsys.readouterr().out.splitlines():
            if not line.startswith('{"_aws"'):
                continue
            written = json.loads(line)
            for metric in written["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                sums[metric["Name"]] = sums.get(metric["Name"], 0) + written[metric["Name"]]
        return sums

    return read


def price_of(bedrock):
    return sum(
        estimate_cost(
            row.model_id,
            row.delivered.usage,
            access_method=ACCESS_METHODS[row.access_method],
            region=row.region,
        )
        for row in bedrock.usage()
    )


@pytest.mark.parametrize(("retries", "answers"), [(0, 1), (1, 2), (None, 4)])
def test_over_http_there_is_one_call_more_than_the_retries(
    deployed, monkeypatch, cold_start, call, retries, answers
):
    monkeypatch.setenv("LLMMANAGER_MODELS", THREE_MODELS)
    cold_start()
    rules = NEVER_VALID if retries is None else {**NEVER_VALID, "retries": retries}

    status, problem = call(responseValidation=rules)

    assert status == 422
    assert len(deployed.calls) == len(problem["attempts"]) == answers


def test_in_a_batch_there_is_one_call_more_than_the_retries_for_each_record(
    machine, deployed, monkeypatch, cold_start, records
):
    monkeypatch.setenv("LLMMANAGER_MODELS", THREE_MODELS)
    cold_start()

    machine.run({"requests": records(3), "responseValidation": {**NEVER_VALID, "retries": 1}})

    assert len(deployed.calls) == 3 * 2


def test_the_problem_has_the_cost_of_all_rejected_answers(deployed, call, metrics):
    deployed.add_fault(LOST)

    _, problem = call(responseValidation={**NEVER_VALID, "retries": 2})

    assert problem["totalUsage"] == deployed.delivered.usage
    assert problem["estimatedCostUsd"] == pytest.approx(price_of(deployed))
    assert (problem["attemptsWithUnknownUsage"], problem["answersWithoutPrice"]) == (1, 0)
    assert [attempt["usage"] for attempt in problem["attempts"]] == [None] + 3 * [deployed.calls[-1].usage]
    written = metrics()
    assert written["InputTokens"] == deployed.delivered.input_tokens
    assert written["OutputTokens"] == deployed.delivered.output_tokens
    assert written["EstimatedCostUsd"] == pytest.approx(price_of(deployed))
    assert (written["AttemptsWithUnknownUsage"], written["Failures"]) == (1, 1)


def test_the_response_has_the_cost_of_all_attempts(deployed, call):
    deployed.add_fault(Fault(error="ThrottlingException", count=1))

    status, answer = call()

    assert status == 200
    assert answer["usage"] == answer["totalUsage"] == deployed.delivered.usage
    assert answer["estimatedCostUsd"] == pytest.approx(price_of(deployed))
    assert answer["attempts"][0]["usage"]["totalTokens"] == answer["attemptsWithUnknownUsage"] == 0


def test_the_usage_is_unknown_if_all_answers_were_lost(deployed, call):
    deployed.add_fault(Fault(reset=True, billed=True))

    status, problem = call(**ONE_TARGET)

    assert status == 503
    assert problem["totalUsage"] is problem["estimatedCostUsd"] is None
    assert problem["attemptsWithUnknownUsage"] == len(problem["attempts"]) > 0


def test_a_batch_reports_every_answer_of_every_record(machine, deployed, records, metrics):
    deployed.add_fault(LOST)

    summary = machine.run({"requests": records(10), "responseValidation": {**NEVER_VALID, "retries": 1}})

    assert (summary["answered"], summary["failed"]) == (0, 10)
    assert summary["usage"] == deployed.delivered.usage
    assert summary["estimatedCostUsd"] == pytest.approx(price_of(deployed), abs=1e-9)
    assert (summary["attemptsWithUnknownUsage"], summary["answersWithoutPrice"]) == (1, 0)
    lines = machine.lines("failed.jsonl")
    total = sum(line["totalUsage"]["totalTokens"] for line in lines)
    assert total == deployed.delivered.total_tokens == 2 * sum(line["usage"]["totalTokens"] for line in lines)
    assert sum(line["attemptsWithUnknownUsage"] for line in lines) == 1
    written = metrics()
    assert written["OutputTokens"] == deployed.delivered.output_tokens
    assert written["EstimatedCostUsd"] == pytest.approx(price_of(deployed))


def test_the_cost_of_an_interrupted_run_is_part_of_the_result(
    machine, deployed, records, metrics, time_to_start
):
    (item,) = machine.plan({"requests": records(3), **ONE_TARGET})
    deployed.add_fault(TIMED_OUT)

    first = worker.run_shard(item, time_to_start(3))
    machine.run_shard(item)
    summary = machine.collect()

    assert first == {"done": False, "answered": 2, "failed": 0}
    assert (summary["answered"], summary["attempts"]) == (3, len(deployed.calls))
    assert summary["attemptsWithUnknownUsage"] == 1
    assert summary["usage"] == deployed.delivered.usage
    assert sorted(line["attemptsWithUnknownUsage"] for line in machine.lines("results.jsonl")) == [0, 0, 1]
    assert metrics()["AttemptsWithUnknownUsage"] == 1


def test_a_record_that_was_interrupted_and_then_lost_keeps_its_attempts(
    machine, deployed, records, time_to_start
):
    (item,) = machine.plan({"requests": records(1), **ONE_TARGET})
    deployed.add_fault(TIMED_OUT)
    with pytest.raises(worker.NoProgress):
        worker.run_shard(item, time_to_start(1))

    summary = machine.collect()

    (line,) = machine.lines("failed.jsonl")
    assert line["error"]["type"] == "RecordLost"
    assert line["attempts"] == line["attemptsWithUnknownUsage"] == summary["attemptsWithUnknownUsage"] == 1


def test_a_record_whose_answers_were_all_rejected_is_not_run_again(machine, deployed, records, time_to_start):
    rules = {**NEVER_VALID, "retries": 1}
    (item,) = machine.plan({"requests": records(2), "responseValidation": rules, **ONE_TARGET})

    outcome = worker.run_shard(item, time_to_start(2))

    assert (outcome["answered"], outcome["failed"]) == (0, 2)
    assert len(deployed.calls) == 4


def test_the_cost_of_a_record_that_two_workers_answered_includes_both(machine, deployed, records):
    (item,) = machine.plan({"requests": records(2)})
    machine.run_shard(item)
    storage = BatchStorage(item["bucket"], item["batchId"])
    (part,) = storage.parts(0)
    line = json.loads(storage.read(part.key).splitlines()[0])
    storage.add_part(0, [dump_line(line)], number=2, answered=1, failed=0)

    summary = machine.collect()

    assert summary["answered"] == 2
    assert summary["usage"]["totalTokens"] == deployed.delivered.total_tokens + line["usage"]["totalTokens"]
