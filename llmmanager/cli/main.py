"""The entry point: reads the arguments, runs the command, and turns errors into an exit status."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
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
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        # A locale without Unicode must not end the command in the middle of an answer.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    terminal = Terminal()
    try:
        options = _parsed(words)
        _show_warnings(terminal)
        return cast(int, command_module(options.command).run(options, terminal))
    except KeyboardInterrupt:
        terminal.note("interrupted", style=None)
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has ended.
        _discard_output()
        return ExitStatus.SUCCESS
    except Exception as error:
        from llmmanager.cli.error_messages import command_error

        found = command_error(error)
        if found is None:
            raise
        if isinstance(error, OSError):
            _discard_output()
        terminal.error(str(found), found.advice)
        return found.status


def _open_missing_streams() -> None:
    """Replace standard streams that are closed, as by `>&-` in a shell, with the null device."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _parsed(words: list[str]) -> Namespace:
    try:
        return parser_for(words).parse_args(words)
    finally:
        # The reader of the help may have ended. It is noticed here, not when Python exits.
        sys.stdout.flush()


def _show_warnings(terminal: Terminal) -> None:
    """Print warnings of the library as those of the command."""
    import logging

    from llmmanager.cli.error_messages import without_code

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            terminal.note(f"warning: {without_code(record.getMessage())}", style="yellow")

    logging.getLogger("llmmanager").addHandler(Notes(logging.WARNING))


def _discard_output() -> None:
    """Discard what could not be written. Python would try it again, and report that, when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
