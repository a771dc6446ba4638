"""The field `responseValidation` of callers, whose patterns are matched without backtracking."""

from __future__ import annotations

from typing import Any

from lambdas.shared.linear_regex import LinearRegex
from llmmanager import ResponseValidationConfig
from llmmanager.json_format import response_rules


def read_rules(data: Any) -> ResponseValidationConfig | None:
    """Return the validation for the field, as `llmmanager.json_format.response_rules.read_rules` does.

    Raises:
        InvalidRequest: the field is invalid; the error has all problems.
    """
    return response_rules.read_rules(data, patterns=LinearRegex)
