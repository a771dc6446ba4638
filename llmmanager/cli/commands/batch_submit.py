"""`llmmanager batch submit`: starts a batch on a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Final

from llmmanager.cli.batch_options import add_answer_checks, add_failover, add_lane, add_prompt_cache
from llmmanager.cli.common_options import json_object, positive_int, positive_number
from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal

_S3: Final = "s3://"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("file", metavar="FILE", help="records as JSON Lines: a file, or s3://bucket/key")
    parser.add_argument("-m", "--model", action="append", metavar="NAME", help="a model of the stack to use")
    parser.add_argument(
        "--target-region", action="append", metavar="REGION", help="a region of the stack to use"
    )
    parser.add_argument(
        "--deadline", type=positive_number, metavar="SECONDS", help="start no record after this time"
    )
    add_lane(parser, default=None)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only validate the records and print the estimate of each lane; run nothing",
    )
    parser.add_argument(
        "--output-tokens",
        type=positive_int,
        metavar="N",
        help="the expected output tokens of a record, for the estimates of lanes. Default: its maxTokens",
    )
    add_failover(parser, default=None)
    add_prompt_cache(parser)
    add_answer_checks(parser)
    parser.add_argument("--team", metavar="NAME", help="the team that pays")
    parser.add_argument(
        "--in-input-order", action="store_true", help="write the results in the order of the records"
    )
    parser.add_argument("--watch", action="store_true", help="follow the batch until it ends")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Check and upload the file, start the batch, and print its id."""
    import uuid

    if not options.file.startswith(_S3):
        _check(Path(options.file), terminal)
    stack = DeployedStack(options)
    body = {"inputS3Uri": _uploaded(stack, options.file), **_batch_options(options)}
    started = stack.call("POST", "/v1/batches", body, headers={"Idempotency-Key": str(uuid.uuid4())})
    batch_id = started["batchId"]
    if options.watch or options.dry_run:
        from llmmanager.cli.batch_watching import watch

        return watch(stack, batch_id, terminal, as_json=options.json)
    if options.json:
        terminal.print_json(started)
    else:
        terminal.print(f"{batch_id} is started")
        terminal.note(f"Follow it with: llmmanager batch watch {batch_id}")
    return ExitStatus.SUCCESS


def _check(file: Path, terminal: Terminal) -> None:
    """Note how many lines of a local file the batch will reject.

    Raises:
        CommandError: the file cannot be a batch.
    """
    from llmmanager.batch_run.input_records import BatchInputFile
    from llmmanager.cli.batch_options import check_input

    rejected = len(check_input(BatchInputFile(file)).rejected)
    if rejected:
        terminal.note(
            f"rejected lines: {rejected:,}; `llmmanager batch validate FILE` lists the problems of each"
        )


def _uploaded(stack: DeployedStack, file: str) -> str:
    """Return the URI of the input. A local file is copied to the bucket of the stack."""
    import uuid

    if file.startswith(_S3):
        return file
    path = Path(file)
    key = f"inputs/{uuid.uuid4().hex}/{path.name}"
    with path.open("rb") as content:
        stack.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=content)
    return f"s3://{stack.bucket}/{key}"


def _batch_options(options: Namespace) -> dict[str, Any]:
    rules, failed_share = options.response_validation, options.max_failed_share
    given = {
        "models": options.model,
        "regions": options.target_region,
        "deadlineSeconds": options.deadline,
        "lane": options.lane,
        "dryRun": options.dry_run or None,
        "expectedOutputTokens": options.output_tokens,
        "onThrottle": options.on_throttle,
        "maxCostMultiple": options.max_cost_multiple,
        "promptCache": None if options.prompt_cache == "auto" else options.prompt_cache,
        "responseValidation": rules and json_object(rules, "--response-validation"),
        "failureStrategy": None if failed_share is None else {"stopOnThreshold": failed_share},
        "team": options.team,
        "resultOrder": "input" if options.in_input_order else None,
    }
    return {name: value for name, value in given.items() if value is not None}
