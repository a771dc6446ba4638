"""Validate the path and the body of a request that sets a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lambdas.api_keys.key_request import NAME_RULE, is_name
from lambdas.api_keys.key_text import KEY_ID
from lambdas.usage.budget import BudgetScope, NamedScope, Period
from lambdas.usage.budget_table import MAX_NAME_BYTES
from lambdas.usage.money import nano_dollars
from llmmanager.json_format.codec import InvalidRequest

MAX_USD: Final = 1_000_000_000
LIMITS: Final[Mapping[str, Period]] = {"dailyUsd": Period.DAY, "monthlyUsd": Period.MONTH}
"""The fields of the body and the periods of their limits."""

_PRINTABLE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
# Other ARNs of a role: that of IAM, which has a path, and that of a session.
_ROLE: Final = re.compile(r"(arn:[^:]*):(?:iam|sts)::(\d+):(?:role/(?:.*/)?([^/]+)|assumed-role/([^/]+)/.*)")


def read_named_scope(scope: str, name: str) -> NamedScope:
    """Return the scope of a budget.

    Args:
        scope, name: decoded parts of the path.

    Raises:
        InvalidRequest: the scope does not exist, or cannot have this name.
    """
    if scope not in set(BudgetScope):
        raise InvalidRequest([f"scope: must be {', '.join(BudgetScope)} (got {scope[:80]!r})"])
    found = BudgetScope(scope)
    accepted = _accepted_name(found, name)
    if accepted is not None:
        raise InvalidRequest([f"name: must be {accepted}"])
    if found is BudgetScope.CALLER and (role := _ROLE.fullmatch(name)):
        caller = f"{role[1]}:sts::{role[2]}:assumed-role/{role[3] or role[4]}"
        raise InvalidRequest([f"name: the caller of this role is {caller}, without path and session"])
    return found, name


def read_limits(body: Mapping[str, Any]) -> dict[Period, int]:
    """Return the limits in a body in nano-dollars.

    Raises:
        InvalidRequest: the body is invalid; the error has all problems.
    """
    problems = [
        f"{key[:80]}: unknown field; known fields: {', '.join(LIMITS)}" for key in body if key not in LIMITS
    ]
    limits = {}
    for name, period in LIMITS.items():
        value = body.get(name)
        if value is None:
            continue
        if not _is_amount(value):
            problems.append(f"{name}: must be a number from 0 to {MAX_USD} (USD), or null for no limit")
        else:
            limits[period] = nano_dollars(value)
    if not limits and not problems:
        problems.append(f"{', '.join(LIMITS)}: at least one is required. DELETE removes a budget")
    if problems:
        raise InvalidRequest(problems)
    return limits


def _accepted_name(scope: BudgetScope, name: str) -> str | None:
    """Return which names are accepted, or None if this name is."""
    match scope:
        case BudgetScope.KEY:
            return None if KEY_ID.fullmatch(name) else "the keyId of an API key, as GET /v1/keys returns it"
        case BudgetScope.TEAM:
            return None if is_name(name) else NAME_RULE
        case BudgetScope.CALLER:
            fits = len(name) <= MAX_NAME_BYTES and _PRINTABLE.fullmatch(name)
            return None if fits else f"an ARN without session or an owner: 1 to {MAX_NAME_BYTES} characters"


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # NaN is not in the range either.
    return is_number and 0 <= value <= MAX_USD
