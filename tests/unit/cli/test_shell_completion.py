"""The completion scripts in bash and zsh."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from llmmanager.cli.shell_completion import completion_script

BASH = """
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_llmmanager
echo "${COMPREPLY[@]}"
"""
# What zsh's completion provides. `compadd` prints all words, which zsh then filters.
ZSH = """
compdef() { :; }
compadd() { shift; print -- "$@"; }
_files() { print FILES; }
%s
words=(%s)
CURRENT=${#words}
PREFIX="${words[CURRENT]}"
_llmmanager
"""


def quoted(words: tuple[str, ...]) -> str:
    return " ".join(f"'{word}'" for word in words)


def output_of(*command: str) -> set[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("llmmanager", "co"), {"completion"}),
        (("llmmanager", "ask", "--mod"), {"--model"}),
        (("llmmanager", "ask", "local", "--max"), {"--max-tokens"}),
        (("llmmanager", "completion", "b"), {"bash"}),
        (("llmmanager", "--v"), {"--version"}),
        (("llmmanager", "ask", "--file", ""), set()),
        (("llmmanager", "batch", "run", ""), set()),  # then `-o default` completes files
        (("llmmanager", "batch", "run", "--lane", "f"), {"flex"}),
        (("llmmanager", "unknown", "x"), set()),
    ],
)
def test_bash_offers_commands_options_and_choices(words: tuple[str, ...], offered: set[str]) -> None:
    assert output_of("bash", "-c", completion_script("bash") + BASH % quoted(words)) == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("llmmanager", "completion", ""), {"bash", "zsh", "--help"}),
        (("llmmanager", "keys", ""), {"list", "create", "revoke"}),
        (("llmmanager", "batch", "run", "--on-throttle", ""), {"wait", "failover"}),
        (("llmmanager", "batch", "run", ""), {"FILES"}),
        (("llmmanager", "batch", "run", "in put.jsonl", "--output", ""), {"FILES"}),
        (("llmmanager", "ask", "--max-tokens", ""), set()),
    ],
)
def test_zsh_offers_commands_options_choices_and_files(words: tuple[str, ...], offered: set[str]) -> None:
    assert output_of("zsh", "-fc", ZSH % (completion_script("zsh"), quoted(words))) == offered


def test_the_scripts_use_nothing_that_the_other_shell_or_bash_3_lacks() -> None:
    assert "compopt" not in completion_script("bash")
    assert "COMPREPLY" not in completion_script("zsh")
