"""`llmmanager batch fetch`: downloads the files of a batch of a deployed stack."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.stack_api import DeployedStack, add_stack_options
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("batch_id", metavar="ID", help="the id of the batch")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="the folder. Default: ID")
    add_stack_options(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Write results, failed records, rejected lines, summary and report to a folder."""
    import shutil

    stack = DeployedStack(options)
    state = stack.call("GET", f"/v1/batches/{options.batch_id}")
    if not state.get("results"):
        from llmmanager.cli.batch_watching import next_commands

        is_running = state["status"] == "running"
        raise CommandError(
            f"{options.batch_id} has no files{'' if is_running else ' yet'}: its status is {state['status']}",
            " ".join(next_commands(state)) or None,
            status=ExitStatus.FAILED,
        )
    folder = options.output or Path(options.batch_id)
    folder.mkdir(parents=True, exist_ok=True)
    client = stack.client("s3")
    paths = []
    for uri in state["results"].values():
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        path = folder / key.rpartition("/")[2]
        # An interrupted download must not look like a file of the batch, or replace one.
        partial = path.with_name(f".{path.name}.new")
        with partial.open("wb") as file:
            shutil.copyfileobj(client.get_object(Bucket=bucket, Key=key)["Body"], file)
        partial.replace(path)
        paths.append(str(path))
    if options.json:
        terminal.print_json({"files": paths})
    else:
        for written in paths:
            terminal.print(written)
    return ExitStatus.SUCCESS
