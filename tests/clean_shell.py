"""Pastes commands into a new interactive shell without the settings of this process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# An interactive shell like a user's: with PATH, HOME and history expansion only.
BASH = ("bash", "--noprofile", "--norc", "--noediting", "-i")
# The trap reports each failed command, also one that is followed by others.
PREAMBLE = """
unset HISTFILE
set -E
trap 'echo "PASTED COMMAND FAILED ($?): $BASH_COMMAND" >&2' ERR
"""
_BASH_WARNINGS = re.compile(r"^bash: (cannot set terminal process group|no job control).*\n", re.MULTILINE)
WRONG = re.compile(r"PASTED COMMAND FAILED|Traceback|SyntaxError|IndentationError|bash: |curl: ")


def paste(*texts: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return what the shell prints for the texts, pasted in order, in `folder`.

    Args:
        environment: variables of the shell in addition to PATH and HOME.

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
    errors = _BASH_WARNINGS.sub("", done.stderr)
    assert not WRONG.search(errors), f"{errors}\n--- printed:\n{done.stdout}"
    return done.stdout


def as_script(code: str, *, python: str | Path = sys.executable) -> str:
    """Return the command that runs a Python example as a script."""
    return f"{python} - <<'EOF'\n{code}\nEOF"


def as_session(*examples: str, python: str | Path = sys.executable) -> str:
    """Return the command that pastes Python examples, in order, into one interactive Python."""
    pasted = "\n\n".join(examples)
    return f"{python} -i -q <<'EOF'\n{pasted}\n\nEOF"
