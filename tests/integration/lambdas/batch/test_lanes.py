"""The lanes of a batch, as its plan chooses and writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import boto3
import pytest
from moto.stepfunctions.models import stepfunctions_backends

from lambdas.batch import execution_ended
from lambdas.batch.batch_input import InvalidBatch
from lambdas.batch.runs import claim
from lambdas.batch.storage import BatchStorage
from lambdas.http_api.handler import handler as http
from tests.deployed_storage import BUCKET, STATE_MACHINE

PAGE = Path(__file__).parents[4] / "docs" / "batch-lanes.md"
HALF_A_DAY = {"deadlineSeconds": 12 * 3600}
TOOLS = {"tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.fixture
def managed(monkeypatch, machine):
    """The state machine of a stack with the managed lane."""
    monkeypatch.setenv("LLMMANAGER_MANAGED_LANE", "true")

    def plan(data, **options):
        return machine.plan(data, runs_jobs=True, **options)

    machine.plan_with_jobs = plan
    return machine


@pytest.fixture
def mixed(records):
    """300 records: tools in each fifth one of the first 160, and in all of the last 32."""
    batch = records(300)
    for number, record in enumerate(batch):
        if (number < 160 and number % 5 == 0) or number >= 268:
            record["modelInput"]["toolConfig"] = TOOLS
    return batch


def written(machine, name):
    return json.loads(machine.read(f"batches/batch-1/{name}"))


def test_the_plan_writes_the_jobs_and_the_shards_that_run_beside_them(managed, mixed):
    direct = managed.plan_with_jobs({"requests": mixed, **HALF_A_DAY})

    (job,) = json.loads(managed.read(managed.planned["jobsKey"]))
    assert managed.planned["jobCount"] == 1
    assert job == {
        "batchId": "batch-1",
        "bucket": "batches-of-the-test",
        "run": "batch-1",
        "job": 0,
        "model": "amazon.nova-lite-v1:0",
        "invokeId": "amazon.nova-lite-v1:0",
        "region": "us-east-1",
        "records": 236,
        "mayCreate": True,
        "firstShard": 0,
        "shardCount": 6,
    }
    manifest = written(managed, "manifest.json")
    assert [shard["records"] for shard in manifest] == [32, 32, 32, 64, 64, 64, 12]
    assert [(item["shard"], item.get("skipsManaged")) for item in direct] == [
        (0, True),
        (1, True),
        (2, True),
        (3, True),
        (5, True),
        (6, None),
    ]
    assert managed.planned["shardCount"] == len(direct)
    assert [managed.lines(f"shards/{item['shard']:05d}.jsonl") for item in manifest] == [
        mixed[first : first + item["records"]]
        for first, item in zip((0, 32, 64, 96, 160, 224, 288), manifest, strict=True)
    ]


def test_the_plan_reports_the_lanes_and_their_cost(managed, mixed):
    managed.plan_with_jobs({"requests": mixed, **HALF_A_DAY})

    lanes = written(managed, "lanes.json")
    assert lanes["records"] == {"onDemand": 64, "flex": 0, "managed": 236}
    on_demand, flex, in_jobs = lanes["estimates"]
    assert on_demand["records"] == 300
    assert (flex["possible"], flex["reason"]) == (False, "Nova Lite has no price in the flex tier")
    assert (in_jobs["records"], in_jobs["possible"], in_jobs["reason"]) == (236, True, None)
    # Half price for the records that can run in a job.
    assert 0.55 < in_jobs["estimatedCostUsd"] / on_demand["estimatedCostUsd"] < 0.75
    assert "Jobs do not support: toolConfig (64)." in lanes["explanation"]
    assert lanes["jobs"] == [{"firstShard": 0, "shardCount": 6, "records": 236}]
    assert managed.planned["lanes"] == lanes


def test_a_resumed_batch_has_the_same_jobs(managed, mixed):
    managed.plan_with_jobs({"requests": mixed, **HALF_A_DAY})
    first = managed.read("batches/batch-1/jobs.json")

    managed.plan_with_jobs({"requests": mixed, "batchId": "batch-1", "lane": "managed"}, name="again")

    assert [{**job, "run": "batch-1"} for job in written(managed, "jobs.json")] == json.loads(first)


def test_a_run_without_the_managed_lane_only_finishes_the_jobs_that_are_open(managed, mixed):
    managed.plan_with_jobs({"requests": mixed, **HALF_A_DAY})
    again = {"requests": mixed, "batchId": "batch-1", "lane": "onDemand"}
    for attempt, names in (("001", ("intent", "closed")), ("002", ("intent",))):
        for name in names:
            managed.put([{"records": 236}], key=f"batches/batch-1/jobs/00000/{attempt}/{name}.json")

    direct = managed.plan_with_jobs(again, name="second")
    (job,) = written(managed, "jobs.json")
    assert (job["run"], job["job"], job["mayCreate"]) == ("second", 0, False)
    assert len(direct) == 6

    managed.put([{}], key="batches/batch-1/jobs/00000/002/closed.json")
    assert len(managed.plan_with_jobs(again, name="third")) == 7
    assert "jobCount" not in managed.planned


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"runs_jobs": False}, "the execution was started before the stack could run jobs"),
        ({"regions": ["us-west-2"]}, "jobs run in us-east-1, which is not in the regions of the batch"),
        (
            {"outputSchema": {"type": "object", "properties": {}, "additionalProperties": False}},
            "0 records can run in a job, and a job needs at least 100",
        ),
        (
            {"deadlineSeconds": 1_800},
            "it takes up to 35 min, then up to 18 s on demand; the deadline is in 30 min",
        ),
    ],
)
def test_without_a_possible_job_all_records_run_on_demand(managed, records, options, reason):
    data = {"requests": records(300), **HALF_A_DAY, **options}
    runs_jobs = data.pop("runs_jobs", True)

    managed.plan(data, runs_jobs=runs_jobs)

    lanes = written(managed, "lanes.json")
    assert lanes["records"] == {"onDemand": 300, "flex": 0, "managed": 0}
    in_jobs = lanes["estimates"][2]
    assert in_jobs["reason"].startswith(reason)
    assert in_jobs["possible"] is reason.startswith("it takes")
    assert in_jobs["inTime"] is (data["deadlineSeconds"] > 1_800)
    assert reason in lanes["explanation"]
    assert managed.planned["manifestKey"].endswith("manifest.json")
    assert "jobCount" not in managed.planned


def test_shards_of_the_flex_lane_say_so(machine, records, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Nova Pro"]')

    shards = machine.plan({"requests": records(40), "deadlineSeconds": 3600})

    assert [shard["lane"] for shard in shards] == ["flex", "flex"]
    assert written(machine, "lanes.json")["records"] == {"onDemand": 0, "flex": 40, "managed": 0}


def test_a_lane_that_no_record_can_use_is_rejected(managed, records, proxy_event, context):
    for data, problem in (
        ({"lane": "flex"}, "lane: flex is not available: Nova Lite has no price in the flex tier"),
        ({"lane": "managed", "regions": ["us-west-2"]}, "lane: managed is not available: jobs run in"),
    ):
        with pytest.raises(InvalidBatch, match=problem):
            managed.plan_with_jobs({"requests": records(300), **data})
        answer = http(proxy_event("POST", "/v1/batches", {"requests": records(300), **data}), context)
        assert answer["statusCode"] == 400
        assert json.loads(answer["body"])["errors"][0].startswith(problem)
    few = {"requests": records(99), "lane": "managed"}
    answer = http(proxy_event("POST", "/v1/batches", few), context)
    assert json.loads(answer["body"])["errors"] == [
        "lane: managed is not available: a job needs at least 100 records (got 99)"
    ]
    batch = records(130)
    for record in batch[:31]:
        record["modelInput"]["toolConfig"] = TOOLS
    with pytest.raises(InvalidBatch, match=r"no price in the flex tier$"):
        managed.plan_with_jobs({"requests": batch, "lane": "flex"})
    with pytest.raises(InvalidBatch) as rejected:
        managed.plan_with_jobs({"requests": batch, "lane": "managed"})
    assert str(rejected.value) == (
        "lane: managed is not available: 99 records can run in a job, and a job needs at least 100. "
        "Jobs do not support: toolConfig (31)"
    )


def test_a_dry_run_estimates_the_lanes_and_writes_nothing_else(managed, records, proxy_event, context):
    dry = {"batchId": "batch-1", "requests": [*records(300), {"recordId": "invalid"}], **HALF_A_DAY}
    data = {**dry, "dryRun": True}
    machines = boto3.client("stepfunctions")
    started = machines.start_execution(stateMachineArn=STATE_MACHINE, name="batch-1", input=json.dumps(data))

    managed.plan_with_jobs(data)

    assert managed.planned.keys() == {
        *("batchId", "bucket", "dryRun", "records", "rejected", "quotaEstimate", "lanes"),
    }
    assert (managed.planned["dryRun"], managed.planned["rejected"]) == (True, 1)
    assert managed.keys("batches/") == ["batches/batch-1/lanes.json", "batches/batch-1/rejected.jsonl"]
    status = json.loads(http(proxy_event("GET", "/v1/batches/batch-1"), context)["body"])
    assert (status["status"], status["dryRun"]) == ("running", True)
    assert status["lanes"] == written(managed, "lanes.json")
    # No end is published, and no worker is stopped.
    execution_ended.handler(
        {"detail": {"name": "batch-1", "status": "SUCCEEDED", "input": json.dumps(data)}}, context
    )
    assert managed.keys("batches/") == ["batches/batch-1/lanes.json", "batches/batch-1/rejected.jsonl"]

    machines.stop_execution(executionArn=started["executionArn"])
    managed.plan_with_jobs(dry, name="real")
    assert managed.planned["jobCount"] == 1
    with pytest.raises(InvalidBatch, match="dryRun: batch-1 was started before; use another batchId"):
        managed.plan_with_jobs(data, name="dry-again")


def test_a_dry_run_that_has_ended_is_estimated(managed, records, proxy_event, context):
    data = {"requests": [*records(120), {"recordId": "invalid"}], "dryRun": True, **HALF_A_DAY}
    started = json.loads(http(proxy_event("POST", "/v1/batches", data), context)["body"])
    path = f"/v1/batches/{started['batchId']}"
    managed.plan_with_jobs(data, name=started["batchId"])
    arn = STATE_MACHINE.replace(":stateMachine:", ":execution:") + f":{started['batchId']}"
    execution = stepfunctions_backends["123456789012"]["us-east-1"].describe_execution(arn)
    execution.status, execution.output = "SUCCEEDED", json.dumps(managed.planned)

    state = json.loads(http(proxy_event("GET", path), context)["body"])
    [listed] = json.loads(http(proxy_event("GET", "/v1/batches"), context)["body"])["batches"]
    resumed = http(proxy_event("POST", f"{path}/resume", {}), context)

    assert state["status"] == listed["status"] == "estimated"
    assert state["progress"] == {"records": 121, "answered": 0, "failed": 0, "rejected": 1}
    assert state["lanes"] == managed.planned["lanes"]
    assert state["quotaEstimate"] is None
    assert not {"summary", "results", "error"} & state.keys()
    assert (resumed["statusCode"], "Its status is estimated." in resumed["body"]) == (409, True)


def test_a_batch_without_valid_records_ends_with_its_reasons_in_each_lane(managed):
    for number, lane in enumerate(("onDemand", "managed")):
        data = {"requests": [{"recordId": "invalid"}], "lane": lane}
        managed.plan_with_jobs(data, name=f"batch-{number}")
        assert (managed.planned["records"], managed.planned["rejected"]) == (1, 1)
        assert managed.planned["lanes"]["explanation"] == "No record is valid."


def test_a_dry_run_does_not_change_the_files_of_a_batch_whose_plan_is_running(managed, records):
    claim(BatchStorage(BUCKET, "batch-1"), "real", is_running=lambda _: False)

    with pytest.raises(InvalidBatch, match="dryRun: batch-1 was started before"):
        managed.plan_with_jobs({"batchId": "batch-1", "requests": records(3), "dryRun": True}, name="dry")

    assert managed.keys("batches/batch-1/") == ["batches/batch-1/runs/00001.json"]


def test_expected_output_tokens_replace_higher_max_tokens_in_the_estimate(machine, records):
    def cost(**options):
        machine.plan({"requests": records(10), "dryRun": True, **options})
        return machine.planned["lanes"]["estimates"][0]["estimatedCostUsd"]

    # Of 50 output tokens at 0.24 USD per million, 40 are left out.
    assert cost() - cost(expectedOutputTokens=10) == pytest.approx(10 * 40 * 0.24e-6)
    assert cost(expectedOutputTokens=1_000) == cost()


def test_each_region_of_a_batch_has_its_share_of_the_estimate(machine, records, monkeypatch):
    """Nova Pro costs about a third more in Frankfurt."""
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Nova Pro"]')
    data = {"requests": records(32 + 32 + 16), "regions": ["us-east-1", "eu-central-1"]}

    summary = machine.run({**data, "expectedOutputTokens": 50})

    assert summary["byRegion"] == {"us-east-1": 48, "eu-central-1": 32}
    [on_demand, *_] = summary["lanes"]["estimates"]
    assert summary["estimatedCostUsd"] == pytest.approx(on_demand["estimatedCostUsd"], rel=0.05)


def test_jobs_are_not_used_where_the_prompt_cache_saves_more(managed, records):
    batch = records(300)
    for record in batch:
        record["modelInput"]["system"] = [{"text": "x" * 40_000}]

    managed.plan_with_jobs({"requests": batch, "expectedOutputTokens": 1, **HALF_A_DAY})
    cached = managed.planned["lanes"]
    managed.plan_with_jobs({"requests": batch, "expectedOutputTokens": 1, "promptCache": "off", **HALF_A_DAY})

    assert cached["records"]["onDemand"] == 300
    assert "USD, which is not less. Prompts that records share are estimated" in cached["explanation"]
    assert managed.planned["lanes"]["records"]["managed"] == 300


def test_the_example_of_the_page_is_what_the_plan_writes(managed, records, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Claude Haiku 4.5"]')
    monkeypatch.setenv("LLMMANAGER_SHARD_SIZE", "1000")
    batch = records(5_000)
    for number, record in enumerate(batch):
        record["modelInput"] = {
            "messages": [{"role": "user", "content": [{"text": "x" * 1_600}]}],
            "inferenceConfig": {"maxTokens": 300},
            **({"toolConfig": TOOLS} if number % 10 == 0 else {}),
        }

    managed.plan_with_jobs({"inputS3Uri": managed.put(batch), **HALF_A_DAY})

    _, example = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    shown, lanes = json.loads(example), written(managed, "lanes.json")
    assert shown.pop("deadlineSeconds") == pytest.approx(lanes.pop("deadlineSeconds"), abs=60)
    assert shown == lanes
