"""The part of the demo that runs a batch with a deadline at half price, in a batch job of Bedrock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from llmmanager.batch_lanes.lane_text import remark, time_text
from llmmanager.batch_report.batch_folder import REPORT
from llmmanager.batch_report.number_formats import dollars
from llmmanager.testing import Call, JobFault
from local.batch_client import BatchResult, download_results, submit, wait_for_batch
from local.checks import Check, check_equal
from local.deployed_stack import Stack
from local.processes import ROOT, LocalRunError
from local.report import counts, table
from local.running import LOCAL, LocalRun
from local.steps import Steps

MODEL = "Nova Micro"
# Bedrock's minimum for a job is 100.
RECORDS = 120
DEADLINE_HOURS = 12
MAX_TOKENS = 100
# At most this share of the price on demand.
MAX_COST_SHARE = 0.55
# Bedrock takes minutes to hours.
JOB = {"start_seconds": 1, "job_seconds": 2}
FAULT = JobFault(failing=1 / RECORDS, message="The model is unavailable. Try again later.")


def show_lanes(run: LocalRun, steps: Steps) -> list[Check]:
    """Run a batch that may take hours, while its job fails for one record, and print what it saved."""
    steps.print(
        f"\nHalf price: {RECORDS} records of {MODEL} that may take {DEADLINE_HOURS} hours, POST /v1/batches"
    )
    steps.print("  Injected fault: the batch job of Bedrock fails for one record")
    run.bedrock.set_jobs(**JOB)
    run.bedrock.add_job_fault(FAULT)
    before = len(run.bedrock.calls)
    with steps.step("lanes estimated, with dryRun"):
        lanes = run_batch(run.stack, {**start_input(), "dryRun": True})["lanes"]
    steps.print(lanes_report(lanes))
    with steps.step("batch finished"):
        state = run_batch(run.stack, start_input())
    run.bedrock.clear_job_faults()
    batch = download_results(run.stack, state["batchId"], LOCAL / "demo-results" / state["batchId"])
    steps.print(savings_report(batch))
    steps.print(f"    Report, to open in a browser: {batch.folder.relative_to(ROOT) / REPORT}")
    calls = [call for call in run.bedrock.calls[before:] if call.operation == "Converse"]
    return list(lane_checks(batch, lanes=lanes, jobs=run.bedrock.jobs, calls=calls))


def start_input() -> dict[str, Any]:
    """Return the start input of the batch. By default, the stack chooses the lane of each record."""
    return {
        "requests": [
            {
                "recordId": record_id,
                "modelInput": {
                    "messages": [{"role": "user", "content": [{"text": f"Describe {record_id}."}]}],
                    "inferenceConfig": {"maxTokens": MAX_TOKENS},
                },
            }
            for record_id in _ids()
        ],
        "models": [MODEL],
        "deadlineSeconds": DEADLINE_HOURS * 3600,
    }


def run_batch(stack: Stack, body: dict[str, Any]) -> dict[str, Any]:
    """Run a batch, and return its final state.

    Raises:
        LocalRunError: the batch does not succeed.
    """
    state = wait_for_batch(stack, submit(stack, body))
    if state["status"] not in ("succeeded", "estimated"):
        raise LocalRunError(f"a batch ended with status {state['status']}: {json.dumps(state)}")
    return state


def lanes_report(lanes: Mapping[str, Any]) -> str:
    """Return a table of the estimate of each lane, and the explanation of the choice."""
    rows = [("lane", "records", "cost", "duration", "")]
    for estimate in lanes["estimates"]:
        if estimate["possible"]:
            cost, seconds = estimate["estimatedCostUsd"], estimate["estimatedSeconds"]
            figures = (str(estimate["records"]), _dollars(cost), f"up to {time_text(seconds)}")
        else:
            figures = ("-", "-", "-")
        rows.append((estimate["lane"], *figures, remark(estimate)))
    chosen = "\n".join(f"    {line}" for line in wrap(lanes["explanation"], 100))
    return f"{table(rows, indent='    ')}\n{chosen}"


def savings_report(batch: BatchResult) -> str:
    """Return a table of what the batch cost, and of what it saved."""
    summary = batch.summary
    lanes = summary["byLane"]
    saved = sum(lane["savedUsd"] or 0 for lane in lanes.values())
    others = [line["recordId"] for line in batch.results if line["lane"] == "onDemand"]
    return table(
        [
            ("jobs", counts(summary["jobs"]["statuses"])),
            ("answered", counts({name: lane["answered"] for name, lane in lanes.items()})),
            ("on demand", f"{', '.join(others) or 'none'}, for which the job failed"),
            ("cost", f"{_dollars(summary['estimatedCostUsd'])} (estimated)"),
            ("saved", f"{_dollars(saved)} of the {_dollars(summary['estimatedCostUsd'] + saved)} on demand"),
        ],
        indent="    ",
    )


def lane_checks(
    batch: BatchResult,
    *,
    lanes: Mapping[str, Any],
    jobs: Sequence[Mapping[str, Any]],
    calls: Sequence[Call],
) -> Iterator[Check]:
    """Yield the checks of the batch.

    Args:
        lanes: what the dry run returned.
        jobs: the jobs of FakeBedrock.
        calls: the calls that FakeBedrock received during the batch, without the records of jobs.
    """
    ids = [line["recordId"] for line in batch.results]
    in_jobs = [line for line in batch.results if line["lane"] == "managed"]
    yield check_equal("every record of the half-price batch has one result", sorted(_ids()), sorted(ids))
    yield check_equal("a batch job answers all records but one", RECORDS - 1, len(in_jobs))
    yield check_equal(
        "one call answers the record for which the job failed", [200], [c.status for c in calls]
    )
    yield check_equal("every batch job has ended", {"Completed"}, {job["status"] for job in jobs})
    tokens = sum(line["usage"]["totalTokens"] for line in in_jobs)
    billed = sum(job["billed"]["totalTokens"] for job in jobs)
    yield check_equal("results and the bill of the batch job have the same number of tokens", billed, tokens)
    cost, saved = batch.summary["estimatedCostUsd"], batch.summary["byLane"]["managed"]["savedUsd"]
    yield Check(
        f"the batch costs at most {MAX_COST_SHARE:.0%} of its price on demand",
        cost <= MAX_COST_SHARE * (cost + saved),
        f"{cost} of {cost + saved}",
    )
    estimated = _estimate(lanes, "managed") / _estimate(lanes, "onDemand")
    yield Check(
        "the dry run estimates the same share", estimated <= MAX_COST_SHARE, f"{estimated:.2f} of the price"
    )


def _ids() -> list[str]:
    return [f"city-{number:03}" for number in range(RECORDS)]


def _estimate(lanes: Mapping[str, Any], lane: str) -> float:
    (found,) = (estimate for estimate in lanes["estimates"] if estimate["lane"] == lane)
    return float(found["estimatedCostUsd"])


def _dollars(usd: float | None) -> str:
    return "unknown" if usd is None else dollars(usd)
