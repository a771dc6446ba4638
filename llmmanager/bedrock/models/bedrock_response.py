"""What a call gives back: the answer, where it came from and every attempt made for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from llmmanager.bedrock.models.json_codec import decode_bytes, encode_bytes
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt

__all__ = ["BedrockResponse", "RecordedError"]

_USAGE_ALIASES = {
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "totalTokens": "total_tokens",
    "cacheReadInputTokens": "cache_read_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
}


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

    Attributes:
        success: an answer was received (and found valid, where a validation was asked for).
        response_data: Bedrock's Converse response as it came, or None. After failed validation it is
            the last, invalid answer.
        model_used: id of the model that answered, or None.
        region_used: region that was called.
        access_method: "on_demand", "geographic_profile" or "global_profile"; None where unknown.
        inference_profile_id: the profile invoked, or None for on-demand.
        attempts: every call made, in order.
        total_duration_ms: from the call to its return, in milliseconds, waits included.
        warnings: what the caller should know of: features dropped, names passed through.
        features_disabled: features dropped for this answer, e.g. "tools", "top_p".
        validation_errors: one dict (`error_message`, `error_details`, `attempt`) an invalid answer.
        error: why there is no answer when no attempt tells, e.g. a deadline that had passed.
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
        """The answer's content blocks as Bedrock gave them; empty when there is none."""
        blocks = self._member("output", "message", "content")
        return blocks if isinstance(blocks, list) else []

    def get_content(self) -> str | None:
        """The answer's text, its blocks joined by newlines; None when it holds no text.

        Citations cut an answer in the middle of its sentences: with any, its blocks are joined as they are.
        """
        blocks = self.get_content_blocks()
        parts = [
            part
            for block in blocks
            for part in ((block.get("citationsContent") or {}).get("content") or [block])
        ]
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        separator = "" if any("citationsContent" in block for block in blocks) else "\n"
        return separator.join(texts) if texts else None

    def get_usage(self) -> dict[str, int] | None:
        """Tokens counted by Bedrock, under its own keys and snake_case aliases; None without an answer."""
        usage = self._member("usage")
        if not isinstance(usage, dict):
            return None
        counts = {key: value for key, value in usage.items() if isinstance(value, int)}
        for key, alias in _USAGE_ALIASES.items():
            counts.setdefault(key, 0)
            counts[alias] = counts[key]
        return counts

    def get_metrics(self) -> dict[str, float | int | None]:
        """`api_latency_ms`, `total_duration_ms`, `attempts_made`, `successful_attempt_number`."""
        return {
            "api_latency_ms": self.api_latency_ms,
            "total_duration_ms": self.total_duration_ms,
            "attempts_made": len(self.attempts),
            "successful_attempt_number": next(
                (attempt.attempt_number for attempt in reversed(self.attempts) if attempt.success), None
            ),
        }

    def get_stop_reason(self) -> str | None:
        """Why generation stopped, e.g. "end_turn", "max_tokens", "tool_use"."""
        reason = self._member("stopReason")
        return reason if isinstance(reason, str) else None

    def get_warnings(self) -> list[str]:
        """A copy of the warnings."""
        return list(self.warnings)

    def get_disabled_features(self) -> list[str]:
        """A copy of the features dropped for this answer."""
        return list(self.features_disabled)

    def get_all_errors(self) -> list[Exception]:
        """The error of every failed attempt in order, then `error` if there is one."""
        errors = [attempt.error for attempt in self.attempts if attempt.error is not None]
        return [*errors, self.error] if self.error is not None else errors

    def get_last_error(self) -> Exception | None:
        """The last of `get_all_errors()`, or None."""
        errors = self.get_all_errors()
        return errors[-1] if errors else None

    def had_validation_failures(self) -> bool:
        """Whether any answer was found invalid, the final one or an earlier."""
        return bool(self.validation_errors)

    def get_validation_errors(self) -> list[dict[str, Any]]:
        """One dict an invalid answer: `error_message`, `error_details`, `attempt` (its number)."""
        return [dict(error) for error in self.validation_errors]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-safe dict: bytes as base64, times as ISO 8601, errors by type, code and message."""
        return {
            "success": self.success,
            "response_data": encode_bytes(self.response_data),
            "model_used": self.model_used,
            "region_used": self.region_used,
            "access_method": self.access_method,
            "inference_profile_id": self.inference_profile_id,
            "attempts": [_attempt_to_dict(attempt) for attempt in self.attempts],
            "total_duration_ms": self.total_duration_ms,
            "api_latency_ms": self.api_latency_ms,
            "warnings": list(self.warnings),
            "features_disabled": list(self.features_disabled),
            "validation_errors": [_json_safe(error) for error in self.validation_errors],
            "error": _error_to_dict(self.error),
        }

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict()` as JSON text, which UTF-8 can hold whatever the answer is."""
        described = self.to_dict()
        text = json.dumps(described, indent=indent, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:  # half a character, as an answer cut short may end with
            return json.dumps(described, indent=indent)
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BedrockResponse:
        """The response that `to_dict()` described; errors come back as `RecordedError`."""
        return cls(
            success=data["success"],
            response_data=decode_bytes(data.get("response_data")),
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

    def _member(self, *keys: str) -> Any:
        value: Any = self.response_data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value


def error_code(error: BaseException) -> str | None:
    """The AWS error code that an exception carries, or None."""
    response = getattr(error, "response", None)
    code = (
        response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(error, "code", None)
    )
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
    )


def _json_safe(value: Any) -> Any:
    """A validation function may put anything into its details; what JSON cannot hold becomes its repr."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else _described(key): _json_safe(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_json_safe(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return encode_bytes(value)
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _described(value)


def _described(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # somebody else's class, which has other worries than its repr
        return f"<{type(value).__name__}>"
