"""How far the output of a job is imported, as the invocations of the import share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_rows import UsageRows, add_rows
from llmmanager import BedrockResponse
from llmmanager.json_format.codec import bedrock_names


@dataclass(slots=True)
class ImportProgress:
    """The lines before an offset, and what they contain.

    Attributes:
        key: the output file that is being imported; those before it, in the order of keys, are imported.
        offset: the start of the next line in bytes.
        seen: a bit for each record of the input: whether a line with it was found.
        answered, invalid: numbers of answers that are valid and invalid.
        errors: failed records by error code.
        unknown, duplicate, unreadable: numbers of lines with an unknown id, with the id of an earlier line,
            and in another form.
        cost: sum of the known prices in USD.
        tokens: sums of the token counts.
        rows: the usage of the caller.
    """

    key: str = ""
    offset: int = 0
    seen: int = 0
    answered: int = 0
    invalid: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    duplicate: int = 0
    unreadable: int = 0
    cost: float = 0.0
    tokens: Counter[str] = field(default_factory=Counter)
    rows: dict[UsageKey, UsageCounts] = field(default_factory=dict)

    def see(self, number: int) -> bool:
        """Note the record with this number. Return whether it is new."""
        is_new = not self.seen >> number & 1
        self.seen |= 1 << number
        self.duplicate += not is_new
        return is_new

    @property
    def found(self) -> int:
        """Number of records with a line."""
        return self.seen.bit_count()

    def add_answer(self, response: BedrockResponse, rows: UsageRows) -> None:
        """Count an answer.

        Args:
            rows: the usage of its record.
        """
        self.answered += response.success
        self.invalid += not response.success
        self.cost += response.estimated_cost_usd or 0
        self.tokens.update(bedrock_names(response.get_usage()) or {})
        add_rows(self.rows, rows)

    def to_json(self) -> dict[str, Any]:
        """Return the progress for `from_json`."""
        rows = [[asdict(key), asdict(counts)] for key, counts in self.rows.items()]
        return {
            **self.figures(),
            "key": self.key,
            "offset": self.offset,
            "seen": f"{self.seen:x}",
            "rows": rows,
        }

    def figures(self) -> dict[str, Any]:
        """Return what the lines contain, as `closed.json` reports it."""
        return {
            "answered": self.answered,
            "invalid": self.invalid,
            "errors": dict(self.errors),
            "unknownIds": self.unknown,
            "duplicateIds": self.duplicate,
            "unreadableLines": self.unreadable,
            "estimatedCostUsd": round(self.cost, 10),
            "usage": dict(self.tokens),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> ImportProgress:
        """Return stored progress; the start for None."""
        if data is None:
            return cls()
        return cls(
            key=data["key"],
            offset=data["offset"],
            seen=int(data["seen"], 16),
            answered=data["answered"],
            invalid=data["invalid"],
            errors=Counter(data["errors"]),
            unknown=data["unknownIds"],
            duplicate=data["duplicateIds"],
            unreadable=data["unreadableLines"],
            cost=data["estimatedCostUsd"],
            tokens=Counter(data["usage"]),
            rows={UsageKey(**key): UsageCounts(**counts) for key, counts in data["rows"]},
        )
