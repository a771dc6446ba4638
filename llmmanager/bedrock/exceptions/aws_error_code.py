"""Reads the AWS error code of an exception."""

from __future__ import annotations

from collections.abc import Mapping


def aws_error_code(error: BaseException) -> str | None:
    """Return the AWS error code of an exception, or None."""
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, Mapping) else None
    code = details.get("Code") if isinstance(details, Mapping) else None
    return code if code and isinstance(code, str) else None
