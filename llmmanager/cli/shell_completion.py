"""Completion scripts for bash and zsh, generated from the parser."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from llmmanager.cli.command_table import COMMANDS, GROUPS
from llmmanager.cli.parser import command_parsers

# Find the command, and what can follow it. Both shells understand this; `array` has the words of the line.
_CASES = """\
        case "$command ${%(array)s[i]}" in
%(commands)s
        esac
    done
    case "$command $before" in
%(values)s
    esac
    case "$command" in
%(words)s
    esac
"""
# `-o default` completes the names of files if there are no matches. `compopt` would need bash 4.
_BASH = """\
_llmmanager() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="" found="" files="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
%(cases)s    if [[ -z $files || $word == -* ]]; then
        COMPREPLY=($(compgen -W "$found" -- "$word"))
    fi
}
complete -o default -F _llmmanager llmmanager
"""
_ZSH = """\
autoload -Uz compinit
(( $+functions[compdef] )) || compinit
_llmmanager() {
    local before="${words[CURRENT-1]}" command="" found="" files="" i
    for ((i = 2; i < CURRENT; i++)); do
%(cases)s    if [[ -z $files || $PREFIX == -* ]]; then
        compadd -- ${=found}
    else
        _files
    fi
}
compdef _llmmanager llmmanager
"""
_BASH_VALUES = {"choices": 'COMPREPLY=($(compgen -W "%s" -- "$word")); ', "files": ""}
_ZSH_VALUES = {"choices": "compadd -- %s; ", "files": "_files; "}
_FILE_NAMES = ("FILE", "DIR", "JSON")


def completion_script(shell: str) -> str:
    """Return the script for "bash" or "zsh"."""
    script, array, values = (
        (_BASH, "COMP_WORDS", _BASH_VALUES) if shell == "bash" else (_ZSH, "words", _ZSH_VALUES)
    )
    groups = [f'            " {group}") command={group} ;;' for group in GROUPS]
    commands = [
        f'            "{" ".join(("", *command.words) if len(command.words) == 1 else command.words)}") '
        f"command={shlex.quote(command.name)} ;;"
        for command in COMMANDS
    ]
    cases = _CASES % {
        "array": array,
        "commands": "\n".join([*groups, *commands]),
        "values": "\n".join(_values(values)),
        "words": "\n".join(
            f'        {shlex.quote(name)}) found="{words}" files={"yes" if takes_files else ""} ;;'
            for name, words, takes_files in _words()
        ),
    }
    return script % {"cases": cases}


def _words() -> Iterator[tuple[str, str, bool]]:
    """Yield what can follow each word or command: its commands or its options, and whether files can."""
    yield (
        "",
        " ".join([*dict.fromkeys(command.words[0] for command in COMMANDS), "--version", "--help"]),
        False,
    )
    for group in GROUPS:
        yield group, " ".join(command.words[1] for command in COMMANDS if command.words[0] == group), False
    for command, parser in command_parsers():
        arguments = [action for action in parser._actions if not action.option_strings]
        choices = [str(choice) for action in arguments for choice in action.choices or ()]
        options = [max(action.option_strings, key=len) for action in parser._actions if action.option_strings]
        yield command.name, " ".join(choices + options), any(map(_is_file, arguments))


def _values(forms: dict[str, str]) -> Iterator[str]:
    """Yield the lines that complete the value of an option.

    Args:
        forms: how a shell completes a value from `choices`, or the name of one of the `files`.
    """
    for command, parser in command_parsers():
        for action in parser._actions:
            if not action.option_strings or action.nargs == 0:
                continue
            patterns = "|".join(f'"{command.name} {option}"' for option in action.option_strings)
            completed = forms["files"] if _is_file(action) else ""
            if action.choices:
                completed = forms["choices"] % " ".join(map(str, action.choices))
            yield f"        {patterns}) {completed}return ;;"


def _is_file(action: argparse.Action) -> bool:
    return action.type is Path or action.metavar in _FILE_NAMES
