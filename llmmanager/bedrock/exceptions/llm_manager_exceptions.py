"""The exceptions of a single request. Every one is an `LLMManagerError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmmanager.bedrock.models.bedrock_response import BedrockResponse
    from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt


class LLMManagerError(Exception):
    """Base of every error that this library raises on purpose.

    Attributes:
        message: what happened, one sentence or more.
        details: machine-readable facts about it, or None.
    """

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details is not None else None

    def __str__(self) -> str:
        return self.message


class ConfigurationError(LLMManagerError):
    """A model, region or setting that cannot work; the message names it and what it takes.

    Attributes:
        invalid_config: the offending settings by name, or None.
        response: the failed response with its attempts, or None when no call was made.
    """

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
    """Credentials are missing, expired or cannot be read, or every region refused them.

    Attributes:
        auth_type: how the credentials were to be found (`AuthenticationType` value), or None.
        region: the first region whose call showed it, or None.
        response: the failed response with its attempts, or None when no call was made.
    """

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
    """The request itself is wrong and no target would accept it.

    Attributes:
        validation_errors: every problem found, each naming the field by its path.
        invalid_fields: those paths.
        response: the failed response when it was AWS that refused the request, else None.
    """

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


class RetryExhaustedError(LLMManagerError):
    """Every target that could serve the request was tried, or the time or the retries ran out.

    Attributes:
        attempts: every attempt, in order.
        attempts_made: how many there were.
        last_errors: the error of each failed attempt, in order.
        models_tried, regions_tried: distinct, in order of first use.
        response: a `BedrockResponse` with `success=False` and the same attempts.
    """

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
    """The time ran out before any target had answered."""


class QuotaExceededError(RetryExhaustedError):
    """The quotas of all targets admit the call only later than it may wait.

    Attributes:
        retry_after: seconds until a quota is expected to admit the call.
    """

    retry_after: float = 0.0


class InvalidResponseError(LLMManagerError):
    """An answer that the caller's response validation refused; the error of that attempt."""
