"""A batch with a late deadline: what its managed batch jobs save, and what the functions take to run them.

S3 and DynamoDB are the emulator, Bedrock is FakeBedrock; each is a process of its own, as is each function.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3

from tests.benchmarks.batch import BUCKET, CREDENTIALS, Bench, bench
from tests.benchmarks.figures import Figure

RECORDS, SHORT_RECORDS = 5_000, 300
MAX_TOKENS = 40
MODEL = "Claude Haiku 4.5"
OPTIONS = {"models": [MODEL], "regions": ["us-east-1"], "deadlineSeconds": 12 * 3600}
SETTINGS = {
    "LLMMANAGER_MANAGED_LANE": "true",
    "LLMMANAGER_JOB_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
}


def figures(*, short: bool) -> list[Figure]:
    """Cost, agreement of the estimate, and time and memory of the functions."""
    records = SHORT_RECORDS if short else RECORDS
    with bench() as services:
        services = replace(services, environment={**services.environment, **SETTINGS})
        services.bedrock.add_rules(s3_endpoint=services.environment["AWS_ENDPOINT_URL"])
        uri = f"s3://{BUCKET}/inputs/lanes-{records}"
        services.run("input", str(records), uri, str(MAX_TOKENS))
        planned = services.run("plan", uri, json.dumps(OPTIONS))["returned"]
        job = services.run("job", stdin=_job_item(services, planned))
        rest = services.run("rest", stdin=planned)["returned"]
        summary = services.run("collect", stdin=rest)["returned"]
    assert (rest["shardCount"], summary["answered"], set(summary["byLane"])) == (0, records, {"managed"})
    return [*cost_figures(summary, records), *job_figures(job, records)]


def cost_figures(summary: Mapping[str, Any], records: int) -> list[Figure]:
    """The cost of the batch, and how far it is from the estimates of its plan."""
    estimates = {estimate["lane"]: estimate["estimatedCostUsd"] for estimate in summary["lanes"]["estimates"]}
    cost, saved = summary["estimatedCostUsd"], summary["byLane"]["managed"]["savedUsd"]
    what = f"{records:,} records with a deadline of 12 h"
    return [
        Figure(
            what=f"{what}: cost",
            value=cost / (cost + saved),
            unit="x on demand",
            bar=0.55,
            parts={"USD": cost, "on demand USD": cost + saved},
        ),
        Figure(
            what=f"{what}: cost, before the start",
            value=estimates["managed"] / cost,
            unit="x the cost at the end",
            bar=1.05,
            parts={"estimate USD": estimates["managed"], "at the end USD": cost},
        ),
    ]


def job_figures(job: Mapping[str, Any], records: int) -> list[Figure]:
    """Time and memory of the function that writes the input of a job and imports its output."""
    return [
        Figure(
            what=f"input and import of a job of {records:,} records",
            value=job["cpuSeconds"] / records * 1_000_000,
            unit="µs of CPU a record",
            bar=2_000,
            parts={"s": job["seconds"], "CPU s": job["cpuSeconds"]},
            note="includes the imports of the function",
        ),
        Figure(
            what=f"peak memory of a job of {records:,} records",
            value=job["peakMb"],
            unit="MB",
            bar=256,
            note="of the whole process",
        ),
    ]


def _job_item(services: Bench, planned: Mapping[str, Any]) -> dict[str, Any]:
    s3 = boto3.client("s3", endpoint_url=services.environment["AWS_ENDPOINT_URL"], **CREDENTIALS)
    [item] = json.load(s3.get_object(Bucket=BUCKET, Key=planned["jobsKey"])["Body"])
    return dict(item)
