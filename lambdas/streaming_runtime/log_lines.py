"""Log lines in the format of the managed Python runtime."""

from __future__ import annotations

import logging
import sys
import time


class LogLines(logging.Formatter):
    """Formats a record as one line with level, time in UTC and request id.

    Attributes:
        request_id: id of the current invocation; empty during the import of the handler.
    """

    def __init__(self) -> None:
        super().__init__("[%(levelname)s]\t%(asctime)s\t%(request_id)s\t%(message)s")
        self.request_id = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of the record, such as 2026-01-31T12:00:00.123Z."""
        seconds = time.strftime(datefmt or "%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{seconds}.{int(record.msecs):03d}Z"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Line breaks become carriage returns: each line is a log event of CloudWatch."""
        record.request_id = self.request_id
        return super().format(record).replace("\n", "\r")


def log_to_stdout() -> LogLines:
    """Write the records of all loggers to standard output. Return their format."""
    lines = LogLines()
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(lines)
    logging.getLogger().addHandler(output)
    return lines
