"""The rules of FakeBedrock: faults, quotas, latencies, and the scope of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from .call_log import Call
from .errors import default_status

T = TypeVar("T")
_ACCESS = ("", "on_demand", "geo", "global")
_OPERATIONS = (
    "",
    "Converse",
    "ConverseStream",
    "CountTokens",
    "ListFoundationModels",
    "GetFoundationModel",
    "ListInferenceProfiles",
    "GetInferenceProfile",
    "ListServiceQuotas",
    "CreateModelInvocationJob",
    "GetModelInvocationJob",
    "ListModelInvocationJobs",
    "StopModelInvocationJob",
)
_TIERS = ("", "default", "flex", "priority", "reserved")
_BILLED_OPERATIONS = ("Converse", "ConverseStream", "CreateModelInvocationJob")
_STREAM_FAULTS = ("early_end", "garbled_event", "no_metadata")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The calls to which a rule applies. An empty field matches every call.

    Attributes:
        region: the region of the call.
        model: a model id (for every access method), a profile id, a prefix ending in a dot (`us.`,
            `anthropic.`), or a pattern with `*`.
        access: "on_demand", "geo" or "global".
        operation: "Converse", "ConverseStream", "ListFoundationModels", ...
        service_tier: the tier that a request asks for: "default", "flex", "priority" or "reserved".

    Raises:
        ValueError: a value is invalid.
    """

    region: str = ""
    model: str = ""
    access: str = ""
    operation: str = ""
    service_tier: str = ""

    def __post_init__(self) -> None:
        check_texts(region=self.region, model=self.model)
        if any(map(str.isspace, self.model)):
            raise ValueError(
                f"model must be an id, a prefix or a pattern, not a display name ({self.model!r})"
            )
        if self.access not in _ACCESS:
            raise ValueError(f"access must be one of {', '.join(_ACCESS[1:])}, not {self.access!r}")
        if self.operation not in _OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(_OPERATIONS[1:])}, not {self.operation!r}")
        if self.service_tier not in _TIERS:
            raise ValueError(
                f"service_tier must be one of {', '.join(_TIERS[1:])}, not {self.service_tier!r}"
            )

    def covers(self, call: Call) -> bool:
        """Whether the rule applies to a call."""
        return (
            self.region in ("", call.region)
            and self.access in ("", call.access_method)
            and self.operation in ("", call.operation)
            and self.service_tier in ("", call.service_tier or "default")
            and (not self.model or any(_names(self.model, name) for name in call.names))
        )


@dataclass(frozen=True)
class Fault(Scope):
    """An error, a hang or a broken connection for some calls, which are those of its `Scope`.

    Exactly one of `error`, `hang`, `reset` and `stream_fault` is required.

    Attributes:
        error: the error's name.
        message, status, fields: the error's message, HTTP status (400 to 599) and further members of its
            body; by default the usual ones. A name that Bedrock does not use needs a `status`.
        retry_after: seconds, sent as `Retry-After` and `x-amz-retry-after`.
        headers: further headers of the response.
        hang: whether the request is accepted and never answered.
        reset: whether the connection is closed.
        share: the share of the calls that fail, 0 to 1. It is drawn from the seed.
        count: the maximum number of calls that fail; None for no limit.
        delay: seconds before the fault.
        after_chunks: interrupts a stream after this number of content deltas.
        billed: whether the answer is generated and billed, or the batch job created, before the fault, like
            with a connection that fails before the response arrives.
        stream_fault: changes a stream without interrupting its connection. "early_end" ends it without an
            error after `after_chunks` deltas, "garbled_event" sends invalid JSON instead of the next delta,
            and "no_metadata" leaves out the last event, which has the usage.
        region, model, access, operation, service_tier: as in `Scope`.

    Raises:
        ValueError: a value is invalid.
    """

    error: str = ""
    message: str = ""
    status: int = 0
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    hang: bool = False
    reset: bool = False
    share: float = 1.0
    count: int | None = None
    delay: float = 0.0
    after_chunks: int | None = None
    billed: bool = False
    stream_fault: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_texts(error=self.error, message=self.message)
        if [bool(self.error), self.hang, self.reset, bool(self.stream_fault)].count(True) != 1:
            raise ValueError("a fault must set exactly one of error, hang, reset and stream_fault")
        if self.status and self.status not in range(400, 600):
            raise ValueError(f"status must be a whole number from 400 to 599, not {self.status!r}")
        if not isinstance(self.headers, Mapping) or not isinstance(self.fields, Mapping):
            raise ValueError("headers and fields must be objects")
        if any(not str(part).isprintable() for header in self.headers.items() for part in header):
            raise ValueError("headers must be printable text")
        check_number("share", self.share, maximum=1)
        check_number("count", self.count, whole=True)
        check_number("delay", self.delay)
        check_number("retry_after", self.retry_after)
        check_number("after_chunks", self.after_chunks, whole=True)
        if self.billed not in (True, False):
            raise ValueError(f"billed must be true or false, not {self.billed!r}")
        if self.billed and self.after_chunks is not None:
            raise ValueError("billed cannot be set with after_chunks: an interrupted stream is always billed")
        self._check_stream_fault()
        if self.error and not self.status and not default_status(self.error):
            raise ValueError(
                f"error {self.error!r} is not a known error of Bedrock: correct the name or set status"
            )

    def _check_stream_fault(self) -> None:
        if self.stream_fault not in ("", *_STREAM_FAULTS):
            raise ValueError(
                f"stream_fault must be one of {', '.join(_STREAM_FAULTS)}, not {self.stream_fault!r}"
            )
        if self.stream_fault == "no_metadata" and self.after_chunks is not None:
            raise ValueError("after_chunks cannot be set with stream_fault 'no_metadata'")
        if self.stream_fault in ("early_end", "garbled_event") and self.after_chunks is None:
            raise ValueError(f"stream_fault {self.stream_fault!r} requires after_chunks")
        if self.stream_fault and self.billed:
            raise ValueError("billed cannot be set with stream_fault: a stream is always billed")

    @property
    def breaks_stream(self) -> bool:
        """Whether the fault applies to a started stream instead of the call."""
        return self.after_chunks is not None or bool(self.stream_fault)

    def covers(self, call: Call) -> bool:
        """Whether the fault applies to a call."""
        if self.breaks_stream and call.operation != "ConverseStream":
            return False
        return super().covers(call) and (not self.billed or call.operation in _BILLED_OPERATIONS)


@dataclass(frozen=True)
class Quota(Scope):
    """Limits that apply separately to every model, region and access method in its `Scope`.

    A call reserves its input and `maxTokens` (or the model's maximum) when it starts. When it ends, the
    tokens that it used replace the reservation.

    Attributes:
        tokens_per_minute, requests_per_minute, tokens_per_day: the limits. None does not change the limit of
            an earlier quota.
        region, model, access, operation, service_tier: as in `Scope`.

    Raises:
        ValueError: a value is invalid.
    """

    tokens_per_minute: int | None = None
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tokens_per_minute", "requests_per_minute", "tokens_per_day"):
            check_number(name, getattr(self, name), whole=True)


@dataclass(frozen=True)
class Latency(Scope):
    """How long the answers in its `Scope` take.

    Each value is a number of seconds, or a (minimum, maximum) pair from which the seed draws.

    Attributes:
        seconds: the time until the answer.
        first_token: the time until the first event of a stream; None for `seconds`.
        per_chunk: the time between the deltas of a stream.
        region, model, access, operation, service_tier: as in `Scope`.

    Raises:
        ValueError: a value is invalid.
    """

    seconds: float | tuple[float, float] = 0.0
    first_token: float | tuple[float, float] | None = None
    per_chunk: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("seconds", "first_token", "per_chunk"):
            value = getattr(self, name)
            ends = list(value) if isinstance(value, tuple | list) else [value]
            if len(ends) != len(ends[:2]) or (isinstance(value, tuple | list) and len(ends) != 2):
                raise ValueError(f"{name} must be a number of seconds or a (minimum, maximum) pair")
            for end in ends:
                check_number(name, end)
            if isinstance(value, tuple | list) and ends[0] > ends[1]:
                raise ValueError(f"{name} must have the minimum first")


def decode(kind: type[T], data: Any, *, where: str) -> T:
    """Return the dataclass for a JSON object. Raise ValueError with the path and the field."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object")
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in data:
        if name not in known:
            raise ValueError(f"{where}.{name} is unknown; accepted are {', '.join(known)}")
    try:
        return kind(**data)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from None


def _names(selector: str, model: str) -> bool:
    if selector.endswith("."):
        return model.startswith(selector)
    return fnmatchcase(model, selector) if "*" in selector else model == selector


def check_texts(**values: Any) -> None:
    """Raise ValueError unless all values are strings."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a string, not {value!r}")


def check_number(name: str, value: Any, *, maximum: float | None = None, whole: bool = False) -> None:
    """Raise ValueError unless a value is None, or a number from 0 to `maximum`."""
    if value is None:
        return
    kinds = (int,) if whole else (int, float)
    accepted = f"from 0 to {maximum}" if maximum is not None else "of at least 0"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"{name} must be a {'whole ' if whole else ''}number {accepted}, not {value!r}")
    if not 0 <= value <= (maximum if maximum is not None else float("inf")):
        raise ValueError(f"{name} must be a {'whole ' if whole else ''}number {accepted}, not {value!r}")
