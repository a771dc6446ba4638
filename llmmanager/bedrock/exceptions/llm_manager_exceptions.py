"""Exceptions of a single request. All are subclasses of `LLMManagerError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmmanager.bedrock.models.bedrock_response import BedrockResponse
    from llmmanager.bedrock.models.parallel_response import ParallelResponse
    from llmmanager.bedrock.models.request_attempt import RequestAttempt


class LLMManagerError(Exception):
    """Base class of the errors that this library raises.

    Attributes:
        message: what failed and why.
        details: facts about it as values, or None.
        response: the failed response with its attempts, or None when no call was made.
    """

    message: str
    details: dict[str, Any] | None
    response: BedrockResponse | ParallelResponse | None = None

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details is not None else None

    def __str__(self) -> str:
        return self.message


class ConfigurationError(LLMManagerError):
    """A model, region or setting is invalid. The message names it and the accepted values.

    Attributes:
        invalid_config: the invalid settings by name, or None.
        response: the failed response with its attempts, or None when no call was made.
    """

    invalid_config: dict[str, Any] | None
    response: BedrockResponse | None

    def __init__(
        self,
        message: str,
        invalid_config: Mapping[str, Any] | None = None,
        *,
        response: BedrockResponse | None = None,
    ) -> None:
        super().__init__(message, {"invalid_config": dict(invalid_config)} if invalid_config else None)
        self.invalid_config = dict(invalid_config) if invalid_config is not None else None
        self.response = response


class AuthenticationError(LLMManagerError):
    """Credentials are missing, expired or unreadable, or every region rejected them.

    Attributes:
        auth_type: the configured credential source (`AuthenticationType` value), or None.
        region: the first region that rejected the credentials, or None.
        response: the failed response with its attempts, or None when no call was made.
    """

    auth_type: str | None
    region: str | None
    response: BedrockResponse | None

    def __init__(
        self,
        message: str,
        auth_type: str | None = None,
        region: str | None = None,
        *,
        response: BedrockResponse | None = None,
    ) -> None:
        super().__init__(message, {"auth_type": auth_type, "region": region})
        self.auth_type = auth_type
        self.region = region
        self.response = response


class RequestValidationError(LLMManagerError):
    """The request is invalid for every target.

    Attributes:
        validation_errors: every problem found. Each names the field by its path.
        invalid_fields: the paths of the invalid fields.
        response: the failed response when AWS rejected the request, else None.
    """

    validation_errors: list[str]
    invalid_fields: list[str]
    response: BedrockResponse | None

    def __init__(
        self,
        message: str,
        validation_errors: Sequence[str] | None = None,
        invalid_fields: Sequence[str] | None = None,
        *,
        response: BedrockResponse | None = None,
    ) -> None:
        self.validation_errors = list(validation_errors or ())
        if invalid_fields is None:
            invalid_fields = [error.partition(": ")[0] for error in self.validation_errors if ": " in error]
        self.invalid_fields = list(invalid_fields)
        super().__init__(message, {"validation_errors": self.validation_errors})
        self.response = response


class ContentError(RequestValidationError):
    """A file for a message is empty or too large.

    Attributes:
        content_type: "image", "document" or "video"; or None.
        content_size: the size of the file in bytes, or None.
        max_allowed_size: the maximum size in bytes, or None.
    """

    content_type: str | None
    content_size: int | None
    max_allowed_size: int | None

    def __init__(
        self,
        message: str,
        content_type: str | None = None,
        content_size: int | None = None,
        max_allowed_size: int | None = None,
    ) -> None:
        super().__init__(message, [message])
        self.content_type = content_type
        self.content_size = content_size
        self.max_allowed_size = max_allowed_size


class RetryExhaustedError(LLMManagerError):
    """Every target failed, or the deadline or the retry limit was reached.

    Attributes:
        attempts: every attempt, in order.
        attempts_made: the number of attempts.
        last_errors: the error of each failed attempt, in order.
        models_tried, regions_tried: the models and regions of the attempts, in the order of their first use.
        response: a `BedrockResponse` with `success=False` and the same attempts.
        left_out: the models excluded by `max_cost_multiple` and the reasons; empty without any.
    """

    attempts: list[RequestAttempt]
    attempts_made: int
    last_errors: list[Exception]
    models_tried: list[str]
    regions_tried: list[str]
    response: BedrockResponse | None
    left_out: str = ""

    def __init__(
        self,
        message: str,
        attempts_made: int | None = None,
        last_errors: Sequence[Exception] | None = None,
        models_tried: Sequence[str] | None = None,
        regions_tried: Sequence[str] | None = None,
        *,
        attempts: Sequence[RequestAttempt] = (),
        response: BedrockResponse | None = None,
    ) -> None:
        self.attempts = list(attempts)
        self.attempts_made = len(self.attempts) if attempts_made is None else attempts_made
        self.last_errors = list(last_errors or ())
        self.models_tried = list(models_tried or dict.fromkeys(a.model_id for a in self.attempts))
        self.regions_tried = list(regions_tried or dict.fromkeys(a.region for a in self.attempts))
        super().__init__(
            message,
            {
                "attempts_made": self.attempts_made,
                "models_tried": self.models_tried,
                "regions_tried": self.regions_tried,
                "last_errors": [str(error) for error in self.last_errors],
            },
        )
        self.response = response


class DeadlineExceededError(RetryExhaustedError):
    """The deadline passed before a target answered."""


class QuotaExceededError(RetryExhaustedError):
    """The quotas of all targets require a longer wait than the call's deadline allows.

    Attributes:
        retry_after: seconds until a quota is expected to admit the call.
    """

    retry_after: float = 0.0


class InvalidResponseError(LLMManagerError):
    """The response validation rejected an answer. It is the error of that attempt, and is not raised."""
