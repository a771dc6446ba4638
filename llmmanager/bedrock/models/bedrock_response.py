"""The response of a call: the answer, where it came from and every attempt made for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from llmmanager.bedrock.models.json_codec import decode_bytes, json_safe
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.models.usage import PaidTotals, token_counts

__all__ = ["BedrockResponse", "RecordedError"]


class RecordedError(Exception):
    """An error read back from a serialised response.

    Attributes:
        error_type: class name of the original.
        code: AWS error code, or None.
    """

    def __init__(self, message: str, *, error_type: str, code: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RecordedError, error_type=self.error_type, code=self.code), self.args


@dataclass(frozen=True)
class BedrockResponse:
    """One answer, or the record of why there is none.

    It can be made by hand with the fields that are known. No accessor raises: what is missing, or is not in
    the form that Bedrock gives, is returned as None (a list as empty).

    Attributes:
        success: an answer was received (and found valid, where a validation was asked for).
        response_data: Bedrock's Converse response without its blank text blocks, or None. A content block
            that botocore does not know is kept as it came. After failed validation it is the last, invalid
            answer.
        model_used: id of the model that answered, or None.
        region_used: region that was called.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None where unknown.
        inference_profile_id: the profile invoked, or None for on-demand.
        attempts: every call made, in order.
        total_duration_ms: from the call to its return, in milliseconds, waits included.
        warnings: what the caller should know of: features dropped, names passed through.
        features_disabled: features dropped for this answer, e.g. "tools", "top_p".
        validation_errors: one dict (`error_message`, `error_details`, `attempt`) an invalid answer.
        error: why there is no answer when no attempt shows it, e.g. a deadline that had passed.
    """

    success: bool
    response_data: dict[str, Any] | None = None
    model_used: str | None = None
    region_used: str | None = None
    access_method: str | None = None
    inference_profile_id: str | None = None
    attempts: list[RequestAttempt] = field(default_factory=list)
    total_duration_ms: float | None = None
    warnings: list[str] = field(default_factory=list)
    features_disabled: list[str] = field(default_factory=list)
    validation_errors: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    @property
    def api_latency_ms(self) -> int | None:
        """Latency in milliseconds as Bedrock measured it, or None."""
        latency = self._member("metrics", "latencyMs")
        return latency if isinstance(latency, int) else None

    def get_content_blocks(self) -> list[dict[str, Any]]:
        """Return the answer's content blocks; empty when there is none."""
        blocks = self._member("output", "message", "content")
        return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []

    def get_content(self) -> str | None:
        """Return the answer's text, its blocks joined by newlines; None when it holds no text.

        Citations cut an answer in the middle of its sentences: with any, its blocks are joined as they are.
        """
        blocks = self.get_content_blocks()
        texts = [part["text"] for part in _text_parts(blocks) if isinstance(part.get("text"), str)]
        separator = "" if any("citationsContent" in block for block in blocks) else "\n"
        return separator.join(texts) if texts else None

    def get_usage(self) -> dict[str, int] | None:
        """Return the tokens of the returned answer; None without an answer.

        The counts stand under Bedrock's own keys and their snake_case aliases.
        """
        return token_counts(self._member("usage"))

    def get_total_usage(self) -> dict[str, int] | None:
        """Return the tokens of every answer of the call, valid or not, under the keys of `get_usage()`.

        Attempts whose count is unknown are not part of it: `attempts_with_unknown_usage` says how many there
        are. None when the tokens of no answer are known.
        """
        return self._totals().usage

    @property
    def estimated_cost_usd(self) -> float | None:
        """What every answer of the call cost in USD, each at the price of its own model and access method.

        None when no price is known. `attempts_with_unknown_usage` and `answers_without_price` say how many
        answers it leaves out.
        """
        return self._totals().cost_usd

    @property
    def attempts_with_unknown_usage(self) -> int:
        """How many attempts may have cost tokens that nothing reported: their answer was lost."""
        return self._totals().unknown_usage

    @property
    def answers_without_price(self) -> int:
        """How many answers have known tokens and an unknown price."""
        return self._totals().without_price

    def get_metrics(self) -> dict[str, float | int | None] | None:
        """Return `api_latency_ms`, `total_duration_ms`, `attempts_made`, `successful_attempt_number`.

        None when nothing of them is known.
        """
        attempts = self._attempts()
        if self.response_data is None and self.total_duration_ms is None and not attempts:
            return None
        return {
            "api_latency_ms": self.api_latency_ms,
            "total_duration_ms": self.total_duration_ms,
            "attempts_made": len(attempts),
            "successful_attempt_number": next(
                (attempt.attempt_number for attempt in reversed(attempts) if attempt.success), None
            ),
        }

    def get_stop_reason(self) -> str | None:
        """Return why generation stopped, e.g. "end_turn", "max_tokens", "tool_use"."""
        reason = self._member("stopReason")
        return reason if isinstance(reason, str) else None

    def get_warnings(self) -> list[str]:
        """Return a copy of the warnings."""
        return _as_list(self.warnings)

    def get_disabled_features(self) -> list[str]:
        """Return a copy of the features dropped for this answer."""
        return _as_list(self.features_disabled)

    def get_all_errors(self) -> list[Exception]:
        """Return the error of every failed attempt in order, then `error` if there is one."""
        errors = [attempt.error for attempt in self._attempts() if attempt.error is not None]
        return [*errors, self.error] if self.error is not None else errors

    def get_last_error(self) -> Exception | None:
        """Return the last of `get_all_errors()`, or None."""
        errors = self.get_all_errors()
        return errors[-1] if errors else None

    def had_validation_failures(self) -> bool:
        """Whether any answer was found invalid, the final one or an earlier."""
        return bool(self.validation_errors)

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """Return a dict for each invalid answer: `error_message`, `error_details`, `attempt` (its number)."""
        return [dict(error) for error in _as_list(self.validation_errors) if isinstance(error, Mapping)]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-safe dict: bytes as base64, times as ISO 8601, errors by type, code and message."""
        totals = self._totals()
        described: dict[str, Any] = json_safe(
            {
                "success": self.success,
                "response_data": self.response_data,
                "model_used": self.model_used,
                "region_used": self.region_used,
                "access_method": self.access_method,
                "inference_profile_id": self.inference_profile_id,
                "attempts": [_attempt_to_dict(attempt) for attempt in self._attempts()],
                "total_duration_ms": self.total_duration_ms,
                "api_latency_ms": self.api_latency_ms,
                "total_usage": totals.usage,
                "estimated_cost_usd": totals.cost_usd,
                "attempts_with_unknown_usage": totals.unknown_usage,
                "answers_without_price": totals.without_price,
                "warnings": self.get_warnings(),
                "features_disabled": self.get_disabled_features(),
                "validation_errors": self.get_validation_errors(),
                "error": _error_to_dict(self.error),
            }
        )
        return described

    def to_json(self, indent: int | None = None) -> str:
        """Return `to_dict()` as JSON text that UTF-8 can hold."""
        described = self.to_dict()
        text = json.dumps(described, indent=indent, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character, as an answer cut short may end with
            return json.dumps(described, indent=indent)
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BedrockResponse:
        """Return the response that `to_dict()` described; errors come back as `RecordedError`."""
        return cls(
            success=data["success"],
            response_data=decode_bytes(data.get("response_data"), other_text="keep"),
            model_used=data.get("model_used"),
            region_used=data.get("region_used"),
            access_method=data.get("access_method"),
            inference_profile_id=data.get("inference_profile_id"),
            attempts=[_attempt_from_dict(attempt) for attempt in data.get("attempts", ())],
            total_duration_ms=data.get("total_duration_ms"),
            warnings=list(data.get("warnings", ())),
            features_disabled=list(data.get("features_disabled", ())),
            validation_errors=[dict(error) for error in data.get("validation_errors", ())],
            error=_error_from_dict(data.get("error")),
        )

    def _totals(self) -> PaidTotals:
        attempts, usage = self._attempts(), self.get_usage()
        if usage is None or any(attempt.usage_known for attempt in attempts):
            return PaidTotals.of_attempts(attempts)
        # Made by hand, or stored by a version whose attempts had no usage: one of them gave this answer.
        unknown = max(0, len(attempts) - 1)
        return PaidTotals.of_answer(usage, self._answer_cost(usage), unknown_usage=unknown)

    def _answer_cost(self, usage: Mapping[str, int]) -> float | None:
        # Only here: the models do not depend on the price list, and need it for no response of this version.
        from llmmanager.bedrock.pricing import estimate_cost

        if not isinstance(self.model_used, str):
            return None
        tier = self._member("serviceTier", "type")
        return estimate_cost(
            self.model_used,
            {**usage, "cacheDetails": self._member("usage", "cacheDetails")},
            access_method=_text_or_none(self.access_method),
            inference_profile_id=_text_or_none(self.inference_profile_id),
            region=_text_or_none(self.region_used),
            service_tier=_text_or_none(tier),
        )

    def _attempts(self) -> list[RequestAttempt]:
        return [attempt for attempt in _as_list(self.attempts) if isinstance(attempt, RequestAttempt)]

    def _member(self, *keys: str) -> Any:
        value: Any = self.response_data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def error_code(error: BaseException) -> str | None:
    """The AWS error code that an exception carries, or None."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        details = response.get("Error")
        code = details.get("Code") if isinstance(details, Mapping) else None
    else:
        code = getattr(error, "code", None)
    return code if isinstance(code, str) else None


def _error_to_dict(error: Exception | None) -> dict[str, Any] | None:
    if error is None:
        return None
    kind = error.error_type if isinstance(error, RecordedError) else type(error).__name__
    return {"type": kind, "code": error_code(error), "message": str(error)}


def _error_from_dict(data: Mapping[str, Any] | None) -> RecordedError | None:
    if data is None:
        return None
    return RecordedError(data["message"], error_type=data["type"], code=data.get("code"))


def _attempt_to_dict(attempt: RequestAttempt) -> dict[str, Any]:
    return {
        "model_id": attempt.model_id,
        "region": attempt.region,
        "access_method": attempt.access_method,
        "invoke_id": attempt.invoke_id,
        "attempt_number": attempt.attempt_number,
        "start_time": attempt.start_time.isoformat(),
        "end_time": attempt.end_time.isoformat(),
        "duration_ms": attempt.duration_ms,
        "success": attempt.success,
        "decision": attempt.decision,
        "error": _error_to_dict(attempt.error),
        "usage": attempt.usage,
        "estimated_cost_usd": attempt.estimated_cost_usd,
    }


def _attempt_from_dict(data: Mapping[str, Any]) -> RequestAttempt:
    return RequestAttempt(
        model_id=data["model_id"],
        region=data["region"],
        access_method=data.get("access_method"),
        attempt_number=data["attempt_number"],
        start_time=datetime.fromisoformat(data["start_time"]),
        end_time=datetime.fromisoformat(data["end_time"]),
        success=data["success"],
        error=_error_from_dict(data.get("error")),
        invoke_id=data.get("invoke_id"),
        decision=data.get("decision"),
        # Responses stored by earlier versions have neither.
        usage=token_counts(data.get("usage")),
        estimated_cost_usd=data.get("estimated_cost_usd"),
    )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_list(value: Any) -> list[Any]:
    """A copy of a list, empty for anything else: the fields are not checked when a response is made."""
    return list(value) if isinstance(value, list | tuple) else []


def _text_parts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The blocks that can hold text; for a block with citations, the parts of its text."""
    for block in blocks:
        cited = block.get("citationsContent")
        parts = cited.get("content") if isinstance(cited, Mapping) else None
        if isinstance(parts, list) and parts:
            yield from (part for part in parts if isinstance(part, Mapping))
        else:
            yield block
