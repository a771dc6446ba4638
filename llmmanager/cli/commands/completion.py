"""`llmmanager completion`: prints the completion script of a shell."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from llmmanager.cli.exit_status import ExitStatus
from llmmanager.cli.terminal import Terminal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    parser.epilog = 'Add the line `eval "$(llmmanager completion bash)"` to ~/.bashrc, or the same for zsh.'


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the script."""
    from llmmanager.cli.shell_completion import completion_script

    terminal.print(completion_script(options.shell), end="")
    return ExitStatus.SUCCESS
