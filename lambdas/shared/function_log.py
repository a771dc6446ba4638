"""Logging in JSON lines. Prompts and answers are logged only if the setting `log_payloads` is on."""

from __future__ import annotations

import traceback

from aws_lambda_powertools import Logger

from lambdas.shared.settings import log_payloads
from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.json_format.codec import encode_request

logger = Logger()


def log_unexpected(error: Exception) -> None:
    """Log type and stack of an unexpected error, but not its message, which may quote a request."""
    frames = traceback.extract_tb(error.__traceback__)
    logger.error(
        "unexpected error",
        extra={
            "error_type": type(error).__name__,
            "raised_at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        },
    )


def log_payload(request: BedrockConverseRequest, response: BedrockResponse) -> None:
    """Log a request and its answer if the setting `log_payloads` is on."""
    if log_payloads():
        logger.info("payload", extra={"request": encode_request(request), "answer": response.get_content()})
