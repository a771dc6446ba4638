"""Logging: one JSON line an event, without the text of a prompt or an answer unless a deployment wants it."""

from __future__ import annotations

import os
import traceback

from aws_lambda_powertools import Logger

from lambdas.shared.codec import encode_request
from llmmanager import BedrockConverseRequest, BedrockResponse

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


def log_payload(request: BedrockConverseRequest, response: BedrockResponse) -> None:
    """Log what was asked and answered where the deployment's `log_payloads` is on; otherwise nothing."""
    if os.environ.get("LLMMANAGER_LOG_PAYLOADS") == "true":
        logger.info("payload", extra={"request": encode_request(request), "answer": response.get_content()})
