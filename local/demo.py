"""`make demo`: deploy the stack to an emulator, run a batch with injected faults, and check the results."""

from __future__ import annotations

import json
import sys
import time
from textwrap import shorten
from typing import Any

from llmmanager.batch_report.batch_folder import REPORT
from llmmanager.testing import FakeBedrock
from local.batch_client import BatchResult, download_results, submit, wait_for_batch
from local.checks import Check, Faults, batch_checks, check_equal
from local.demo_budget import show_budget
from local.demo_lanes import show_lanes
from local.demo_stream import show_streamed_answer
from local.deployed_stack import Stack
from local.model_catalog import catalog_regions, refresh
from local.processes import ROOT, LocalRunError
from local.report import batch_report, cost_report, table
from local.running import LOCAL, LocalRun, running_stack
from local.steps import Steps

PROMPTS = ROOT / "examples" / "prompts.jsonl"
# Independent of cdk.json, so that the demo always shows the same. The cheapest model is first.
REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]
SETTINGS = {
    "models": json.dumps(["Nova Micro", "Nova Lite", "Claude Haiku 4.5"]),
    "regions": json.dumps(REGIONS),
}
FAULTS = Faults(throttled_region="us-east-1", denied_model_id="amazon.nova-micro-v1:0")
# Enough for a few records. The others are throttled in this region and answered in the next one.
TOKENS_PER_MINUTE = 1_000
LATENCY_SECONDS = (0.3, 1.2)


def main() -> int:
    """Run the demo; return the exit status."""
    steps = Steps(sys.stdout)
    started = time.monotonic()
    bedrock = FakeBedrock()
    try:
        steps.print("Deploying the CDK app of this checkout to a local AWS emulator")
        steps.print("FakeBedrock replaces Amazon Bedrock and generates all answers. No model is called.")
        with running_stack(bedrock, context=SETTINGS, steps=steps) as run:
            checks = [
                *show_model_access(run, steps),
                *show_one_request(run, steps),
                *show_streamed_answer(run, steps),
                *show_budget(run, steps),
                *show_invalid_requests(run, steps),
                *show_lanes(run, steps),
            ]
            checks += show_batch(run, steps)
            stopping = time.monotonic()
        steps.print_step("everything stopped", seconds=time.monotonic() - stopping)
    except LocalRunError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    return report_checks(checks, steps=steps, seconds=time.monotonic() - started)


def show_model_access(run: LocalRun, steps: Steps) -> list[Check]:
    """Run the refresh state machine and print the model catalog."""
    steps.print(
        "\nModel catalog: a Step Functions execution lists the models of each region and their access methods"
    )
    with steps.step("model catalog refreshed"):
        output = refresh(run.stack)
    rows = [("model", *REGIONS)]
    for model in run.stack.api.get("/v1/models").expect(200)["models"]:
        methods = [model["regions"].get(region, {}).get("accessMethod", "-") for region in REGIONS]
        rows.append((model["name"], *methods))
    steps.print(table(rows, indent="    "))
    failed = [item for item in output if "error" in item]
    return [
        Check("the catalog refresh succeeds in every region", not failed, json.dumps(failed)),
        check_equal("the catalog contains every region", sorted(REGIONS), sorted(catalog_regions(run.stack))),
    ]


def show_one_request(run: LocalRun, steps: Steps) -> list[Check]:
    """Send one request to the HTTP API and print its answer."""
    steps.print("\nOne request: POST /v1/converse, signed with SigV4")
    prompt = "In one sentence: why would a team spread its prompts over several regions?"
    body = {
        "messages": [{"role": "user", "content": [{"text": prompt}]}],
        "inferenceConfig": {"maxTokens": 100},
    }
    with steps.step("answered"):
        answer = run.stack.api.post("/v1/converse", body).expect(200)
    rows = [
        ("prompt", prompt),
        ("answer", shorten(answer["text"], 90, placeholder=" ...")),
        ("model", f"{answer['model']} in {answer['region']} ({answer['accessMethod']})"),
        ("tokens", str(answer["usage"]["totalTokens"])),
        ("cost", f"${answer['estimatedCostUsd']:.7f} (estimated)"),
    ]
    steps.print(table(rows, indent="    "))
    return [Check("the request is answered with text", bool(answer["text"]), repr(answer["text"]))]


def show_invalid_requests(run: LocalRun, steps: Steps) -> list[Check]:
    """Send invalid requests, which the API rejects before it calls Bedrock."""
    steps.print("\nInvalid requests: rejected before Bedrock is called")
    calls_before = len(run.bedrock.calls)
    api, checks = run.stack.api, []
    for fault, response, status in (
        ("no messages", api.post("/v1/converse", {"messages": []}), 400),
        ("not JSON", api.post("/v1/converse", "{not json"), 400),
        ("no signature", api.post("/v1/converse", {"messages": []}, signed=False), 403),
    ):
        reason = response.body["errors"][0] if response.body.get("errors") else response.body["detail"]
        steps.print(f"    {fault:<13} {response.status}  {reason}")
        checks.append(
            check_equal(
                f"an invalid request ({fault}) is rejected with status {status}", status, response.status
            )
        )
    calls = len(run.bedrock.calls) - calls_before
    checks.append(check_equal("invalid requests cause no call to Bedrock", 0, calls))
    return checks


def show_batch(run: LocalRun, steps: Steps) -> list[Check]:
    """Run the example file as a batch while one region throttles and access to one model is denied."""
    ids = [record_id(line) for line in PROMPTS.read_text("utf-8").split("\n") if line]
    steps.print(f"\nBatch: {len(ids)} records of {PROMPTS.relative_to(ROOT)}, POST /v1/batches")
    steps.print("  Injected faults:")
    steps.print(
        f"    {FAULTS.throttled_region} throttles each model above {TOKENS_PER_MINUTE:,} tokens per minute"
    )
    steps.print(f"    access to {FAULTS.denied_model_id} is denied in every region")
    steps.print("  Progress:")
    run.bedrock.set_latency(LATENCY_SECONDS, operation="Converse")
    run.bedrock.set_quota(tokens_per_minute=TOKENS_PER_MINUTE, region=FAULTS.throttled_region)
    run.bedrock.deny(FAULTS.denied_model_id)
    before = len(run.bedrock.calls)
    with steps.step("batch finished"):
        batch = run_batch(run.stack, steps)
    calls = run.bedrock.calls[before:]
    steps.print("\nBatch results")
    steps.print(batch_report(batch, calls=calls, faults=FAULTS))
    steps.print(
        "\nEstimated cost on AWS if every record is answered at the first attempt (see docs/costs.md)"
    )
    steps.print(cost_report(batch))
    folder = batch.folder.relative_to(ROOT)
    steps.print(f"\n  Result files: {folder}/")
    steps.print(f"  Report, to open in a browser: {folder / REPORT}")
    return list(batch_checks(batch, ids=ids, calls=calls, faults=FAULTS))


def record_id(line: str) -> str:
    """Return the id of a record of the example file."""
    record = json.loads(line)
    return str(record.get("recordId") or record["request_id"])


def run_batch(stack: Stack, steps: Steps) -> BatchResult:
    """Upload the example file, run it as a batch, print the progress, and download the results."""
    stack.client("s3").upload_file(str(PROMPTS), stack.bucket, "inputs/prompts.jsonl")
    batch_id = submit(stack, {"inputS3Uri": f"s3://{stack.bucket}/inputs/prompts.jsonl"})
    last = ""

    def print_progress(progress: dict[str, Any]) -> None:
        nonlocal last
        line = ", ".join(f"{progress.get(key)} {key}" for key in ("answered", "failed", "rejected"))
        if progress.get("records") is not None and line != last:
            steps.print(f"    {line}")
            last = line

    state = wait_for_batch(stack, batch_id, on_progress=print_progress)
    if state["status"] != "succeeded":
        raise LocalRunError(f"batch {batch_id} ended with status {state['status']}: {json.dumps(state)}")
    return download_results(stack, batch_id, LOCAL / "demo-results" / batch_id)


def report_checks(checks: list[Check], *, steps: Steps, seconds: float) -> int:
    """Print the result of each check; return the exit status."""
    failed = [check for check in checks if not check.passed]
    steps.print("\nChecks")
    for number, check in enumerate(checks, start=1):
        steps.print(f"  {number:>2}  {'ok    ' if check.passed else 'FAILED'}  {check.name}")
    for check in failed:
        print(f"FAILED: {check.name} (found: {check.found})", file=sys.stderr)
    steps.print(f"\n{len(checks) - len(failed)} of {len(checks)} checks passed in {seconds:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. All processes of the demo have ended.")
