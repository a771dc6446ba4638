"""Who pays for a call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdas.usage.budget import BudgetScope, NamedScope
from llmmanager.json_format.codec import InvalidRequest

UNKNOWN: Final = "unknown"
"""The id of a caller without an identity, such as the sender of a queue message."""

# AWS accepts these characters in `requestMetadata`.
_NOT_ACCEPTED: Final = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,\-.]", re.ASCII)
_MAX_LENGTH: Final = 256
_MAX_ENTRIES: Final = 16


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller that a call is charged to.

    Attributes:
        id: the ARN of an IAM user or role, without its session, or the owner of an API key.
        team: the team that pays; empty if it is unknown.
        key_id: the public id of the API key; empty without a key.
    """

    id: str = UNKNOWN
    team: str = ""
    key_id: str = ""

    def scopes(self) -> tuple[NamedScope, ...]:
        """Return the scopes whose budgets apply to the caller."""
        scopes = (BudgetScope.KEY, self.key_id), (BudgetScope.CALLER, self.id), (BudgetScope.TEAM, self.team)
        return tuple((scope, name) for scope, name in scopes if name)

    def metadata(self, batch_id: str | None = None) -> dict[str, str]:
        """Return the caller as entries of Converse's `requestMetadata`.

        AWS writes them to the log of model invocations. Characters that AWS does not accept become "_".
        """
        entries = {"caller": self.id, "team": self.team, "batchId": batch_id or ""}
        return {name: _NOT_ACCEPTED.sub("_", value)[:_MAX_LENGTH] for name, value in entries.items() if value}

    def add_metadata(self, given: Mapping[str, Any] | None, *, batch_id: str | None = None) -> dict[str, Any]:
        """Return the entries of a request's `requestMetadata` with the caller's, which replace equal names.

        Args:
            given: the entries of the request; None without any.

        Raises:
            InvalidRequest: there are too many entries.
        """
        own = self.metadata(batch_id)
        entries = {**(given or {}), **own}
        if len(entries) > _MAX_ENTRIES:
            problem = (
                f"requestMetadata: must have at most {_MAX_ENTRIES - len(own)} entries beside "
                f"{', '.join(own)}, which are added (got {len(entries) - len(own)})"
            )
            raise InvalidRequest([problem])
        return entries

    def log_fields(self) -> dict[str, str]:
        """Return the caller as fields of a log line."""
        fields = {"caller": self.id, "team": self.team, "keyId": self.key_id}
        return {name: value for name, value in fields.items() if value}
