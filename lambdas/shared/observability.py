"""Logging: one JSON line an event, never with the text of a prompt or an answer."""

from __future__ import annotations

import traceback

from aws_lambda_powertools import Logger

logger = Logger()


def log_unexpected(error: Exception) -> None:
    """Log where an unforeseen error arose, but not its message: that may quote what a caller sent."""
    frames = traceback.extract_tb(error.__traceback__)
    logger.error(
        "unexpected error",
        extra={
            "error_type": type(error).__name__,
            "raised_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        },
    )
