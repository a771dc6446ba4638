"""`make local`: the stack left running on this machine until Ctrl-C, with everything needed to call it."""

from __future__ import annotations

import argparse
import os
import sys
import time

from infra.local.model_access import refresh
from infra.local.processes import DUMMY_CREDENTIALS, REGION, LocalRunError
from infra.local.running import LocalRun, running_stack
from infra.local.steps import Steps
from llmmanager.testing import FakeBedrock

DEFAULT_PORT = 4566

HOW_TO_CALL = """
The stack runs on 127.0.0.1 alone. Ctrl-C stops everything.

  HTTP API              {api}
  AWS services          {endpoint}
  Bedrock (FakeBedrock) {bedrock}{backend}
  Batch bucket          {bucket}
  Batch machine         {machine}

Paste this once (any credentials will do, but requests must be signed):

  export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret} AWS_REGION={region}
  export AWS_ENDPOINT_URL={endpoint}
  export API={api}
  export BUCKET={bucket}
  call() {{ curl -s --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" \
    --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'Content-Type: application/json' "$@"; echo; }}

One request:

  call "$API/v1/converse" -d '{{"messages": [{{"role": "user", "content": [{{"text": "Hello!"}}]}}]}}'

A batch, from the file to its results (aws is the AWS command line):

  aws s3 cp examples/prompts.jsonl "s3://$BUCKET/inputs/prompts.jsonl"
  call "$API/v1/batches" -d '{{"inputS3Uri": "s3://'"$BUCKET"'/inputs/prompts.jsonl"}}'
  call "$API/v1/batches/THE-BATCH-ID"
  aws s3 cp --recursive "s3://$BUCKET/batches/" .local/batches/

From Python (.venv/bin/python):

  from infra.local.api import ApiClient
  api = ApiClient("{api}")
  request = {{"messages": [{{"role": "user", "content": [{{"text": "Hello!"}}]}}]}}
  print(api.post("/v1/converse", request).body)

Let Bedrock throttle one region, send the request again, and see what Bedrock was asked:

  curl -s {bedrock}/_fake/rules -d '{{"faults": [{{"error": "ThrottlingException", "region": "us-east-1"}}]}}'
  curl -s {bedrock}/_fake/calls
  curl -s -X DELETE {bedrock}/_fake/faults
"""


def main() -> int:
    options = arguments()
    steps = Steps(sys.stdout)
    try:
        bedrock = FakeBedrock(backend_url=options.backend_url, backend_model=options.backend_model)
    except ValueError as error:
        print(f"make local: {error}", file=sys.stderr)
        return 2
    try:
        steps.say("Starting: the CDK app of this checkout on an AWS emulator, FakeBedrock as its Bedrock")
        with running_stack(bedrock, port=options.port, steps=steps) as run:
            with steps.step("model access refreshed"):
                refresh(run.stack)
            steps.say(how_to_call(run, options))
            while run.emulator.process.exit_code is None:
                time.sleep(0.5)
            raise LocalRunError(f"the emulator ended: {run.emulator.process.command_and_log()}")
    except LocalRunError as error:
        print(f"\nmake local: {error}", file=sys.stderr)
        return 1


def arguments() -> argparse.Namespace:
    """The command line; the backend comes from BACKEND_URL and BACKEND_MODEL."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.serve", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"the emulator's (default {DEFAULT_PORT})"
    )
    options = parser.parse_args()
    options.backend_url = os.environ.get("BACKEND_URL", "")
    options.backend_model = os.environ.get("BACKEND_MODEL", "")
    return options


def how_to_call(run: LocalRun, options: argparse.Namespace) -> str:
    backend = (
        f", answers from {options.backend_model} at {options.backend_url}" if options.backend_url else ""
    )
    return HOW_TO_CALL.format(
        api=run.stack.api_url,
        endpoint=run.stack.endpoint_url,
        bedrock=run.bedrock.endpoint_url,
        backend=backend,
        bucket=run.stack.bucket,
        machine=run.stack.batch_machine_arn,
        key=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        secret=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region=REGION,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped.")
