"""What `before_attempt` is called with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from llmmanager.bedrock.models.request_attempt import RequestAttempt

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.attempt_bounds import AttemptBounds

__all__ = ["AttemptGuard", "PlannedAttempt"]


@dataclass(frozen=True)
class PlannedAttempt:
    """An attempt that is about to be sent.

    Its upper bounds apply to the request as it is sent to this model. They are computed when they are read.

    Attributes:
        model_id: the model's id.
        region: the region to call.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None for an id that is not in
            the catalog.
        inference_profile_id: the profile to invoke, or None for on-demand.
        request_id: the id of the `BedrockConverseRequest`; None for a call without one.
        attempts: the attempts of the call so far, in order.
        bounds: computes the upper bounds.
    """

    model_id: str
    region: str
    access_method: str | None
    inference_profile_id: str | None
    request_id: str | None
    attempts: Sequence[RequestAttempt]
    bounds: AttemptBounds = field(repr=False, compare=False)

    @property
    def max_input_tokens(self) -> int:
        """Upper bound of the input tokens, cached tokens included."""
        return self.bounds.input_tokens

    @property
    def max_output_tokens(self) -> int:
        """Upper bound of the output tokens, reasoning included."""
        return self.bounds.output_tokens

    @property
    def max_cost_usd(self) -> float | None:
        """Upper bound of the list price in USD; None if the model has no known price."""
        return self.bounds.cost_usd


class AttemptGuard(Protocol):
    """The type of `before_attempt`: a function with a `PlannedAttempt` as its only argument.

    It is called right before each attempt is sent: also before a retry, a failover, another answer after an
    invalid one, and the continuation of a stream. It runs on the thread of the call, and its time counts
    towards the deadline. An exception that it raises ends the call without this attempt.
    """

    def __call__(self, planned: PlannedAttempt, /) -> None:
        """Raise an exception to end the call."""
