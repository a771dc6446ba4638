"""Child processes that end with this one, whatever ends it, and the environment they are given."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
GUARD = Path(__file__).with_name("guard.py")

# The emulator takes any; to one that checks permissions, these are the account's root user.
DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "us-east-1"
ACCOUNT = "000000000000"

_DROPPED = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}


StrPath = str | Path


class LocalRunError(Exception):
    """The local stack cannot run; the message says why and what to do about it."""


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without anything that could lead to a real AWS account."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _DROPPED and not name.startswith("AWS_")
    }
    return {
        **kept,
        **DUMMY_CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        **more,
    }


class GuardedProcess:
    """A command and everything it starts, which end when this object is stopped or this process is gone.

    Output goes to `log`. The command's TMPDIR is a folder of its own, removed with it.
    """

    def __init__(
        self,
        command: Sequence[StrPath],
        *,
        log: Path,
        environment: Mapping[str, str],
        directory: Path = ROOT,
    ) -> None:
        self.log = log
        self.command = [str(part) for part in command]
        temporary = tempfile.mkdtemp(prefix="llmmanager-local-")
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-E", "-S", str(GUARD), temporary, *self.command],
                cwd=directory,
                env={**environment, "TMPDIR": temporary},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def exit_code(self) -> int | None:
        """None while the command runs."""
        return self._guard.poll()

    def wait(self, *, seconds: float) -> int:
        """The command's exit code.

        Raises:
            LocalRunError: it has not ended within `seconds`.
        """
        try:
            return self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LocalRunError(f"no end after {seconds:.0f} s: {self.command_and_log()}") from None

    def stop(self) -> None:
        """End the command and its whole process group, and return when it has ended."""
        if self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
        self._guard.wait()

    def command_and_log(self, lines: int = 30) -> str:
        """The command and the end of what it said, for a message to a user."""
        said = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([" ".join(self.command), *(f"    {line}" for line in said)])


def wait_until(ready: Callable[[], bool], *, process: GuardedProcess, seconds: float, what: str) -> None:
    """Poll `ready` until it holds.

    Raises:
        LocalRunError: the process ended first, or `seconds` went by.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if process.exit_code is not None:
            raise LocalRunError(
                f"{what} ended at once (exit code {process.exit_code}): {process.command_and_log()}"
            )
        if time.monotonic() > deadline:
            raise LocalRunError(f"{what} was not ready after {seconds:.0f} s: {process.command_and_log()}")
        time.sleep(0.05)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that it stops what it started.

    Ctrl-C itself too: a shell starts what it puts in the background with SIGINT ignored.
    """

    def unwind(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: unwind, signal.SIGHUP: unwind}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
