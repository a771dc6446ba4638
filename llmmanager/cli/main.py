"""The entry point: reads the arguments, runs the command, and turns errors into an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import cast

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.parser import command_module, parser_for
from llmmanager.cli.terminal import Terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (by default those of the process), and return its exit status.

    Raises:
        SystemExit: the arguments are invalid, or ask for help.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        # A locale without Unicode must not end the command in the middle of an answer.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = parser_for(words).parse_args(words)
    terminal = Terminal()
    try:
        return cast(int, command_module(options.command).run(options, terminal))
    except KeyboardInterrupt:
        terminal.note("interrupted", style=None)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has ended. Python must not report that once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.SUCCESS
    except Exception as error:
        from llmmanager.cli.error_messages import command_error

        found = command_error(error)
        if found is None:
            raise
        terminal.error(str(found), found.advice)
        return found.status
