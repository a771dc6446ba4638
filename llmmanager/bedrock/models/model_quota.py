"""A Bedrock quota that the caller passes to a manager."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.llm_manager_structures import ACCESS_METHODS

__all__ = ["ModelQuota"]


@dataclass(frozen=True)
class ModelQuota:
    """Tokens and requests per minute that the account may use of a model.

    Bedrock counts separately for each source region and access method, and so does this library.

    Attributes:
        model: a display name or an id, as in the manager's `models`.
        tokens_per_minute, requests_per_minute: the quota, or the share of it that this process may use;
            None if unknown.
        region: the region of the quota; None for every region.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None for all of them.

    Raises:
        ConfigurationError: an amount is not a number above 0, or both amounts are None; the region is not a
            string, or the access method is unknown.
    """

    model: str
    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None
    region: str | None = None
    access_method: str | None = None

    def __post_init__(self) -> None:
        amounts = {
            "tokens_per_minute": self.tokens_per_minute,
            "requests_per_minute": self.requests_per_minute,
        }
        if all(amount is None for amount in amounts.values()):
            raise ConfigurationError(f"the quota for {self.model!r} must set {' or '.join(amounts)}")
        for name, amount in amounts.items():
            if amount is not None and (
                isinstance(amount, bool)
                or not isinstance(amount, int | float)
                or not 0 < amount <= sys.float_info.max
            ):
                raise ConfigurationError(f"{name} must be a number above 0 (got {amount!r})", {name: amount})
        if self.region is not None and not isinstance(self.region, str):
            raise ConfigurationError(f"region must be a string or None (got {self.region!r})")
        if self.access_method is not None and self.access_method not in ACCESS_METHODS:
            accepted = ", ".join(map(repr, ACCESS_METHODS))
            raise ConfigurationError(
                f"access_method must be one of {accepted} or None (got {self.access_method!r})",
                {"access_method": self.access_method},
            )
