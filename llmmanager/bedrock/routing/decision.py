"""What follows from an error."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum


class Next(Enum):
    """Where to go after a failed attempt."""

    SAME_TARGET = "same_target"
    """The target may be tried again after a delay; the others come first."""
    OTHER_REGION = "other_region"
    """The target is out for this call; the same model may do elsewhere."""
    OTHER_MODEL = "other_model"
    """The model is out for this call, in every region."""
    OTHER_MODEL_FIRST = "other_model_first"
    """The other models come first; if none of them answers, this model without what it refuses."""
    OTHER_ACCESS_METHOD = "other_access_method"
    """The same model in the same region, through its next access method."""
    DROP_FEATURE = "drop_feature"
    """The same target without the one feature it refuses."""
    SAME_TARGET_NOW = "same_target_now"
    """The same target at once: what was in the way is gone (credentials renewed, the request restored)."""
    GIVE_UP = "give_up"
    """No target would accept this."""


class Kind(Enum):
    """What sort of failure it was: for statistics, cooldowns and the exception that is raised."""

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
    """A resource that the request names (a guardrail, a key, a bucket) may not be used."""
    CREDENTIALS = "credentials"
    EXPIRED_CREDENTIALS = "expired_credentials"
    CONFIGURATION = "configuration"


class Scope(Enum):
    """What an error is about: no other target is avoided because of it."""

    ACCESS_METHOD = "access_method"
    """One access method of the model in the region."""
    ACCESS_METHOD_EVERYWHERE = "access_method_everywhere"
    """One access method of the model in every region: a global profile without its model."""
    MODEL_IN_REGION = "model_in_region"
    REGION = "region"
    """Every model in the region: the account has not enabled it, or a key is valid elsewhere."""
    MODEL = "model"
    """The model in every region."""


class QuotaUnit(StrEnum):
    """What a quota per minute counts."""

    TOKENS = "tokens"
    REQUESTS = "requests"


TRANSIENT_KINDS = frozenset(
    {Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE, Kind.INVALID_ANSWER}
)
CREDENTIALS_KINDS = frozenset({Kind.CREDENTIALS, Kind.EXPIRED_CREDENTIALS})


@dataclass(frozen=True)
class Decision:
    """What an error means for the call.

    Attributes:
        features: for DROP_FEATURE, what the model may refuse: the first of these that the request contains.
        otherwise: for DROP_FEATURE and OTHER_ACCESS_METHOD, where to go when there is nothing (left) to
            drop, and no other access method.
        retry_after: seconds that the server asked for, or None.
        scope: what the error is about.
        quota: for THROTTLE, the quota per minute that is used up.
    """

    next: Next
    kind: Kind
    features: tuple[str, ...] = ()
    otherwise: Next = Next.OTHER_MODEL
    retry_after: float | None = None
    scope: Scope = Scope.MODEL_IN_REGION
    quota: QuotaUnit | None = None

    @property
    def transient(self) -> bool:
        """The same call might succeed later: an attempt after it counts against `max_retries`."""
        return self.kind in TRANSIENT_KINDS
