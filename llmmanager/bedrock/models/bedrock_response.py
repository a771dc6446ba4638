"""The response of a call: the answer, its model and region, and all attempts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from llmmanager.bedrock.models.json_codec import decode_bytes, json_safe
from llmmanager.bedrock.models.request_attempt import AttemptAccessors, RecordedError, RequestAttempt, as_list
from llmmanager.bedrock.models.usage import PaidTotals, UsageAccessors

if TYPE_CHECKING:
    from llmmanager.bedrock.models.answer_parts import (
        Citation,
        ReasoningContent,
        ResponseContentType,
        ToolUse,
    )
    from llmmanager.bedrock.models.converse_trace_types import GuardrailTraceAssessment
    from llmmanager.bedrock.models.converse_types import (
        ContentBlock,
        ImageBlock,
        Message,
        PerformanceConfiguration,
        ServiceTier,
    )
    from llmmanager.bedrock.models.stop_reasons import StopReasonCategory
    from llmmanager.bedrock.pricing import AnswerCost

__all__ = ["BedrockResponse", "RecordedError"]


@dataclass(frozen=True)
class BedrockResponse(UsageAccessors, AttemptAccessors):
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

    def get_message(self) -> Message | None:
        """Return the model's message, to send it back in the history; None without content.

        Bedrock and this library accept it unchanged.
        """
        blocks = self.get_content_blocks()
        return {"role": "assistant", "content": blocks} if blocks else None

    def get_content_blocks(self) -> list[ContentBlock]:
        """Return the answer's content blocks (text, tool calls, reasoning), or an empty list."""
        return cast("list[ContentBlock]", self._blocks())

    def get_content_blocks_by_type(self, content_type: ResponseContentType | str) -> list[ContentBlock]:
        """Return the content blocks of a type, such as `ResponseContentType.IMAGE` or "image"."""
        from llmmanager.bedrock.models.answer_parts import ResponseContentType

        blocks = self._blocks()
        if content_type == ResponseContentType.UNKNOWN:
            found = [block for block in blocks if ResponseContentType.from_block(block) == content_type]
        else:
            found = [block for block in blocks if content_type in block]
        return cast("list[ContentBlock]", found)

    def get_text_blocks(self) -> list[str]:
        """Return the texts of the answer. `get_content()` joins them, and includes cited texts."""
        return [block["text"] for block in self._blocks() if isinstance(block.get("text"), str)]

    def get_image_blocks(self) -> list[ImageBlock]:
        """Return the images of the answer."""
        images = [block["image"] for block in self._blocks() if isinstance(block.get("image"), dict)]
        return cast("list[ImageBlock]", images)

    def get_tool_uses(self) -> list[ToolUse]:
        """Return the tool calls of the answer."""
        from llmmanager.bedrock.models.answer_parts import tool_uses

        return tool_uses(self._blocks())

    def has_tool_use(self) -> bool:
        """Whether the model calls a tool."""
        return bool(self.get_tool_uses())

    def get_reasoning(self) -> ReasoningContent | None:
        """Return the first reasoning of the answer, or None."""
        from llmmanager.bedrock.models.answer_parts import first_reasoning

        return first_reasoning(self._blocks())

    def get_citations(self) -> list[Citation]:
        """Return the sources of the answer."""
        from llmmanager.bedrock.models.answer_parts import citations

        return citations(self._blocks())

    def get_structured_output(self) -> Any:
        """Return the JSON object or array that the answer's text is, or None if it is not JSON."""
        try:
            value = json.loads(self.get_content() or "")
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict | list) else None

    def get_content(self) -> str | None:
        """Return the text blocks of the answer, joined by newlines, or None if it contains no text.

        Citations split an answer within sentences. An answer with citations is joined without newlines.
        """
        blocks = self._blocks()
        texts = [part["text"] for part in _text_parts(blocks) if isinstance(part.get("text"), str)]
        separator = "" if any("citationsContent" in block for block in blocks) else "\n"
        return separator.join(texts) if texts else None

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

    def get_stop_reason_category(self) -> StopReasonCategory:
        """Return what the stop reason means for a retry."""
        from llmmanager.bedrock.models.stop_reasons import StopReasonClassifier

        return StopReasonClassifier.categorize(self.get_stop_reason())

    def get_additional_model_response_fields(self) -> dict[str, Any] | None:
        """Return the fields of the model's own response that the request asked for, or None."""
        return self._dict_member("additionalModelResponseFields")

    def get_performance_config(self) -> PerformanceConfiguration | None:
        """Return the latency setting that Bedrock reports, or None."""
        return cast("PerformanceConfiguration | None", self._dict_member("performanceConfig"))

    def get_service_tier(self) -> ServiceTier | None:
        """Return the service tier that Bedrock reports, or None."""
        return cast("ServiceTier | None", self._dict_member("serviceTier"))

    def get_guardrail_trace(self) -> GuardrailTraceAssessment | None:
        """Return what the guardrail found, or None."""
        return cast("GuardrailTraceAssessment | None", self._dict_member("trace", "guardrail"))

    def get_warnings(self) -> list[str]:
        """Return a copy of `warnings`."""
        return as_list(self.warnings)

    def get_disabled_features(self) -> list[str]:
        """Return a copy of `features_disabled`."""
        return as_list(self.features_disabled)

    def get_all_errors(self) -> list[Exception]:
        """Return the error of each failed attempt in order, followed by `error` if it is set."""
        errors = [attempt.error for attempt in self._attempts() if attempt.error is not None]
        return [*errors, self.error] if self.error is not None else errors

    def get_last_error(self) -> Exception | None:
        """Return the last of `get_all_errors()`, or None."""
        errors = self.get_all_errors()
        return errors[-1] if errors else None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as data for JSON: bytes as base64, times as ISO 8601, errors as dicts."""
        from llmmanager.bedrock.models.response_codec import attempt_to_dict, error_to_dict

        totals = self._totals()
        described: dict[str, Any] = json_safe(
            {
                "success": self.success,
                "response_data": self.response_data,
                "model_used": self.model_used,
                "region_used": self.region_used,
                "access_method": self.access_method,
                "inference_profile_id": self.inference_profile_id,
                "attempts": [attempt_to_dict(attempt) for attempt in self._attempts()],
                "total_duration_ms": self.total_duration_ms,
                "api_latency_ms": self.api_latency_ms,
                "total_usage": totals.usage,
                "estimated_cost_usd": totals.cost_usd,
                "attempts_with_unknown_usage": totals.unknown_usage,
                "answers_without_price": totals.without_price,
                "warnings": self.get_warnings(),
                "features_disabled": self.get_disabled_features(),
                "validation_errors": self.get_validation_errors(),
                "error": error_to_dict(self.error),
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

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> BedrockResponse:
        """Return the response for a dict from `to_dict()`. Errors become `RecordedError`.

        The value of a `ParsedResponse` is not in the dict.
        """
        from llmmanager.bedrock.models.response_codec import attempt_from_dict, error_from_dict

        return BedrockResponse(
            success=data["success"],
            response_data=decode_bytes(data.get("response_data"), other_text="keep"),
            model_used=data.get("model_used"),
            region_used=data.get("region_used"),
            access_method=data.get("access_method"),
            inference_profile_id=data.get("inference_profile_id"),
            attempts=[attempt_from_dict(attempt) for attempt in data.get("attempts", ())],
            total_duration_ms=data.get("total_duration_ms"),
            warnings=list(data.get("warnings", ())),
            features_disabled=list(data.get("features_disabled", ())),
            validation_errors=[dict(error) for error in data.get("validation_errors", ())],
            error=error_from_dict(data.get("error")),
        )

    def get_cache_efficiency(self) -> dict[str, float | int | None] | None:
        """Return what the prompt cache saved for the answer; None without usage or input.

        Returns:
            A dict with `cache_hit_ratio` (the share of the input tokens that was read from the cache, 0.0 to
            1.0), `cache_read_tokens`, `cache_write_tokens`, and `cache_savings_usd` (the cost without the
            cache minus the cost; negative if writing costs more; None without a known price).
        """
        usage = self.get_usage()
        read, written = self.get_cache_read_tokens(), self.get_cache_write_tokens()
        total = self.get_input_tokens() + read + written
        if usage is None or not total:
            return None
        cost = self._answer_cost(usage)
        return {
            "cache_hit_ratio": read / total,
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "cache_savings_usd": None if cost is None else cost.saved_by_cache_usd,
        }

    def _totals(self) -> PaidTotals:
        attempts, usage = self._attempts(), self.get_usage()
        if usage is None or any(attempt.usage_known for attempt in attempts):
            return PaidTotals.from_attempts(attempts)
        # No attempt has a usage (created by hand or by an earlier version): one of them gave this answer.
        unknown = max(0, len(attempts) - 1)
        cost = self._answer_cost(usage)
        return PaidTotals.from_answer(usage, None if cost is None else cost.usd, unknown_usage=unknown)

    def _answer_cost(self, usage: Mapping[str, int]) -> AnswerCost | None:
        # Imported here: only responses without the usage of their attempts need the price list.
        from llmmanager.bedrock.pricing import answer_cost

        if not isinstance(self.model_used, str):
            return None
        tier = self._member("serviceTier", "type")
        return answer_cost(
            self.model_used,
            {**usage, "cacheDetails": self._member("usage", "cacheDetails")},
            access_method=_text_or_none(self.access_method),
            inference_profile_id=_text_or_none(self.inference_profile_id),
            region=_text_or_none(self.region_used),
            service_tier=_text_or_none(tier),
        )

    def _blocks(self) -> list[dict[str, Any]]:
        blocks = self._member("output", "message", "content")
        return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []

    def _dict_member(self, *keys: str) -> dict[str, Any] | None:
        value = self._member(*keys)
        return value if isinstance(value, dict) else None


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text_parts(blocks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the blocks that can contain text, and for a block with citations the parts of its text."""
    for block in blocks:
        cited = block.get("citationsContent")
        parts = cited.get("content") if isinstance(cited, Mapping) else None
        if isinstance(parts, list) and parts:
            yield from (part for part in parts if isinstance(part, Mapping))
        else:
            yield block
