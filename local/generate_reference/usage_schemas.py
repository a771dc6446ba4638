"""The schemas of usage and budgets in response bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lambdas.usage.budget import BudgetScope, Period
from lambdas.usage.budget_request import LIMITS
from lambdas.usage.usage_query import GROUPS
from local.generate_reference.schemas import (
    DATE,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    Schema,
    array,
    described,
    nullable,
    record,
    ref,
)

_GROUPS: Final[Mapping[str, Schema]] = {
    "day": described(DATE, "The UTC day on which the attempts of a request began."),
    "team": nullable(TEXT, "The team; null for requests without a team."),
    "caller": described(TEXT, "The ARN of the IAM user or role without session, or the owner of the key."),
    "key": nullable(TEXT, "The id of the API key; null for requests without a key."),
    "model": described(TEXT, "The id of the model."),
}
_UPPER_BOUNDS: Final[Mapping[str, Schema]] = {
    "inputTokens": described(WHOLE, "At most."),
    "outputTokens": described(WHOLE, "At most."),
    "costUsd": described(NUMBER, "At most."),
}
_COUNTS: Final[Mapping[str, Schema]] = {
    "requests": WHOLE,
    "failures": described(WHOLE, "Requests without a valid answer."),
    "inputTokens": described(WHOLE, "Without tokens that were read from or written to a prompt cache."),
    "outputTokens": WHOLE,
    "cacheReadTokens": WHOLE,
    "cacheWriteTokens": WHOLE,
    "costUsd": described(NUMBER, "Price of these tokens at list prices."),
    "answersWithoutPrice": described(WHOLE, "Answers whose price is unknown. costUsd does not include them."),
    "unconfirmed": record(
        {"attempts": WHOLE, **_UPPER_BOUNDS},
        description="Attempts that may have been billed and whose tokens are unknown, and what they used at "
        "most.",
    ),
    "lostReservations": record(
        {"count": WHOLE, **_UPPER_BOUNDS},
        description="Reservations of functions that stopped during a call. Budgets count them as spent.",
    ),
}
_STATE: Final = record(
    {
        "limit": described(NUMBER, "In USD, like the other amounts."),
        "spent": NUMBER,
        "reserved": described(
            NUMBER, "Reserved for calls in progress, and for calls whose function stopped in this period."
        ),
        "left": described(NUMBER, "Neither spent nor reserved."),
        "resetsAt": described(TIME, "When the next period begins."),
    }
)
USAGE_SCHEMAS: Final[Mapping[str, Schema]] = {
    "Usage": record(
        {
            "from": described(DATE, "The first day."),
            "to": described(DATE, "The last day."),
            "groupBy": array({"enum": list(GROUPS)}),
            "rows": array(ref("UsageRow")),
            "totals": ref("UsageCounts"),
        }
    ),
    "UsageCounts": record(_COUNTS),
    "UsageRow": record(_COUNTS, _GROUPS, "The usage of a group. It has the members in groupBy."),
    "Budget": record(
        {
            "scope": {"enum": [scope.value for scope in BudgetScope]},
            "name": described(TEXT, "The id of the key, the ARN or owner of the caller, or the team."),
            **{name: nullable(NUMBER, f"Limit per UTC {period.value}.") for name, period in LIMITS.items()},
            **{
                period.value: nullable(_STATE, f"The limit in the current {period.value}.")
                for period in Period
            },
            "updatedAt": TIME,
            "updatedBy": described(TEXT, "The ARN of the IAM user or role that set the budget."),
            "links": ref("Links"),
        }
    ),
    "BudgetList": record({"budgets": array(ref("Budget"))}, {"nextToken": TEXT}),
}
