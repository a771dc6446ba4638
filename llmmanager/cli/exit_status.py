"""The exit statuses of the command."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitStatus(IntEnum):
    """Why the command ended, as described by `MEANINGS`."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    STOPPED = 4
    INTERRUPTED = 130


MEANINGS: Final[Mapping[ExitStatus, str]] = {
    ExitStatus.SUCCESS: "success",
    ExitStatus.FAILED: "the request failed, or records failed or were rejected",
    ExitStatus.USAGE: "an argument or an input file is invalid",
    ExitStatus.CONFIGURATION: "credentials are missing or rejected, or a model or region is invalid",
    ExitStatus.STOPPED: "the batch was stopped, or its deadline passed",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C",
}


class CommandError(Exception):
    """The command cannot continue. It is printed as one or two lines.

    Attributes:
        advice: what to do, or None.
        status: the exit status.
    """

    def __init__(
        self, message: str, advice: str | None = None, *, status: ExitStatus = ExitStatus.USAGE
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.status = status
