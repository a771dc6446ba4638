"""A Bedrock quota that the caller passes to a manager."""

from __future__ import annotations

from dataclasses import dataclass

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

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
        ConfigurationError: an amount is not a number above 0, or both amounts are None.
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
                or not 0 < amount < float("inf")
            ):
                raise ConfigurationError(f"{name} must be a number above 0 (got {amount!r})", {name: amount})
