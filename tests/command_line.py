"""Runs the command line as a process, with pipes or on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[1]
ERASE_LINE = "\r\x1b[K"


@dataclass(frozen=True)
class Ended:
    """How a command has ended.

    Attributes:
        out: standard output; on a terminal, everything that was printed.
        err: standard error.
    """

    status: int
    out: str
    err: str = ""


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: this process's, with the code of this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **(settings or {})}


def start(
    *arguments: str, cwd: Path | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command that the test ends or waits for."""
    return subprocess.Popen(
        [sys.executable, "-m", "llmmanager", *arguments],
        cwd=cwd,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    *arguments: str, input: str = "", cwd: Path | None = None, settings: Mapping[str, str] | None = None
) -> Ended:
    """Run a command with pipes."""
    done = subprocess.run(
        [sys.executable, "-m", "llmmanager", *arguments],
        cwd=cwd,
        env=environment(settings),
        input=input,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def run_in_terminal(
    *arguments: str, typed: str = "", cwd: Path | None = None, settings: Mapping[str, str] | None = None
) -> Ended:
    """Run a command on a pseudo-terminal, where a user has typed a text."""
    command = [sys.executable, "-m", "llmmanager", *arguments]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(settings), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    with closing(os.fdopen(ours, "rb+", buffering=0)) as terminal:
        terminal.write(typed.encode())
        printed = read_terminal(terminal)
    return Ended(process.wait(PATIENCE_SECONDS), printed)


def read_terminal(terminal: FileIO, *, lines: int | None = None) -> str:
    """Return what is printed on a pseudo-terminal until `lines` are complete or its other side is closed."""
    printed = b""
    while lines is None or printed.count(b"\n") < lines:
        try:
            piece = terminal.read(65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        printed += piece
    return printed.decode().replace("\r\n", "\n")


def shown(printed: str) -> str:
    """Return what a terminal shows in the end, without the lines of progress that were replaced."""
    return "\n".join(line.rpartition(ERASE_LINE)[2] for line in printed.split("\n"))
