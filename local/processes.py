"""Child processes that never outlive this process, and their environment."""

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

ROOT = Path(__file__).resolve().parents[1]
GUARD = Path(__file__).with_name("guard.py")

# The emulator accepts any credentials. If it checks permissions, these are the root user of the account.
DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "us-east-1"
ACCOUNT = "000000000000"

_DROPPED = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}


StrPath = str | Path


class LocalRunError(Exception):
    """The local stack cannot run. The message says why and what to do."""


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment of this process without access to a real AWS account, plus `more`."""
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
    """A command and its child processes, which end when this object is stopped or this process ends.

    The output is appended to `log`. The command has its own TMPDIR, which is removed at the end.
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
        """Exit code; None while the command runs."""
        return self._guard.poll()

    def wait(self, *, seconds: float) -> int:
        """Wait for the end of the command; return its exit code.

        Raises:
            LocalRunError: the command does not end within `seconds`. It is stopped.
        """
        try:
            return self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LocalRunError(
                f"the command did not end within {seconds:.0f} s: {self.command_and_log()}"
            ) from None

    def stop(self) -> None:
        """End the command and its process group, and wait for their end."""
        if self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.close()
        self._guard.wait()

    def command_and_log(self, lines: int = 30) -> str:
        """Return the command and the last lines of its output, for an error message."""
        output = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([" ".join(self.command), *(f"    {line}" for line in output)])


def wait_until(ready: Callable[[], bool], *, process: GuardedProcess, seconds: float, what: str) -> None:
    """Poll until `ready` returns True.

    Args:
        what: name of the process in error messages.

    Raises:
        LocalRunError: the process ends first, or is not ready within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if process.exit_code is not None:
            raise LocalRunError(
                f"{what} ended during its start (exit code {process.exit_code}): {process.command_and_log()}"
            )
        if time.monotonic() > deadline:
            raise LocalRunError(f"{what} was not ready within {seconds:.0f} s: {process.command_and_log()}")
        time.sleep(0.05)


@contextlib.contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit at SIGTERM and SIGHUP, so that context managers stop the processes they started.

    Also restores KeyboardInterrupt at SIGINT, because a shell starts background commands with SIGINT ignored.
    """

    def exit_program(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: exit_program,
        signal.SIGHUP: exit_program,
    }
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
