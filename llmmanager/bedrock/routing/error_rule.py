"""A row of the error table: the error that it matches, and the decision."""

from __future__ import annotations

from dataclasses import dataclass

from llmmanager.bedrock.routing.decision import Decision

ANY = "*"
"""Matches every error code."""

GAP = "…"
"""Stands for any text between two parts of a message."""


@dataclass(frozen=True)
class Rule:
    """An AWS error code, a part of its message, and the decision.

    Attributes:
        text: lower case. `GAP` separates parts that must all occur, in this order. An empty text matches
            every message.
    """

    code: str
    text: str
    decision: Decision

    def matches(self, code: str, message: str) -> bool:
        """Whether the rule matches an error.

        Args:
            message: in lower case, with plain apostrophes.
        """
        if self.code not in (code, ANY):
            return False
        position = 0
        for part in self.text.split(GAP):
            found = message.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return True
