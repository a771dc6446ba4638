"""Configuration of a manager and the record of what one call did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.llm_manager_constants import LLMManagerConfig

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
    """Where credentials come from."""

    PROFILE = "profile"
    CREDENTIALS = "credentials"
    IAM_ROLE = "iam_role"
    AUTO = "auto"


class RetryStrategy(Enum):
    """Which target follows a failed one.

    REGION_FIRST: all regions of the first model, then of the second.
    MODEL_FIRST: all models in the first region, then in the second.
    """

    REGION_FIRST = "region_first"
    MODEL_FIRST = "model_first"


@dataclass(frozen=True)
class AuthConfig:
    """How to authenticate to AWS.

    Attributes:
        auth_type: PROFILE needs `profile_name`; CREDENTIALS needs `access_key_id` and
            `secret_access_key`; IAM_ROLE and AUTO use boto3's own chain (environment, container,
            instance), IAM_ROLE without ever reading a named profile.
        region: home region of the session, used where no other region applies.

    Raises:
        ConfigurationError: a field that the type needs is missing, or one is no text or holds white space
            where a credential cannot; the message never shows what was given.
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
            # A line break that came along from a file ends in a header, and a header's error shows it all.
            if value and name != "profile_name" and any(map(str.isspace, value)):
                raise ConfigurationError(f"{name} must hold no white space", {name: "holds white space"})
        needed = {
            AuthenticationType.PROFILE: ("profile_name",),
            AuthenticationType.CREDENTIALS: ("access_key_id", "secret_access_key"),
        }.get(self.auth_type, ())
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ConfigurationError(
                f"{' and '.join(missing)} must be given for auth_type {self.auth_type.value!r}",
                dict.fromkeys(missing),
            )


@dataclass(frozen=True)
class RetryConfig:
    """How often, how soon and where a failed call is tried again.

    Attributes:
        max_retries: attempts that may follow a transient failure, over all targets together.
        retry_delay: seconds before a target is tried a second time (full jitter: 0 to this).
        backoff_multiplier: growth of that delay with each round, at least 1.
        max_retry_delay: its ceiling in seconds, and the longest server hint that is honoured.
        retry_strategy: which target follows.
        enable_feature_fallback: leave out a tuning parameter that a model refuses; leave out content when no
            other model accepts it. False leads to the next model instead. A guardrail is never left out.
        retryable_errors: further AWS error codes or exception class names (or classes) that are
            transient for this caller.
        access_method_order: which way in to a model in a region is preferred, of "on_demand",
            "geographic_profile" and "global_profile"; one that is left out comes last.
        on_throttle: "failover": a throttled call tries its other targets, other models included. "wait": it
            tries the other regions and access methods of the same model, then waits for quota; another model
            only when that wait would not end before the deadline. Throttled attempts then do not count
            against `max_retries`. Other failures lead to the next model in either case.
        max_cost_multiple: a target is used only when the request may cost there at most this many times what
            it may cost at the first model: its input and `maxTokens`, at the catalog's prices. A target
            without a known price is not used either. None for no limit, else a number of at least 1.

    Raises:
        ConfigurationError: a value out of range.
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
                f"access_method_order must hold some of {', '.join(ACCESS_METHODS)} (got {unknown[0]!r})",
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
                    f"retryable_errors must hold error codes or exception classes (got {error!r})",
                    {"retryable_errors": error},
                )


@dataclass(frozen=True)
class ValidationResult:
    """What a response validation function says of one answer."""

    success: bool
    error_message: str | None = None
    error_details: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as a dict."""
        details = self.error_details
        return {
            "success": self.success,
            "error_message": self.error_message,
            "error_details": dict(details) if isinstance(details, Mapping) else details,
        }


@dataclass(frozen=True)
class ResponseValidationConfig:
    """A check on each answer; an invalid one asks the model again.

    Attributes:
        response_validation_function: takes the `BedrockResponse`, returns a `ValidationResult`. An
            exception in it counts as an invalid answer.
        response_validation_retries: how often a model may be asked again after an invalid answer: N means
            at most N + 1 answers, over all targets together. A failed attempt is no answer and does not
            count.
        response_validation_delay: seconds before a model is asked again.

    Raises:
        ConfigurationError: no callable, or a value out of range.
    """

    response_validation_function: Callable[[BedrockResponse], ValidationResult]
    response_validation_retries: int = 3
    response_validation_delay: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.response_validation_function):
            raise ConfigurationError(
                "response_validation_function must be callable "
                f"(got {type(self.response_validation_function).__name__})"
            )
        _require_number(self, "response_validation_retries", minimum=0, integer=True)
        _require_number(self, "response_validation_delay", minimum=0)


@dataclass(frozen=True)
class RequestAttempt:
    """One call of one target.

    Attributes:
        model_id: the model's id.
        region: the region called.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None for an id that the
            catalog does not know.
        attempt_number: from 1.
        start_time, end_time: UTC.
        success: whether the target answered.
        error: what it answered otherwise, or None.
        invoke_id: the id that was invoked: the model's, or a profile's.
        decision: what followed from the error ("other_region", "drop_feature", ...), or None.
        usage: the tokens of this call, under the keys of `BedrockResponse.get_usage()`. All counts are 0
            when Bedrock refused the call, or when it was never sent. None when the count is unknown: the
            call was sent and its answer was lost (timeout, cut connection, broken stream), or the answer
            has no count (yet).
        estimated_cost_usd: the price of these tokens in USD; None when it is unknown.
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
    # Not part of the hash: a dict has none.
    usage: dict[str, int] | None = field(default=None, hash=False)
    estimated_cost_usd: float | None = None

    @property
    def duration_ms(self) -> float:
        """How long the call took, in milliseconds."""
        return (self.end_time - self.start_time) / timedelta(milliseconds=1)

    @property
    def usage_known(self) -> bool:
        """Whether the tokens of this call are known; when not, they may have been paid all the same."""
        return self.usage is not None


def _require_number(config: object, name: str, *, minimum: float, integer: bool = False) -> None:
    value: Any = getattr(config, name)
    kinds: tuple[type, ...] = (int,) if integer else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not minimum <= value < float("inf"):
        kind = "an integer" if integer else "a number"
        raise ConfigurationError(
            f"{name} must be {kind} of at least {minimum} (got {value!r})", {name: value}
        )


def _require_flag(config: object, name: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False (got {value!r})", {name: value})


def _require_tuple(config: object, name: str, of: str) -> None:
    """A list will do, and becomes a tuple; not a text, whose letters would be taken for the items."""
    value = getattr(config, name)
    if not isinstance(value, list | tuple | set | frozenset):
        raise ConfigurationError(f"{name} must be a list or tuple of {of} (got {value!r})", {name: value})
    object.__setattr__(config, name, tuple(value))
