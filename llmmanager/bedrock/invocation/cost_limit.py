"""Excludes the targets where a request may cost too much, compared with the first model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.quota_cost import input_tokens, max_output_tokens
from llmmanager.bedrock.pricing import target_cost
from llmmanager.bedrock.transport.converse_api import encode

_UNPRICED = "no known price"


class CostLimit:
    """The maximum cost of a request at a target, as a multiple of its maximum cost at the first model.

    Args:
        multiple: `RetryConfig.max_cost_multiple`.
        request: a valid Converse request. Its maximum cost is that of its input and of `maxTokens`.
        first: the first model's first target, whose price is known.
    """

    def __init__(self, multiple: float, request: Mapping[str, Any], first: ModelAccess) -> None:
        self._multiple = multiple
        self._request = request
        self._input_tokens = input_tokens(request, encode(request))
        self._cost = self._max_cost(first)
        self._left_out: dict[str, str] = {}

    def within(self, groups: Iterable[Sequence[ModelAccess]]) -> list[tuple[ModelAccess, ...]]:
        """Return the groups with the targets that do not exceed the limit, without empty groups."""
        affordable = (tuple(target for target in group if self._is_within(target)) for group in groups)
        return [group for group in affordable if group]

    @property
    def left_out(self) -> str:
        """The excluded models and the reasons, for an error message; empty without any."""
        return ", ".join(f"{model} ({reason})" for model, reason in self._left_out.items())

    def _is_within(self, target: ModelAccess) -> bool:
        cost = self._max_cost(target)
        if cost is None:
            self._left_out[target.model_id] = _UNPRICED
            return False
        if self._cost is None or cost <= self._cost * self._multiple:
            return True
        self._left_out[target.model_id] = f"may cost {cost / self._cost:.1f} times as much as the first model"
        return False

    def _max_cost(self, target: ModelAccess) -> float | None:
        return _price(target, self._input_tokens, max_output_tokens(self._request, target.model_id))


def check_first_price(first: ModelAccess) -> None:
    """Raise ConfigurationError if the price of the first model is unknown."""
    if _price(first, 1, 1) is None:
        raise ConfigurationError(
            f"max_cost_multiple compares with the price of the first model, and {first.model_id!r} has no "
            "known price: put a model with a price first, or leave max_cost_multiple out",
            {"max_cost_multiple": first.model_id},
        )


def unpriced(groups: Iterable[Sequence[ModelAccess]]) -> list[str]:
    """Return a warning for each model that a cost limit excludes because its price is unknown."""
    models = {target.model_id: _price(target, 1, 1) for group in groups for target in group}
    return [
        f"{model!r} has no known price: max_cost_multiple leaves it out"
        for model, price in models.items()
        if price is None
    ]


def _price(target: ModelAccess, input_tokens: int, output_tokens: int) -> float | None:
    return target_cost(target, {"inputTokens": input_tokens, "outputTokens": output_tokens})
