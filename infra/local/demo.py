"""`make demo`: deploy the stack, send requests while Bedrock throttles and denies, and check the results."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from infra.local.batches import BatchResult, fetch, follow, submit
from infra.local.checks import Check, Trouble, agree, batch_checks
from infra.local.model_access import catalog_regions, refresh
from infra.local.processes import ROOT, LocalRunError
from infra.local.report import batch_report, cost_report, table
from infra.local.running import LOCAL, LocalRun, running_stack
from infra.local.stack import Stack
from infra.local.steps import Steps
from llmmanager.testing import FakeBedrock

PROMPTS = ROOT / "examples" / "prompts.jsonl"
# Not those of cdk.json, so that the demo always shows the same. The cheapest model is the first.
REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]
SETTINGS = {
    "models": json.dumps(["Nova Micro", "Nova Lite", "Claude Haiku 4.5"]),
    "regions": json.dumps(REGIONS),
}
TROUBLE = Trouble(throttled_region="us-east-1", denied_model_id="amazon.nova-micro-v1:0")
# Enough for a few of the records: the others are throttled in that region and answered in the next.
TOKENS_PER_MINUTE = 1_000
THINKING_SECONDS = (0.3, 1.2)


def main() -> int:
    steps = Steps(sys.stdout)
    started = time.monotonic()
    bedrock = FakeBedrock()
    try:
        steps.say("Starting: the CDK app of this checkout on an AWS emulator")
        steps.say(
            "FakeBedrock, a test double, stands in for Bedrock. It writes all answers: no model is called."
        )
        with running_stack(bedrock, context=SETTINGS, steps=steps) as run:
            bedrock.set_latency(THINKING_SECONDS, operation="Converse")
            checks = [
                *show_model_access(run, steps),
                *show_one_request(run, steps),
                *show_refusals(run, steps),
            ]
            checks += show_batch(run, steps)
            stopping = time.monotonic()
        steps.tell("everything stopped", seconds=time.monotonic() - stopping)
    except LocalRunError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    return verdict(checks, steps=steps, seconds=time.monotonic() - started)


def show_model_access(run: LocalRun, steps: Steps) -> list[Check]:
    """Run the refresh state machine and read the table that it fills."""
    steps.say("\nModel access: one Step Functions execution asks Bedrock in every region")
    with steps.step("model access refreshed"):
        output = refresh(run.stack)
    rows = [("model", *REGIONS)]
    for model in run.stack.api.get("/v1/models").expect(200)["models"]:
        ways = [model["regions"].get(region, {}).get("accessMethod", "-") for region in REGIONS]
        rows.append((model["name"], *ways))
    steps.say(table(rows, indent="    "))
    failed = [item for item in output if "error" in item]
    return [
        Check("the refresh reached every region", not failed, json.dumps(failed)),
        agree("the catalog holds every region", sorted(REGIONS), sorted(catalog_regions(run.stack))),
    ]


def show_one_request(run: LocalRun, steps: Steps) -> list[Check]:
    """One question through the HTTP API."""
    steps.say("\nOne request: POST /v1/converse, signed with SigV4")
    question = "In one sentence: why would a team spread its prompts over several regions?"
    body = {
        "messages": [{"role": "user", "content": [{"text": question}]}],
        "inferenceConfig": {"maxTokens": 100},
    }
    with steps.step("answered"):
        answer = run.stack.api.post("/v1/converse", body).expect(200)
    steps.say(f"    asked     {question}")
    steps.say(f"    answered  {answer['text']}")
    steps.say("              (written by FakeBedrock)")
    steps.say(f"    by        {answer['model']} in {answer['region']} ({answer['accessMethod']})")
    steps.say(f"    tokens    {answer['usage']['totalTokens']}, about ${answer['estimatedCostUsd']:.7f}")
    return [Check("one request is answered with text", bool(answer["text"]), repr(answer["text"]))]


def show_refusals(run: LocalRun, steps: Steps) -> list[Check]:
    """Send invalid requests: they are rejected before they cost anything."""
    steps.say("\nInvalid requests: rejected with the reason, before any call of Bedrock")
    calls_before = len(run.bedrock.calls)
    api, checks = run.stack.api, []
    for what, answer, status in (
        ("no messages", api.post("/v1/converse", {"messages": []}), 400),
        ("not JSON", api.post("/v1/converse", "{not json"), 400),
        ("no signature", api.post("/v1/converse", {"messages": []}, signed=False), 403),
    ):
        reason = answer.body["errors"][0] if answer.body.get("errors") else answer.body["detail"]
        steps.say(f"    {what:<13} {answer.status}  {reason}")
        checks.append(agree(f"an invalid request ({what}) is rejected with {status}", status, answer.status))
    calls = len(run.bedrock.calls) - calls_before
    checks.append(agree("invalid requests cause no call of Bedrock", 0, calls))
    return checks


def show_batch(run: LocalRun, steps: Steps) -> list[Check]:
    """Run the example file as a batch while Bedrock throttles one region and denies one model."""
    ids = [record_id(line) for line in PROMPTS.read_text("utf-8").split("\n") if line]
    steps.say(f"\nA batch: {len(ids)} records of {PROMPTS.relative_to(ROOT)}, POST /v1/batches")
    steps.say(
        f"    {TROUBLE.throttled_region} now throttles beyond {TOKENS_PER_MINUTE:,} tokens a minute and model"
    )
    steps.say(f"    access to {TROUBLE.denied_model_id} is now denied in every region")
    run.bedrock.set_quota(tokens_per_minute=TOKENS_PER_MINUTE, region=TROUBLE.throttled_region)
    run.bedrock.deny(TROUBLE.denied_model_id)
    before = len(run.bedrock.calls)
    with steps.step("batch finished"):
        batch = run_batch(run.stack, steps)
    calls = run.bedrock.calls[before:]
    steps.say("\nThe results")
    steps.say(batch_report(batch, calls=calls, trouble=TROUBLE))
    steps.say(
        "\nWhat it would cost on AWS, if every record were answered at the first attempt (docs/costs.md)"
    )
    steps.say(cost_report(batch))
    steps.say(f"\n  Files: {batch.folder.relative_to(ROOT)}/ (summary, results, failed, rejected)")
    return list(batch_checks(batch, ids=ids, calls=calls, trouble=TROUBLE))


def record_id(line: str) -> str:
    record = json.loads(line)
    return str(record.get("recordId") or record["request_id"])


def run_batch(stack: Stack, steps: Steps) -> BatchResult:
    """Upload the example file, submit it, report its progress, and fetch its results."""
    stack.client("s3").upload_file(str(PROMPTS), stack.bucket, "inputs/prompts.jsonl")
    batch_id = submit(stack, {"inputS3Uri": f"s3://{stack.bucket}/inputs/prompts.jsonl"})
    last = ""

    def tell(progress: dict[str, Any]) -> None:
        nonlocal last
        line = ", ".join(f"{progress.get(key)} {key}" for key in ("answered", "failed", "rejected"))
        if progress.get("records") is not None and line != last:
            steps.say(f"    {line}")
            last = line

    state = follow(stack, batch_id, on_progress=tell)
    if state["status"] != "succeeded":
        raise LocalRunError(f"batch {batch_id} ended as {state['status']}: {json.dumps(state)}")
    return fetch(stack, batch_id, LOCAL / "demo-results" / batch_id)


def verdict(checks: list[Check], *, steps: Steps, seconds: float) -> int:
    """List all checks by name; return 0 when all hold."""
    wrong = [check for check in checks if not check.holds]
    steps.say("\nChecks")
    for number, check in enumerate(checks, start=1):
        steps.say(f"  {number:>2}  {'ok    ' if check.holds else 'FAILED'}  {check.claim}")
    for check in wrong:
        print(f"FAILED: {check.claim} (found: {check.found})", file=sys.stderr)
    steps.say(f"\n{len(checks) - len(wrong)} of {len(checks)} checks hold; {seconds:.1f} s in all")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped; everything that was started has ended.")
