"""The decision that follows from an error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Next(Enum):
    """What to try after a failed attempt."""

    SAME_TARGET = "same_target"
    """The same target after a delay; other targets come first."""
    OTHER_REGION = "other_region"
    """The same model in another region; the call does not try this target again."""
    OTHER_MODEL = "other_model"
    """Another model; this one is not tried again in this call, in any region."""
    OTHER_MODEL_FIRST = "other_model_first"
    """The other models; if none of them answers, this model without the unsupported feature."""
    OTHER_ACCESS_METHOD = "other_access_method"
    """The same model in the same region, through its next access method."""
    DROP_FEATURE = "drop_feature"
    """The same target without the unsupported feature."""
    SAME_TARGET_NOW = "same_target_now"
    """The same target without a delay: the cause is removed (credentials renewed, request restored)."""
    GIVE_UP = "give_up"
    """Nothing: no target would accept the request."""


class Kind(Enum):
    """The kind of a failure, for statistics, cooldowns and the exception that is raised."""

    THROTTLE = "throttle"
    QUOTA = "quota"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    ACCESS = "access"
    ACCESS_METHOD = "access_method"
    MODEL = "model"
    REQUEST = "request"
    FEATURE = "feature"
    INVALID_ANSWER = "invalid_answer"
    RESOURCE = "resource"
    """Access to a resource in the request (a guardrail, a key, a bucket) is denied."""
    CREDENTIALS = "credentials"
    EXPIRED_CREDENTIALS = "expired_credentials"
    CONFIGURATION = "configuration"
    CANCELLED = "cancelled"
    """The caller cancelled the call, which closed the connection."""


class ErrorScope(Enum):
    """The targets that an error is about. Other targets are not avoided because of it."""

    ACCESS_METHOD = "access_method"
    """One access method of the model in the region."""
    ACCESS_METHOD_EVERYWHERE = "access_method_everywhere"
    """One access method of the model in every region: a global profile whose model is denied."""
    MODEL_IN_REGION = "model_in_region"
    REGION = "region"
    """Every model in the region: the account has not enabled it, or the API key is for another one."""
    MODEL = "model"
    """The model in every region."""


class QuotaUnit(StrEnum):
    """The unit of a quota per minute."""

    TOKENS = "tokens"
    REQUESTS = "requests"


TRANSIENT_KINDS = frozenset(
    {Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.INVALID_ANSWER}
)
CREDENTIALS_KINDS = frozenset({Kind.CREDENTIALS, Kind.EXPIRED_CREDENTIALS})


@dataclass(frozen=True)
class Decision:
    """The decision about a failed attempt.

    Attributes:
        features: for DROP_FEATURE, the features that may be unsupported. The first one in the request counts.
        otherwise: for DROP_FEATURE and OTHER_ACCESS_METHOD, what to try if the request has none of the
            features, or the model no other access method.
        retry_after: the server's Retry-After in seconds, or None.
        scope: what the error is about.
        quota: for THROTTLE, the quota per minute that is exhausted.
    """

    next: Next
    kind: Kind
    features: tuple[str, ...] = ()
    otherwise: Next = Next.OTHER_MODEL
    retry_after: float | None = None
    scope: ErrorScope = ErrorScope.MODEL_IN_REGION
    quota: QuotaUnit | None = None

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later. The next attempt then counts against `max_retries`."""
        return self.kind in TRANSIENT_KINDS
