"""The parser of the command line, built from the table of commands."""

from __future__ import annotations

import argparse
from collections.abc import Container, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

from llmmanager.cli.command_table import COMMANDS, GROUPS, Command
from llmmanager.cli.exit_status import MEANINGS

DESCRIPTION: Final = "Ask Amazon Bedrock's models, run batches, and manage a deployed stack."
EPILOG: Final = "\n".join(
    [
        "exit status:",
        *(f"  {status.value:<4} {meaning}" for status, meaning in MEANINGS.items()),
        "",
        'Example: llmmanager ask "What is a shard?"',
    ]
)


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for these arguments. Only the module of the command that they name is loaded."""
    words = tuple(argument for argument in arguments[:2] if not argument.startswith("-"))
    chosen = [command for command in COMMANDS if command.words in (words, words[:1])]
    return _parser(chosen)


def full_parser() -> argparse.ArgumentParser:
    """Return the parser with the arguments of every command."""
    return _parser(COMMANDS)


def command_parsers() -> Iterator[tuple[Command, argparse.ArgumentParser]]:
    """Yield every command with its parser."""
    parsers: dict[str, argparse.ArgumentParser] = {}
    _parser(COMMANDS, parsers)
    for command in COMMANDS:
        yield command, parsers[command.name]


def command_module(command: Command) -> Any:
    """Return the module of a command."""
    return import_module(f"llmmanager.cli.commands.{command.module}")


def _parser(
    chosen: Container[Command], parsers: dict[str, argparse.ArgumentParser] | None = None
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llmmanager",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    # `title` keeps the names out of a line of braces in the help.
    names = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    groups = {}
    for command in COMMANDS:
        first = command.words[0]
        if first in GROUPS and first not in groups:
            group = names.add_parser(
                first, help=GROUPS[first], description=_sentence(GROUPS[first]), allow_abbrev=False
            )
            groups[first] = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        place = groups.get(first, names)
        found = place.add_parser(
            command.words[-1],
            help=command.summary,
            description=_sentence(command.summary),
            allow_abbrev=False,
        )
        if parsers is not None:
            parsers[command.name] = found
        if command in chosen:
            command_module(command).add_arguments(found)
            found.set_defaults(command=command)
    return parser


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


class _PrintVersion(argparse.Action):
    """Prints the version. Its module is loaded only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from llmmanager import __version__

        print(f"llmmanager {__version__}")
        parser.exit()
