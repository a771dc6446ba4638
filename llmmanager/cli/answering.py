"""Options and output that `ask` and `chat` share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmmanager.cli.common_options import add_targets, auth_of, models_of, positive_int, regions_of
from llmmanager.cli.exit_status import CommandError, ExitStatus
from llmmanager.cli.terminal import Terminal

if TYPE_CHECKING:
    from llmmanager import LLMManager, StreamingResponse


def add_answer_options(parser: ArgumentParser) -> None:
    """Add the options of a prompt, and of the models that answer it."""
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="attach an image, a document, a video or another text; repeat it for further files",
    )
    parser.add_argument("-s", "--system", metavar="TEXT", help="the system prompt")
    parser.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="the maximum number of tokens of an answer"
    )
    parser.add_argument("--temperature", type=float, metavar="N", help="from 0 to 1")
    add_targets(parser)


def manager_of(options: Namespace) -> LLMManager:
    """Return the manager for the chosen models and regions."""
    from llmmanager import LLMManager

    return LLMManager(models_of(options), regions_of(options), auth_of(options))


def call_of(options: Namespace) -> dict[str, Any]:
    """Return the arguments of a call that do not depend on the prompt."""
    settings = {"maxTokens": options.max_tokens, "temperature": options.temperature}
    return {
        "system": options.system,
        "inference_config": {name: value for name, value in settings.items() if value is not None} or None,
    }


def user_content(options: Namespace, text: str) -> list[Any]:
    """Return the attached files and the text as content blocks."""
    from llmmanager.cli.attached_files import add_files
    from llmmanager.message_builder import create_user_message

    builder = create_user_message()
    add_files(builder, options.file)
    return list(builder.add_text(text).build()["content"])


def print_stream(stream: StreamingResponse, terminal: Terminal) -> None:
    """Print an answer as it arrives, and on a terminal its model, tokens and cost.

    Raises:
        CommandError: the stream ended before the answer was complete.
    """
    last = ""
    with stream:
        for text in stream:
            terminal.print(text, end="")
            last = text
    if not last.endswith("\n"):
        terminal.print()
    if not stream.success:
        raise CommandError(f"the answer is incomplete: {stream.get_last_error()}", status=ExitStatus.FAILED)
    print_figures(stream, terminal)


def print_figures(answer: Any, terminal: Terminal) -> None:
    """Print warnings, and on a terminal model, region, tokens, cost and duration."""
    from llmmanager.batch_report.number_formats import dollars, duration

    for warning in answer.get_warnings():
        terminal.note(f"warning: {warning}", style="yellow")
    if not terminal.shows_progress:
        return
    usage, cost = answer.get_total_usage() or {}, answer.estimated_cost_usd
    parts = (
        f"{answer.model_used} in {answer.region_used}",
        f"{usage.get('inputTokens', 0):,} + {usage.get('outputTokens', 0):,} tokens",
        "price unknown" if cost is None else dollars(cost),
        duration(answer.total_duration_ms or 0),
    )
    terminal.note(", ".join(parts))
