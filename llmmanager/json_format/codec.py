"""Decode JSON to requests and encode responses to JSON, for all entry points."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.json_codec import decode_bytes, encode_bytes, json_safe
from llmmanager.bedrock.models.message_text import as_messages, as_system
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest, ValidatedConverseRequest
from llmmanager.bedrock.models.parsed_response import ParsedResponse
from llmmanager.bedrock.models.usage import USAGE_ALIASES
from llmmanager.bedrock.validation.request import CONVERSE_FIELDS, check_request, prompt_cache_problems
from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS, describe_value
from llmmanager.json_format.json_text import dump

_OWN_FIELDS = {
    "priority": "priority",
    "extra_request_fields": "extraRequestFields",
    "prompt_cache": "promptCache",
}
REQUEST_FIELDS = CONVERSE_FIELDS | _OWN_FIELDS
_FIELD_OF = {spelling: name for name, camel in REQUEST_FIELDS.items() for spelling in (name, camel)}
_TEAM, _STATUS = "team", "status"
# Fields that are rejected beside modelInput, and where they belong. Other fields there are ignored.
_MISPLACED = dict.fromkeys(_FIELD_OF, "into modelInput") | dict.fromkeys(
    ("models", "regions", "responseValidation", "featureFallback", "maxCostMultiple", "outputSchema", _TEAM),
    "to the batch, for all of its records",
)
_ID_FIELDS = ("recordId", "requestId", "record_id", "request_id")
_MODEL_INPUT = "modelInput"
_RECORD_FIELDS = {"recordId", _MODEL_INPUT}
_FIELD_NAMES = set(REQUEST_FIELDS.values())
# Free-form members such as requestMetadata may hold a key called "bytes" that means something else.
_FIELDS_WITH_BYTES = ("messages", "system", "extra_request_fields")

MAX_ID_LENGTH = 512
# A body of 6 MB can have half a million problems, and paths of a hundred long keys.
_MAX_REASONS_LENGTH = 200_000


class InvalidRequest(Exception):
    """The request is invalid.

    Attributes:
        reasons: the problems, each with the path of its field. If there is no room for all, the last one says
            that there are more.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = _limited(reasons)
        super().__init__("; ".join(self.reasons))


def decode_record(data: Any, *, default_id: str, model_ids: Collection[str] = ()) -> ValidatedConverseRequest:
    """Return a record of a batch as a request.

    Args:
        data: `{"recordId": …, "modelInput": {…}}` (other members are ignored), or id and fields of the
            request. Fields have the names of Converse or snake_case names; bytes are base64 text.
        default_id: the id of a record without an id.
        model_ids: the models that may answer. A record that exceeds the limits of all of them is rejected.

    Raises:
        InvalidRequest: the record is invalid; the error has all problems.
    """
    if not isinstance(data, dict):
        raise InvalidRequest([f"record: must be a JSON object (got {_kind(data)})"])
    id_, problems = _read_id(data)
    fields = {key: value for key, value in data.items() if key not in _ID_FIELDS}
    if _MODEL_INPUT in fields:
        model_input = fields.pop(_MODEL_INPUT)
        # Others are ignored, so that a line of failed.jsonl is a valid record, with the team that paid.
        allowed = _TEAM if _STATUS in fields else None
        problems += [
            f"{key}: belongs {_MISPLACED[key]}" for key in fields if key in _MISPLACED and key != allowed
        ]
        if not isinstance(model_input, dict):
            raise InvalidRequest([*problems, f"modelInput: must be an object (got {_kind(model_input)})"])
        fields = model_input
    return _decode_fields(fields, id_ or default_id, problems, model_ids=model_ids)


def decode_request(
    data: Mapping[str, Any], *, model_ids: Collection[str] = (), other_fields: Collection[str] = ()
) -> ValidatedConverseRequest:
    """Return the request with these fields, which have the names of Converse or snake_case names.

    `messages` may be a string, one user message, and so may `system`.

    Args:
        model_ids: the models that may answer. A request that exceeds the limits of all of them is rejected.
        other_fields: the fields that the caller accepts beside these, for the problem of an unknown field.

    Raises:
        InvalidRequest: the request is invalid; the error has all problems.
    """
    return _decode_fields(data, None, [], model_ids=model_ids, other_fields=other_fields)


def record_id(data: Any) -> str | None:
    """Return the record's own id, or None."""
    return _read_id(data)[0] if isinstance(data, dict) else None


def encode_record(request: BedrockConverseRequest) -> dict[str, Any]:
    """Return the request as a record that `decode_record` decodes to the same request."""
    return {"recordId": request.request_id, _MODEL_INPUT: encode_request(request)}


def is_encoded(record: Mapping[str, Any]) -> bool:
    """Whether a valid record has the form of `encode_record`, except for members that are null."""
    return (
        record.keys() == _RECORD_FIELDS
        and record["recordId"] is not None
        and record[_MODEL_INPUT].keys() <= _FIELD_NAMES
    )


def encode_request(request: BedrockConverseRequest) -> dict[str, Any]:
    """Return the fields of a request without its id, as JSON-ready data for the decoders."""
    values = {camel: getattr(request, name) for name, camel in REQUEST_FIELDS.items()}
    return {camel: encode_bytes(value) for camel, value in values.items() if value not in (None, 0)}


def encode_response(response: BedrockResponse) -> dict[str, Any]:
    """Return a response as JSON-ready data: content, parsed value, target, attempts, usage and cost."""
    plain = response.to_dict()
    return {
        "modelOutput": plain["response_data"],
        **({"parsed": json_safe(response.parsed)} if isinstance(response, ParsedResponse) else {}),
        "model": response.model_used,
        "region": response.region_used,
        "accessMethod": response.access_method,
        "inferenceProfileId": response.inference_profile_id,
        "attempts": [encode_attempt(attempt) for attempt in plain["attempts"]],
        "usage": _usage(response),
        **encode_totals(response),
        "durationMs": response.total_duration_ms,
        "warnings": response.get_warnings(),
        "featuresDisabled": response.get_disabled_features(),
    }


def answer_text(response: BedrockResponse) -> str | None:
    """Return the text of an answer. For an answer with a schema, it is the JSON of its value."""
    if isinstance(response, ParsedResponse):
        return dump(json_safe(response.parsed)).decode()
    return response.get_content()


def encode_totals(response: BedrockResponse) -> dict[str, Any]:
    """Return tokens and cost of all answers of a call, and how many of them are unknown."""
    return {
        "totalUsage": bedrock_names(response.get_total_usage()),
        "estimatedCostUsd": response.estimated_cost_usd,
        "attemptsWithUnknownUsage": response.attempts_with_unknown_usage,
        "answersWithoutPrice": response.answers_without_price,
    }


def encode_attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """Return one attempt out of `BedrockResponse.to_dict()`."""
    return {
        "model": attempt["model_id"],
        "region": attempt["region"],
        "accessMethod": attempt["access_method"],
        "durationMs": attempt["duration_ms"],
        "success": attempt["success"],
        "error": attempt["error"],
        "usage": bedrock_names(attempt["usage"]),
    }


def bedrock_names(usage: Mapping[str, int] | None) -> dict[str, int] | None:
    """Return the counts with Bedrock's names only, without the library's aliases."""
    if usage is None:
        return None
    aliases = USAGE_ALIASES.values()
    return {name: count for name, count in usage.items() if name not in aliases}


def last_error(response: BedrockResponse) -> dict[str, Any] | None:
    """Return why a response failed as `{"type", "code", "message"}`, or None."""
    plain = response.to_dict()
    # The error of an attempt has the service's code. The error of the response may summarize several.
    errors = [plain["error"], *(attempt["error"] for attempt in plain["attempts"])]
    return next((error for error in reversed(errors) if error), None)


def _limited(reasons: Sequence[str]) -> list[str]:
    ends = accumulate(map(len, reasons[:MAX_PROBLEMS]))
    listed = list(reasons[: sum(end <= _MAX_REASONS_LENGTH for end in ends)])
    more = len(reasons) - len(listed)
    return [*listed, f"request: has more problems than the {len(listed)} listed"] if more else listed


def _usage(response: BedrockResponse) -> dict[str, Any] | None:
    data = response.response_data
    usage = data.get("usage") if isinstance(data, dict) else None
    return usage if isinstance(usage, dict) else None


def _decode_fields(
    data: Mapping[str, Any],
    request_id: str | None,
    problems: list[str],
    *,
    model_ids: Collection[str],
    other_fields: Collection[str] = (),
) -> ValidatedConverseRequest:
    fields, more = _named_fields(data, other_fields)
    for name, long_form in (("messages", as_messages), ("system", as_system)):
        if name in fields:
            fields[name] = long_form(fields[name])
    not_base64 = _decode_blobs(fields)
    problems = [*problems, *more, *not_base64]
    priority = fields.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or priority < 0:
        problems.append(f"priority: must be an integer of at least 0 (got {_kind(priority)})")
    extra = fields.get("extra_request_fields", {})
    if not isinstance(extra, dict):
        problems.append("extraRequestFields: must be an object")
        extra = {}
    problems += prompt_cache_problems(fields.get("prompt_cache"), "promptCache")
    reported = {_path(problem) for problem in not_base64}
    converse = {camel: fields[name] for name, camel in CONVERSE_FIELDS.items() if name in fields} | extra
    found, skipped = check_request(converse, model_ids=model_ids)
    problems += [problem for problem in found if _path(problem) not in reported]
    if problems:
        raise InvalidRequest(problems)
    return ValidatedConverseRequest(
        request_id=request_id,
        model_ids=tuple(model_ids),
        skipped_models=skipped,
        **{"messages": None, **fields},
    )


def _decode_blobs(fields: dict[str, Any]) -> list[str]:
    problems = []
    for name in _FIELDS_WITH_BYTES:
        try:
            fields[name] = decode_bytes(fields[name], REQUEST_FIELDS[name])
        except KeyError:
            continue
        except ValueError as error:
            problems.append(str(error))
    return problems


def _path(problem: str) -> str:
    return problem.partition(": ")[0]


def _named_fields(data: Mapping[str, Any], other_fields: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    fields: dict[str, Any] = {}
    problems = []
    for key, value in data.items():
        name = _FIELD_OF.get(key)
        if name is None:
            known = ", ".join((*REQUEST_FIELDS.values(), *other_fields))
            problems.append(f"{key[:80]}: unknown field; known fields: {known}")
        elif name in fields:
            problems.append(f"{key}: given twice, as {name} and {REQUEST_FIELDS[name]}")
        elif value is not None:
            fields[name] = value
    return fields, problems


def _read_id(data: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    given = [key for key in _ID_FIELDS if data.get(key) is not None]
    if not given:
        return None, []
    value = data[given[0]]
    if len(given) > 1:
        return None, [f"{given[1]}: an id is given twice, also as {given[0]}"]
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        return None, [f"{given[0]}: must be a string of 1 to {MAX_ID_LENGTH} characters (got {_kind(value)})"]
    return value, []


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"a string of {len(value)} characters"
    names = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
    return names.get(type(value)) or describe_value(value)
