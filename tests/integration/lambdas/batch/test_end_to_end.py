"""A batch through plan, workers and collect, as the state machine runs them."""

from __future__ import annotations

import json

import boto3
import pytest

from llmmanager.testing import Fault


def ids(lines):
    return sorted(line["recordId"] for line in lines)


def test_every_record_is_answered_once_and_the_summary_has_the_totals(machine, deployed, records):
    summary = machine.run({"inputS3Uri": machine.put(records(60))})

    results = machine.lines("results.jsonl")
    assert ids(results) == ids(records(60))
    assert {result["status"] for result in results} == {"answered"}
    assert len(deployed.calls) == 60
    assert (summary["records"], summary["answered"], summary["failed"], summary["rejected"]) == (60, 60, 0, 0)
    assert sum(summary["byRegion"].values()) == sum(summary["byModel"].values()) == 60
    assert summary["attempts"] == 60
    assert summary["usage"]["outputTokens"] == sum(result["usage"]["outputTokens"] for result in results)
    assert summary["estimatedCostUsd"] == pytest.approx(sum(r["estimatedCostUsd"] for r in results))
    assert summary == json.loads(machine.read("batches/batch-1/summary.json"))


def test_all_regions_share_a_small_batch(machine, deployed, records):
    summary = machine.run({"inputS3Uri": machine.put(records(96))})

    assert set(summary["byRegion"]) == {"us-east-1", "us-west-2", "eu-central-1"}


def test_records_can_be_part_of_the_input_of_the_state_machine(machine, deployed, records):
    summary = machine.run({"requests": records(3)})

    assert summary["answered"] == 3
    assert ids(machine.lines("input.jsonl")) == ids(records(3))


def test_a_file_in_an_input_bucket_is_read(machine, deployed, records):
    boto3.client("s3").create_bucket(Bucket="bucket-of-another-team")
    uri = machine.put(records(2), bucket="bucket-of-another-team")

    assert machine.run({"inputS3Uri": uri})["answered"] == 2


def test_invalid_lines_are_reported_by_number_and_the_others_are_answered(machine, deployed, records):
    one, two, three, four = records(4)
    uri = machine.put(
        [
            b"\xef\xbb\xbf" + json.dumps(one).encode() + b"\r\n",
            b"\n",
            b"{not json}\n",
            two,
            {**three, "recordId": two["recordId"]},
            {"recordId": "empty", "modelInput": {"messages": []}},
            json.dumps(four).encode(),
        ]
    )

    summary = machine.run({"inputS3Uri": uri})

    assert ids(machine.lines("results.jsonl")) == ids([one, two, four])
    rejected = machine.lines("rejected.jsonl")
    assert [line["line"] for line in rejected] == [3, 5, 6]
    assert [line.get("recordId") for line in rejected] == [None, two["recordId"], "empty"]
    assert all(line["reasons"] for line in rejected)
    assert (summary["records"], summary["answered"], summary["rejected"]) == (6, 3, 3)


def test_a_batch_of_invalid_lines_ends_with_a_summary(machine, deployed):
    assert machine.plan({"inputS3Uri": machine.put([b"bad\n", b"worse\n"])}) == []
    summary = machine.collect()

    assert machine.planned["shardCount"] == 0
    assert (summary["records"], summary["answered"], summary["rejected"]) == (2, 0, 2)
    assert machine.lines("results.jsonl") == machine.lines("failed.jsonl") == []


def test_a_region_that_is_down_fails_no_record(machine, deployed, records):
    deployed.add_fault(Fault(region="us-east-1", error="ServiceUnavailableException"))

    summary = machine.run({"inputS3Uri": machine.put(records(30))})

    assert summary["answered"] == 30
    assert "us-east-1" not in summary["byRegion"]
    assert summary["attempts"] > 30


def test_a_model_without_access_is_replaced_by_the_next(machine, deployed, records):
    deployed.deny("amazon.nova-lite-v1:0")

    summary = machine.run({"inputS3Uri": machine.put(records(10))})

    assert summary["byModel"] == {"amazon.nova-micro-v1:0": 10}


def test_a_batch_uses_only_its_models_and_regions(machine, deployed, records):
    data = {"requests": records(5), "models": ["Nova Micro"], "regions": ["us-west-2"]}

    summary = machine.run(data)

    assert summary["byModel"] == {"amazon.nova-micro-v1:0": 5}
    assert summary["byRegion"] == {"us-west-2": 5}


def test_the_failed_records_of_a_batch_are_the_input_of_the_next(machine, deployed, records):
    fault = deployed.add_fault(Fault(error="AccessDeniedException"))
    first = machine.run({"inputS3Uri": machine.put(records(3))})
    deployed.remove_fault(fault)

    uri = f"s3://{machine.planned['bucket']}/batches/batch-1/failed.jsonl"
    second = machine.run({"inputS3Uri": uri}, name="batch-2")

    assert (first["answered"], first["failed"], first["estimatedCostUsd"]) == (0, 3, 0.0)
    assert {line["error"]["code"] for line in machine.lines("failed.jsonl")} == {"AccessDeniedException"}
    assert (second["answered"], second["rejected"]) == (3, 0)
    assert ids(machine.lines("results.jsonl", batch="batch-2")) == ids(records(3))


def test_images_are_sent_unchanged(machine, deployed):
    picture = {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}
    content = [{"text": "What is this?"}, picture]

    machine.run({"requests": [{"messages": [{"role": "user", "content": content}]}]})

    (call,) = deployed.calls
    assert call.body["messages"][0]["content"][1] == picture


def test_a_lost_shard_fails_its_records_and_no_others(machine, deployed, records):
    _, *others = machine.plan({"inputS3Uri": machine.put(records(60))})
    for item in others:
        machine.run_shard(item)

    summary = machine.collect()

    failed = machine.lines("failed.jsonl")
    assert ids(failed) == ids(records(32))
    assert {line["error"]["type"] for line in failed} == {"RecordLost"}
    assert failed[0]["modelInput"]["messages"]
    assert (summary["records"], summary["answered"], summary["failed"]) == (60, 28, 32)


def test_collecting_twice_writes_the_same_files(machine, deployed, records):
    machine.run({"inputS3Uri": machine.put(records(25))})
    before = machine.read("batches/batch-1/results.jsonl")

    machine.collect()

    assert machine.read("batches/batch-1/results.jsonl") == before
