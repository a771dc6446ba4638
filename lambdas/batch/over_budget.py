"""The results of records that a budget did not allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lambdas.usage.budget_exceeded import BudgetExceeded

_TYPE: Final = "BudgetExceeded"


def budget_error(error: BudgetExceeded) -> dict[str, Any]:
    """Return the `error` of a record that a budget did not allow."""
    return {"type": _TYPE, "code": None, "message": error.message, **error.members()}


def is_over_budget(result: Mapping[str, Any]) -> bool:
    """Whether a record failed because a budget did not allow it."""
    return bool((result.get("error") or {}).get("type") == _TYPE)
