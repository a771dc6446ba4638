"""Print the outputs of a deployed stack as shell variables, with the names that README and docs use.

eval "$(python -m infra.outputs)"
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.credentials import in_one_line
from llmmanager.cli.stack_api import api_address

VARIABLES = {
    "ApiUrl": "API_URL",
    "StreamingApiUrl": "STREAMING_API_URL",
    "ApiKeyId": "API_KEY_ID",
    "BatchBucketName": "BATCH_BUCKET",
    "BatchStateMachineArn": "BATCH_MACHINE_ARN",
    "RefreshStateMachineArn": "REFRESH_MACHINE_ARN",
    "EventBusName": "EVENT_BUS_NAME",
    "RequestQueueUrl": "REQUEST_QUEUE_URL",
    "RequestTopicArn": "REQUEST_TOPIC_ARN",
    "DeadLetterQueueUrl": "DEAD_LETTER_QUEUE_URL",
    "EventsFunctionName": "EVENTS_FUNCTION_NAME",
    "TableName": "TABLE_NAME",
}


def stack_variables(outputs: Mapping[str, str], *, endpoint_url: str = "") -> dict[str, str]:
    """Return the shell variables of a stack's outputs.

    Args:
        outputs: values by output name. Outputs that are not in `VARIABLES` are left out.
        endpoint_url: URL of the emulator that runs the stack; empty for AWS.

    Raises:
        ValueError: `endpoint_url` is given and the URL of an API is not an execute-api URL.
    """
    found = {name: outputs[output] for output, name in VARIABLES.items() if output in outputs}
    # The emulator does not stream. `make local` serves a streaming API itself and replaces its URL.
    for name in ("API_URL", "STREAMING_API_URL"):
        if name in found:
            found[name] = api_address(found[name], endpoint_url)
    return found


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Return one `export` command per variable, for sh, bash or zsh."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _configured_stack_name() -> str:
    context = json.loads((Path(__file__).resolve().parents[1] / "cdk.json").read_text("utf-8"))["context"]
    return str(context["stack_name"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.outputs", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--stack-name",
        default=_configured_stack_name(),
        help="name of the stack (default: stack_name in cdk.json)",
    )
    parser.add_argument(
        "--region", help="region of the stack (default: AWS_REGION, or the region of your AWS profile)"
    )
    options = parser.parse_args(arguments)
    try:
        session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
        stacks = session.client("cloudformation").describe_stacks(StackName=options.stack_name)["Stacks"]
        outputs = {item["OutputKey"]: item["OutputValue"] for item in stacks[0].get("Outputs", [])}
        variables = stack_variables(outputs, endpoint_url=os.environ.get("AWS_ENDPOINT_URL", ""))
    except (BotoCoreError, ClientError, ValueError) as error:
        sys.stderr.write(f"Cannot read the outputs of stack {options.stack_name}: {in_one_line(error)}\n")
        return 1
    # boto3 reads AWS_DEFAULT_REGION, other SDKs read AWS_REGION.
    regions = {"AWS_REGION": session.region_name, "AWS_DEFAULT_REGION": session.region_name}
    sys.stdout.write("\n".join(export_lines({**regions, **variables})) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
