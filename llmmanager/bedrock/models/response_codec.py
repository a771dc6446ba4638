"""Attempts and errors of a response as data for JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.models.request_attempt import RecordedError, RequestAttempt
from llmmanager.bedrock.models.usage import token_counts


def error_to_dict(error: Exception | None) -> dict[str, Any] | None:
    """Return an error as its type, AWS error code and message; None for None."""
    if error is None:
        return None
    if isinstance(error, RecordedError):
        kind, code = error.error_type, error.code
    else:
        kind, code = type(error).__name__, aws_error_code(error)
    return {"type": kind, "code": code, "message": str(error)}


def error_from_dict(data: Mapping[str, Any] | None) -> RecordedError | None:
    """Return the error for a dict from `error_to_dict`."""
    if data is None:
        return None
    return RecordedError(data["message"], error_type=data["type"], code=data.get("code"))


def attempt_to_dict(attempt: RequestAttempt) -> dict[str, Any]:
    """Return an attempt as data for JSON."""
    return {
        "model_id": attempt.model_id,
        "region": attempt.region,
        "access_method": attempt.access_method,
        "invoke_id": attempt.invoke_id,
        "attempt_number": attempt.attempt_number,
        "start_time": attempt.start_time.isoformat(),
        "end_time": attempt.end_time.isoformat(),
        "duration_ms": attempt.duration_ms,
        "success": attempt.success,
        "decision": attempt.decision,
        "error": error_to_dict(attempt.error),
        "usage": attempt.usage,
        "estimated_cost_usd": attempt.estimated_cost_usd,
    }


def attempt_from_dict(data: Mapping[str, Any]) -> RequestAttempt:
    """Return the attempt for a dict from `attempt_to_dict`."""
    return RequestAttempt(
        model_id=data["model_id"],
        region=data["region"],
        access_method=data.get("access_method"),
        attempt_number=data["attempt_number"],
        start_time=datetime.fromisoformat(data["start_time"]),
        end_time=datetime.fromisoformat(data["end_time"]),
        success=data["success"],
        error=error_from_dict(data.get("error")),
        invoke_id=data.get("invoke_id"),
        decision=data.get("decision"),
        # Responses stored by earlier versions have neither usage nor cost.
        usage=token_counts(data.get("usage")),
        estimated_cost_usd=data.get("estimated_cost_usd"),
    )
