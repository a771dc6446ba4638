"""Settings of a manager, and the attempts of a call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.llm_manager_constants import LLMManagerConfig
from llmmanager.bedrock.models.request_attempt import RequestAttempt

if TYPE_CHECKING:
    from llmmanager.bedrock.models.bedrock_response import BedrockResponse

__all__ = [
    "AuthConfig",
    "AuthenticationType",
    "RequestAttempt",
    "ResponseValidationConfig",
    "RetryConfig",
    "RetryStrategy",
    "ValidationResult",
]

ACCESS_METHODS = ("on_demand", "geographic_profile", "global_profile")
ON_THROTTLE = ("failover", "wait")


class AuthenticationType(Enum):
    """The source of credentials.

    Attributes:
        PROFILE: a profile of the AWS configuration files.
        CREDENTIALS: an access key id and a secret access key.
        IAM_ROLE: boto3's default chain without profiles: environment, container, instance.
        AUTO: boto3's default chain.
    """

    PROFILE = "profile"
    CREDENTIALS = "credentials"
    IAM_ROLE = "iam_role"
    AUTO = "auto"


class RetryStrategy(Enum):
    """Which target follows a failed one.

    Attributes:
        REGION_FIRST: all regions of the first model, then of the second.
        MODEL_FIRST: all models in the first region, then in the second.
    """

    REGION_FIRST = "region_first"
    MODEL_FIRST = "model_first"


@dataclass(frozen=True)
class AuthConfig:
    """Authentication to AWS. Its `repr` shows no secrets.

    Attributes:
        auth_type: the source of credentials.
        profile_name: the profile; required for PROFILE.
        access_key_id, secret_access_key: the key; required for CREDENTIALS.
        session_token: the token of temporary credentials.
        region: default region of the session.

    Raises:
        ConfigurationError: a required field is missing, a value is not a string, or a credential contains
            white space. The message does not show the value.
    """

    auth_type: AuthenticationType = AuthenticationType.AUTO
    profile_name: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.auth_type, AuthenticationType):
            raise ConfigurationError(
                f"auth_type must be an AuthenticationType (got {self.auth_type!r})",
                {"auth_type": self.auth_type},
            )
        for name in ("profile_name", "access_key_id", "secret_access_key", "session_token", "region"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(
                    f"{name} must be a string (got {type(value).__name__})", {name: type(value).__name__}
                )
            # A line break from a file would make a header invalid, and that error shows the whole header.
            if value and name != "profile_name" and any(map(str.isspace, value)):
                raise ConfigurationError(
                    f"{name} must not contain white space", {name: "contains white space"}
                )
        required = {
            AuthenticationType.PROFILE: ("profile_name",),
            AuthenticationType.CREDENTIALS: ("access_key_id", "secret_access_key"),
        }.get(self.auth_type, ())
        missing = [name for name in required if not getattr(self, name)]
        if missing:
            raise ConfigurationError(
                f"{' and '.join(missing)} must be set for auth_type {self.auth_type.value!r}",
                dict.fromkeys(missing),
            )


@dataclass(frozen=True)
class RetryConfig:
    """Retries and failover.

    Attributes:
        max_retries: maximum number of attempts after transient failures, for all targets together; from 0.
        retry_delay: maximum seconds before a target is tried a second time. The delay is random, from 0 to
            this value.
        backoff_multiplier: factor of this maximum for each further round, at least 1.
        max_retry_delay: limit of the delay in seconds, and of a `Retry-After` that is respected.
        retry_strategy: which target follows a failed one.
        enable_feature_fallback: whether a tuning parameter that a model does not support is removed from the
            request, and content that no other model supports. With False, the next model is tried instead. A
            guardrail is never removed.
        retryable_errors: further AWS error codes, exception class names or classes that are transient.
        access_method_order: access methods in the order of preference: "on_demand", "geographic_profile",
            "global_profile". A method that is not in the list is last.
        on_throttle: with "failover", a throttled call tries its other targets, including other models. With
            "wait", it tries the other regions and access methods of the same model, then waits for quota. It
            uses another model only if that wait would not end before the deadline, and throttled attempts do
            not count against `max_retries`. Other failures lead to the next model in either case.
        max_cost_multiple: a target is used only if the maximum cost of the request there is at most this
            multiple of the maximum cost with the first model. The maximum cost is that of the input and
            `maxTokens` at the prices of the model table. A target without a known price is not used. None
            for no limit, else a number of at least 1.

    Raises:
        ConfigurationError: a value is invalid.
    """

    max_retries: int = LLMManagerConfig.DEFAULT_MAX_RETRIES
    retry_delay: float = LLMManagerConfig.DEFAULT_RETRY_DELAY
    backoff_multiplier: float = LLMManagerConfig.DEFAULT_BACKOFF_MULTIPLIER
    max_retry_delay: float = LLMManagerConfig.DEFAULT_MAX_RETRY_DELAY
    retry_strategy: RetryStrategy = RetryStrategy.REGION_FIRST
    enable_feature_fallback: bool = True
    retryable_errors: tuple[str | type[BaseException], ...] = ()
    access_method_order: tuple[str, ...] = field(default=ACCESS_METHODS, kw_only=True)
    on_throttle: Literal["failover", "wait"] = field(default="failover", kw_only=True)
    max_cost_multiple: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _require_number(self, "max_retries", minimum=0, integer=True)
        _require_number(self, "retry_delay", minimum=0)
        _require_number(self, "backoff_multiplier", minimum=1)
        _require_number(self, "max_retry_delay", minimum=0)
        if not isinstance(self.retry_strategy, RetryStrategy):
            raise ConfigurationError(
                f"retry_strategy must be a RetryStrategy (got {self.retry_strategy!r})",
                {"retry_strategy": self.retry_strategy},
            )
        _require_flag(self, "enable_feature_fallback")
        _require_tuple(self, "retryable_errors", "error codes or exception classes")
        _require_tuple(self, "access_method_order", f"some of {', '.join(ACCESS_METHODS)}")
        unknown = [method for method in self.access_method_order if method not in ACCESS_METHODS]
        if unknown:
            raise ConfigurationError(
                f"access_method_order must contain only {', '.join(ACCESS_METHODS)} (got {unknown[0]!r})",
                {"access_method_order": self.access_method_order},
            )
        if self.on_throttle not in ON_THROTTLE:
            raise ConfigurationError(
                f"on_throttle must be {' or '.join(map(repr, ON_THROTTLE))} (got {self.on_throttle!r})",
                {"on_throttle": self.on_throttle},
            )
        if self.max_cost_multiple is not None:
            _require_number(self, "max_cost_multiple", minimum=1)
        for error in self.retryable_errors:
            if not isinstance(error, str | type):
                raise ConfigurationError(
                    f"retryable_errors must contain only error codes or exception classes (got {error!r})",
                    {"retryable_errors": error},
                )


@dataclass(frozen=True)
class ValidationResult:
    """The result of a response validation function for one answer.

    Attributes:
        success: whether the answer is valid.
        error_message: why the answer is invalid, or None.
        error_details: the same as machine-readable values, or None.
    """

    success: bool
    error_message: str | None = None
    error_details: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        details = self.error_details
        return {
            "success": self.success,
            "error_message": self.error_message,
            "error_details": dict(details) if isinstance(details, Mapping) else details,
        }


@dataclass(frozen=True)
class ResponseValidationConfig:
    """A validation of each answer. An invalid answer causes a retry.

    Attributes:
        response_validation_function: called with the `BedrockResponse`; returns a `ValidationResult`. An
            exception counts as an invalid answer.
        response_validation_retries: maximum number of retries after invalid answers: N means at most N + 1
            answers, for all targets together. A failed attempt does not count as an answer.
        response_validation_delay: seconds before a retry.
        tell_reason: whether the model gets its invalid answer and the `error_message` with a retry. They are
            added to the conversation as text, if its last message is the user's.

    Raises:
        ConfigurationError: the function is not callable or is async, or a value is invalid.
    """

    response_validation_function: Callable[[BedrockResponse], ValidationResult]
    response_validation_retries: int = 3
    response_validation_delay: float = 0.0
    tell_reason: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_function("response_validation_function", self.response_validation_function)
        _require_number(self, "response_validation_retries", minimum=0, integer=True)
        _require_number(self, "response_validation_delay", minimum=0)
        _require_flag(self, "tell_reason")


def check_function(name: str, function: object) -> None:
    """Raise ConfigurationError unless the value is a function of the caller that runs on a thread."""
    if not callable(function):
        raise ConfigurationError(f"{name} must be callable (got {type(function).__name__})")
    if iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__):
        raise ConfigurationError(f"{name} must not be async: it is called on a thread, without an event loop")


def _require_number(config: object, name: str, *, minimum: float, integer: bool = False) -> None:
    value: Any = getattr(config, name)
    kinds: tuple[type, ...] = (int,) if integer else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not minimum <= value <= sys.float_info.max:
        kind = "an integer" if integer else "a number"
        raise ConfigurationError(
            f"{name} must be {kind} of at least {minimum} (got {value!r})", {name: value}
        )


def _require_flag(config: object, name: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False (got {value!r})", {name: value})


def _require_tuple(config: object, name: str, items: str) -> None:
    """Convert a list, set or tuple to a tuple. Raise ConfigurationError for another value, e.g. a string."""
    value = getattr(config, name)
    if not isinstance(value, list | tuple | set | frozenset):
        raise ConfigurationError(f"{name} must be a list or tuple of {items} (got {value!r})", {name: value})
    object.__setattr__(config, name, tuple(value))
