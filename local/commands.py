"""Run the commands that install packages, and report failures for a user."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_REPORTED_LINES = 60


class SetupError(Exception):
    """The installation failed. The message says which part, for the user who ran `make`."""


def run(
    *command: str | Path,
    what: str,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run a command in the checkout without showing its output.

    Args:
        what: start of the error message when the command fails, without a full stop.
        env: environment of the command; None for this process's own.
        on_line: called with each line of output as it arrives.

    Raises:
        SetupError: the command cannot be started or exits with an error; has its last lines of output.
    """
    arguments = [str(part) for part in command]
    last_lines: deque[str] = deque(maxlen=_REPORTED_LINES)
    try:
        with subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last_lines.append(line.rstrip())
                if on_line is not None:
                    on_line(line)
    except OSError as error:
        raise SetupError(f"{what}: {arguments[0]} cannot be started: {error}") from error
    if process.returncode:
        output = "\n".join(last_lines)[-4000:]
        raise SetupError(f"{what}: {' '.join(arguments)}\n{output}")
