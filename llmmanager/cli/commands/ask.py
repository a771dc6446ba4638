"""`llmmanager ask`: answers one prompt."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from llmmanager.cli.answering import (
    add_answer_options,
    call_of,
    manager_of,
    print_figures,
    print_stream,
    user_content,
)
from llmmanager.cli.common_options import add_json, json_object, positive_number
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import LLMManager


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "prompt", nargs="?", help="the question. Standard input, if it is not a terminal, comes before it"
    )
    add_answer_options(parser)
    parser.add_argument("--timeout", type=positive_number, metavar="SECONDS", help="how long to try")
    parser.add_argument(
        "--schema",
        metavar="JSON",
        help="print JSON that follows this JSON schema of an object: a file, or the schema itself",
    )
    parser.add_argument("--no-stream", action="store_true", help="print the answer when it is complete")
    add_json(parser)


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the answer: as it arrives, or with `--json` as one object."""
    content = user_content(options, _prompt(options.prompt))
    call = {
        **call_of(options),
        "messages": [{"role": "user", "content": content}],
        "deadline": options.timeout,
    }
    manager = manager_of(options)
    if options.schema:
        _print_parsed(manager, call, json_object(options.schema, "--schema"), terminal, as_json=options.json)
    elif options.json or options.no_stream:
        _print_complete(manager, call, terminal, as_json=options.json)
    else:
        print_stream(manager.converse_stream(**call), terminal)
    return ExitStatus.SUCCESS


def _prompt(prompt: str | None) -> str:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().strip()
    text = "\n\n".join(filter(None, (piped, prompt)))
    if not text:
        raise CommandError("there is no prompt", 'Example: llmmanager ask "What is a shard?"')
    return text


def _print_complete(manager: LLMManager, call: dict[str, Any], terminal: Terminal, *, as_json: bool) -> None:
    from llmmanager.json_format.codec import encode_response

    response = manager.converse(**call)
    if as_json:
        terminal.print_json({"text": response.get_content(), **encode_response(response)})
    else:
        terminal.print(response.get_content() or "")
        print_figures(response, terminal)


def _print_parsed(
    manager: LLMManager, call: dict[str, Any], schema: dict[str, Any], terminal: Terminal, *, as_json: bool
) -> None:
    from llmmanager.json_format.codec import encode_response

    response = manager.parse(call.pop("messages"), schema, **call)
    if as_json:
        terminal.print_json({"parsed": response.parsed, **encode_response(response)})
    else:
        terminal.print_json(response.parsed)
        print_figures(response, terminal)
