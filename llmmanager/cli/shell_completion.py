"""Completion scripts for bash and zsh, generated from the parser."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from llmmanager.cli.command_table import COMMANDS, GROUPS
from llmmanager.cli.parser import command_parsers

_BASH = """\
_llmmanager() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="" found i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$command ${COMP_WORDS[i]}" in
%(commands)s
        esac
    done
    case "$command $before" in
%(values)s
    esac
    case "$command" in
%(words)s
    esac
    COMPREPLY=($(compgen -W "$found" -- "$word"))
    if [[ $word != -* && -n $command && ${#COMPREPLY[@]} -eq 0 ]]; then
        compopt -o default
    fi
}
complete -F _llmmanager llmmanager
"""
# zsh reads the completion functions of bash.
_ZSH = """\
autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""


def completion_script(shell: str) -> str:
    """Return the script for "bash" or "zsh"."""
    groups = [f'            " {group}") command={group} ;;' for group in GROUPS]
    commands = [
        f'            "{" ".join(("", *command.words) if len(command.words) == 1 else command.words)}") '
        f"command={shlex.quote(command.name)} ;;"
        for command in COMMANDS
    ]
    script = _BASH % {
        "commands": "\n".join([*groups, *commands]),
        "values": "\n".join(_values()) or "        *) ;;",
        "words": "\n".join(f'        {shlex.quote(name)}) found="{words}" ;;' for name, words in _words()),
    }
    return script if shell == "bash" else _ZSH + script


def _words() -> Iterator[tuple[str, str]]:
    """Yield what can follow each word or command: its commands or its options."""
    yield "", " ".join([*dict.fromkeys(command.words[0] for command in COMMANDS), "--version", "--help"])
    for group in GROUPS:
        yield group, " ".join(command.words[1] for command in COMMANDS if command.words[0] == group)
    for command, parser in command_parsers():
        choices = [
            str(choice)
            for action in parser._actions
            if not action.option_strings and action.choices
            for choice in action.choices
        ]
        options = [max(action.option_strings, key=len) for action in parser._actions if action.option_strings]
        yield command.name, " ".join(choices + options)


def _values() -> Iterator[str]:
    """Yield the lines that complete the value of an option with choices, or a file."""
    for command, parser in command_parsers():
        for action in parser._actions:
            if not action.option_strings or action.nargs == 0:
                continue
            patterns = "|".join(f'"{command.name} {option}"' for option in action.option_strings)
            yield f"        {patterns}) {_value_completion(action)}return ;;"


def _value_completion(action: argparse.Action) -> str:
    if action.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(map(str, action.choices))}" -- "$word")); '
    return "compopt -o default; "
