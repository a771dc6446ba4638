"""One attempt of a call, and the methods of a response that read its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any


@dataclass(frozen=True)
class RequestAttempt:
    """One call of one target: a model in a region with an access method.

    Attributes:
        model_id: the model's id.
        region: the region that was called.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None for an id that is not in
            the catalog.
        attempt_number: number of the attempt in its call, from 1.
        start_time, end_time: when the attempt started and ended, in UTC.
        success: whether the target answered.
        error: the error of a failed attempt, or None.
        invoke_id: the id that was invoked, of a model or a profile.
        decision: what the error led to ("other_region", "drop_feature", ...), or None.
        usage: the tokens of this call, with the keys of `BedrockResponse.get_usage()`. All counts are 0 if
            Bedrock rejected the call or it was not sent. None if the counts are unknown: the answer was lost
            (timeout, closed connection, interrupted stream) or has no counts (yet).
        estimated_cost_usd: the price of these tokens in USD, or None if unknown.
    """

    model_id: str
    region: str
    access_method: str | None
    attempt_number: int
    start_time: datetime
    end_time: datetime
    success: bool
    error: Exception | None = None
    invoke_id: str | None = None
    decision: str | None = None
    # Not part of the hash: a dict is not hashable.
    usage: dict[str, int] | None = field(default=None, hash=False)
    estimated_cost_usd: float | None = None

    @property
    def duration_ms(self) -> float:
        """Duration of the call in milliseconds."""
        return (self.end_time - self.start_time) / timedelta(milliseconds=1)

    @property
    def usage_known(self) -> bool:
        """Whether the tokens of this call are known. AWS may have charged for unknown tokens."""
        return self.usage is not None


class RecordedError(Exception):
    """An error of a response that `BedrockResponse.from_dict` has read.

    Attributes:
        error_type: class name of the original error.
        code: AWS error code of the original error, or None.
    """

    error_type: str
    code: str | None

    def __init__(self, message: str, *, error_type: str, code: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RecordedError, error_type=self.error_type, code=self.code), self.args


class AttemptAccessors:
    """The methods of `BedrockResponse` that read its attempts and validations."""

    success: bool
    access_method: str | None
    inference_profile_id: str | None
    attempts: list[RequestAttempt]
    validation_errors: list[dict[str, Any]]

    def was_successful(self) -> bool:
        """Return `success`."""
        return self.success

    def get_attempt_count(self) -> int:
        """Return the number of attempts."""
        return len(self._attempts())

    def get_successful_attempt(self) -> RequestAttempt | None:
        """Return the attempt that gave the answer, or None."""
        return next((attempt for attempt in reversed(self._attempts()) if attempt.success), None)

    def get_access_method(self) -> str | None:
        """Return `access_method`."""
        return self.access_method

    def was_profile_used(self) -> bool:
        """Whether an inference profile was invoked."""
        return self.inference_profile_id is not None

    def get_profile_id(self) -> str | None:
        """Return `inference_profile_id`."""
        return self.inference_profile_id

    def had_validation_failures(self) -> bool:
        """Whether the response validation rejected an answer of this call."""
        return bool(self.validation_errors)

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """Return a copy of `validation_errors`."""
        return [dict(error) for error in as_list(self.validation_errors) if isinstance(error, Mapping)]

    def get_last_validation_error(self) -> dict[str, Any] | None:
        """Return the last of `get_validation_errors()`, or None."""
        errors = self.get_validation_errors()
        return errors[-1] if errors else None

    def get_validation_attempt_count(self) -> int:
        """Return the number of rejected answers, and one more for a valid answer after them.

        0 if no answer was rejected: the response does not record that the first answer was valid.
        """
        rejected = len(self.get_validation_errors())
        return rejected + 1 if rejected and self.success else rejected

    def get_validation_metrics(self) -> dict[str, int | bool]:
        """Return `validation_attempts`, `validation_errors` and `had_validation_failures`.

        With `successful_validation_attempt`, the number of the valid answer, if it followed rejected ones.
        """
        count, rejected = self.get_validation_attempt_count(), len(self.get_validation_errors())
        metrics: dict[str, int | bool] = {
            "validation_attempts": count,
            "validation_errors": rejected,
            "had_validation_failures": self.had_validation_failures(),
        }
        return metrics | {"successful_validation_attempt": count} if count > rejected else metrics

    def _attempts(self) -> list[RequestAttempt]:
        return [attempt for attempt in as_list(self.attempts) if isinstance(attempt, RequestAttempt)]


def as_list(value: Any) -> list[Any]:
    """Return a copy of a list, or an empty list for another value: responses are not validated."""
    return list(value) if isinstance(value, list | tuple) else []
