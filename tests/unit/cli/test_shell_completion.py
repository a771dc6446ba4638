"""The completion script in bash, and for zsh through its emulation of bash."""

from __future__ import annotations

import subprocess

import pytest

from llmmanager.cli.shell_completion import completion_script

COMPLETE = """
compopt() { :; }
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_llmmanager
echo "${COMPREPLY[@]}"
"""


def completions(*words: str) -> set[str]:
    """Return what bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = completion_script("bash") + COMPLETE % quoted
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
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
        (("llmmanager", "unknown", "x"), set()),
    ],
)
def test_the_shell_offers_commands_options_and_choices(words: tuple[str, ...], offered: set[str]) -> None:
    assert completions(*words) == offered


def test_the_script_for_zsh_enables_functions_of_bash_first() -> None:
    script = completion_script("zsh")
    assert script.index("bashcompinit") < script.index("complete -F")
    assert script.endswith(completion_script("bash"))
