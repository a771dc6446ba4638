"""The response of a call: the answer, its model and region, and all attempts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.models.json_codec import decode_bytes, json_safe
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.models.usage import PaidTotals, token_counts

__all__ = ["BedrockResponse", "RecordedError"]


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


@dataclass(frozen=True)
class BedrockResponse:
    """The answer of a call, or the errors of a failed call.

    It can be created with any subset of the fields. Its methods raise no exception: for a value that is
    missing or unexpected, they return None or an empty list.

    Attributes:
        success: whether an answer was received and, if a response validation is configured, is valid.
        response_data: Bedrock's Converse response without its blank text blocks, or None. A content block
            that botocore does not know is not changed. After a failed validation it is the last, invalid
            answer.
        model_used: id of the model that answered, or None.
        region_used: region that answered, or None.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None if unknown.
        inference_profile_id: the profile invoked, or None for on-demand.
        attempts: every attempt, in order.
        total_duration_ms: duration of the call in milliseconds, including waits.
        warnings: messages for the caller, e.g. about features that were left out, or unknown model names.
        features_disabled: features that were left out for this answer, e.g. "tools", "top_p".
        validation_errors: one dict (`error_message`, `error_details`, `attempt`) for each invalid answer.
        error: why the call failed if no attempt has the error, e.g. a deadline that had already passed.
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
        """Latency in milliseconds as reported by Bedrock, or None."""
        latency = self._member("metrics", "latencyMs")
        return latency if isinstance(latency, int) else None

    def get_content_blocks(self) -> list[dict[str, Any]]:
        """Return the answer's content blocks (text, tool calls, reasoning), or an empty list."""
        blocks = self._member("output", "message", "content")
        return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []

    def get_content(self) -> str | None:
        """Return the text blocks of the answer, joined by newlines, or None if it contains no text.

        Citations split an answer within sentences. An answer with citations is joined without newlines.
        """
        blocks = self.get_content_blocks()
        texts = [part["text"] for part in _text_parts(blocks) if isinstance(part.get("text"), str)]
        separator = "" if any("citationsContent" in block for block in blocks) else "\n"
        return separator.join(texts) if texts else None

    def get_usage(self) -> dict[str, int] | None:
        """Return the token counts of the returned answer, or None.

        The keys are those of Bedrock, `inputTokens`, `outputTokens`, `totalTokens`, `cacheReadInputTokens`
        and `cacheWriteInputTokens`, and the same counts as `input_tokens`, `output_tokens`, `total_tokens`,
        `cache_read_tokens` and `cache_write_tokens`.
        """
        return token_counts(self._member("usage"))

    def get_total_usage(self) -> dict[str, int] | None:
        """Return the tokens of all answers of the call, valid or invalid, with the keys of `get_usage()`.

        None if no count is known. `attempts_with_unknown_usage` is the number of attempts whose tokens are
        not included.
        """
        return self._totals().usage

    @property
    def estimated_cost_usd(self) -> float | None:
        """Cost of all answers of the call in USD, or None if no price is known.

        Each answer has the price of its own model, region and access method. The answers counted by
        `attempts_with_unknown_usage` and `answers_without_price` are not included.
        """
        return self._totals().cost_usd

    @property
    def attempts_with_unknown_usage(self) -> int:
        """Number of attempts that were sent and whose answer was lost or has no usage.

        AWS may have charged for their tokens, which no total includes.
        """
        return self._totals().unknown_usage

    @property
    def answers_without_price(self) -> int:
        """Number of answers with known token counts and an unknown price."""
        return self._totals().without_price

    def get_metrics(self) -> dict[str, float | int | None] | None:
        """Return `api_latency_ms`, `total_duration_ms`, `attempts_made` and `successful_attempt_number`.

        None if all of them are unknown.
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
        """Return why generation stopped, such as "end_turn" or "max_tokens"; None without an answer."""
        reason = self._member("stopReason")
        return reason if isinstance(reason, str) else None

    def get_warnings(self) -> list[str]:
        """Return a copy of `warnings`."""
        return _as_list(self.warnings)

    def get_disabled_features(self) -> list[str]:
        """Return a copy of `features_disabled`."""
        return _as_list(self.features_disabled)

    def get_all_errors(self) -> list[Exception]:
        """Return the error of each failed attempt in order, followed by `error` if it is set."""
        errors = [attempt.error for attempt in self._attempts() if attempt.error is not None]
        return [*errors, self.error] if self.error is not None else errors

    def get_last_error(self) -> Exception | None:
        """Return the last of `get_all_errors()`, or None."""
        errors = self.get_all_errors()
        return errors[-1] if errors else None

    def had_validation_failures(self) -> bool:
        """Whether the response validation rejected an answer of this call."""
        return bool(self.validation_errors)

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """Return a copy of `validation_errors`."""
        return [dict(error) for error in _as_list(self.validation_errors) if isinstance(error, Mapping)]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as data for JSON: bytes as base64, times as ISO 8601, errors as dicts."""
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
        """Return `to_dict()` as JSON text that can be encoded as UTF-8."""
        described = self.to_dict()
        text = json.dumps(described, indent=indent, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # a truncated answer may end with half a surrogate pair
            return json.dumps(described, indent=indent)
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BedrockResponse:
        """Return the response for a dict from `to_dict()`. Errors become `RecordedError`."""
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
            return PaidTotals.from_attempts(attempts)
        # No attempt has a usage (created by hand or by an earlier version): one of them gave this answer.
        unknown = max(0, len(attempts) - 1)
        return PaidTotals.from_answer(usage, self._answer_cost(usage), unknown_usage=unknown)

    def _answer_cost(self, usage: Mapping[str, int]) -> float | None:
        # Imported here: only responses without the usage of their attempts need the price list.
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


def _error_to_dict(error: Exception | None) -> dict[str, Any] | None:
    if error is None:
        return None
    if isinstance(error, RecordedError):
        kind, code = error.error_type, error.code
    else:
        kind, code = type(error).__name__, aws_error_code(error)
    return {"type": kind, "code": code, "message": str(error)}


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
        # Responses stored by earlier versions have neither usage nor cost.
        usage=token_counts(data.get("usage")),
        estimated_cost_usd=data.get("estimated_cost_usd"),
    )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_list(value: Any) -> list[Any]:
    """Return a copy of a list, or an empty list for any other value: the fields are not validated."""
    return list(value) if isinstance(value, list | tuple) else []


def _text_parts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks that can contain text, and for a block with citations the parts of its text."""
    for block in blocks:
        cited = block.get("citationsContent")
        parts = cited.get("content") if isinstance(cited, Mapping) else None
        if isinstance(parts, list) and parts:
            yield from (part for part in parts if isinstance(part, Mapping))
        else:
            yield block
