"""docs/command-line.md: the commands and their arguments, from the parser of the command line."""

from __future__ import annotations

import argparse
from typing import Final

from llmmanager.cli.command_table import Command
from llmmanager.cli.exit_status import MEANINGS
from llmmanager.cli.parser import command_parsers

_INTRODUCTION: Final = """\
# Command line

<!-- Written by `make reference` from the parser. -->

`llmmanager` is installed with the library; `python -m llmmanager` is the same. Results are printed to
standard output, and progress and errors to standard error. Colour and progress are shown on a terminal only;
`NO_COLOR` turns colour off. With `--json`, a command prints JSON: one value, or for a list that grows, one
value on each line.

To complete commands and options in the shell, add `eval "$(llmmanager completion bash)"` to `~/.bashrc`, or
`eval "$(llmmanager completion zsh)"` to `~/.zshrc`.
"""


def command_line_page() -> str:
    """Return the text of docs/command-line.md."""
    commands = list(command_parsers())
    contents = [f"| [`{c.name}`](#{_anchor(c)}) | {c.summary} |" for c, _ in commands]
    parts = [
        _INTRODUCTION.rstrip(),
        "\n".join(["| command | what it does |", "| --- | --- |", *contents]),
        _exit_statuses(),
    ]
    for command, parser in commands:
        parts += _section(command, parser)
    return "\n\n".join(parts) + "\n"


def _exit_statuses() -> str:
    rows = [f"| {status.value} | {meaning} |" for status, meaning in MEANINGS.items()]
    return "\n".join(["## Exit status", "", "| status | meaning |", "| --- | --- |", *rows])


def _section(command: Command, parser: argparse.ArgumentParser) -> list[str]:
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    rows = [f"| `{_name(action)}` | {action.help} |" for action in actions]
    texts = [f"## llmmanager {command.name}", parser.description or ""]
    if rows:
        texts.append("\n".join(["| argument | meaning |", "| --- | --- |", *rows]))
    if parser.epilog:
        texts.append(parser.epilog)
    return texts


def _name(action: argparse.Action) -> str:
    """Return how an argument is written, such as "-m, --model NAME"."""
    choices = "\\|".join(map(str, action.choices)) if action.choices else None
    value = choices or (action.metavar if isinstance(action.metavar, str) else action.dest.upper())
    if not action.option_strings:
        name = choices or (action.metavar if isinstance(action.metavar, str) else action.dest)
        return f"[{name}]" if action.nargs == "?" else name
    suffix = "" if action.nargs == 0 else f" {value}"
    return f"{', '.join(action.option_strings)}{suffix}"


def _anchor(command: Command) -> str:
    return f"llmmanager-{command.name.replace(' ', '-')}"
