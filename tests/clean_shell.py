"""Paste commands into a new interactive shell that has none of this process's settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# The shell that a user has: PATH and HOME, history expansion, no settings of ours.
BASH = ("bash", "--noprofile", "--norc", "--noediting", "-i")
# Commands that fail are reported, so that none fails unnoticed between others.
PREAMBLE = """
unset HISTFILE
set -E
trap 'echo "PASTED COMMAND FAILED ($?): $BASH_COMMAND" >&2' ERR
"""
_SAID_BY_BASH = re.compile(r"^bash: (cannot set terminal process group|no job control).*\n", re.MULTILINE)
WRONG = re.compile(r"PASTED COMMAND FAILED|Traceback|SyntaxError|IndentationError|bash: |curl: ")


def paste(*texts: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return what the shell prints for the texts, pasted in order, in `folder`.

    Args:
        environment: what the user's shell has besides PATH and HOME.

    Raises:
        AssertionError: a pasted command failed.
    """
    done = subprocess.run(
        BASH,
        input="\n".join([PREAMBLE, *texts, ""]),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PS1": "", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    complaints = _SAID_BY_BASH.sub("", done.stderr)
    assert not WRONG.search(complaints), f"{complaints}\n--- printed:\n{done.stdout}"
    return done.stdout


def as_script(code: str, *, python: str | Path = sys.executable) -> str:
    """Return the command that runs a Python example as a script."""
    return f"{python} - <<'EOF'\n{code}\nEOF"


def as_session(*examples: str, python: str | Path = sys.executable) -> str:
    """Return the command that pastes Python examples, in order, into one interactive Python."""
    pasted = "\n\n".join(examples)
    return f"{python} -i -q <<'EOF'\n{pasted}\n\nEOF"
