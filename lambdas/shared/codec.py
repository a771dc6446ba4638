"""The one way in and out for all doors: JSON to a request, and an answer to JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any

from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.bedrock.invocation.request import CONVERSE_FIELDS, check_request
from llmmanager.bedrock.invocation.request_problems import MAX_PROBLEMS
from llmmanager.bedrock.models.json_codec import decode_bytes, encode_bytes
from llmmanager.bedrock.models.message_text import as_messages
from llmmanager.bedrock.models.usage import USAGE_ALIASES

_OWN_FIELDS = {"priority": "priority", "extra_request_fields": "extraRequestFields"}
_FIELDS = CONVERSE_FIELDS | _OWN_FIELDS
_FIELD_OF = {spelling: name for name, camel in _FIELDS.items() for spelling in (name, camel)}
# Where what stands beside a record's modelInput belongs; all else there is passed over.
_BELONGS = dict.fromkeys(_FIELD_OF, "into modelInput") | dict.fromkeys(
    ("models", "regions", "responseValidation", "featureFallback", "maxCostMultiple"),
    "to the batch, for all of its records",
)
_ID_FIELDS = ("recordId", "requestId", "record_id", "request_id")
_MODEL_INPUT = "modelInput"
_RECORD_FIELDS = {"recordId", _MODEL_INPUT}
_REQUEST_FIELDS = set(_FIELDS.values())
# Free-form members such as requestMetadata may hold a key called "bytes" that means something else.
_FIELDS_WITH_BYTES = ("messages", "system", "extra_request_fields")

MAX_ID_LENGTH = 512
# A body of 6 MB may have half a million problems, and name a place that is a hundred long keys deep.
_MAX_REASONS_LENGTH = 200_000


class InvalidRequest(Exception):
    """What was sent is not a request that can be made.

    Attributes:
        reasons: the problems found, each led by the field it is about; as many as an answer has room for, and
            then that there are more.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = _listable(reasons)
        super().__init__("; ".join(self.reasons))


def decode_record(data: Any, *, default_id: str, model_ids: Collection[str] = ()) -> BedrockConverseRequest:
    """Return a record of a batch as a request.

    Args:
        data: `{"recordId": …, "modelInput": {…}}` (further members are passed over), or the fields of the
            request beside its id. Fields are spelled as Converse spells them or in snake_case; bytes are
            base64 text.
        default_id: the request's id where the record has none.
        model_ids: the models that may answer; a record that exceeds the limits of all of them is refused.

    Raises:
        InvalidRequest: with every problem that the record has.
    """
    if not isinstance(data, dict):
        raise InvalidRequest([f"record: must be a JSON object (got {_kind(data)})"])
    id_, problems = _read_id(data)
    fields = {key: value for key, value in data.items() if key not in _ID_FIELDS}
    if _MODEL_INPUT in fields:
        model_input = fields.pop(_MODEL_INPUT)
        # Whatever else stands there: a line of failed.jsonl is a record as well.
        problems += [f"{key}: belongs {_BELONGS[key]}" for key in fields if key in _BELONGS]
        if not isinstance(model_input, dict):
            raise InvalidRequest([*problems, f"modelInput: must be an object (got {_kind(model_input)})"])
        fields = model_input
    return _decode_fields(fields, id_ or default_id, problems, model_ids=model_ids)


def decode_request(data: Mapping[str, Any], *, model_ids: Collection[str] = ()) -> BedrockConverseRequest:
    """Return the fields of a Converse request, spelled as in Converse or in snake_case, as a request.

    `messages` may be a string: one text of the user.

    Args:
        model_ids: the models that may answer; a request that exceeds the limits of all of them is refused.

    Raises:
        InvalidRequest: with every problem that it has.
    """
    return _decode_fields(data, None, [], model_ids=model_ids)


def record_id(data: Any) -> str | None:
    """The id that a record gives itself, or None."""
    return _read_id(data)[0] if isinstance(data, dict) else None


def encode_record(request: BedrockConverseRequest) -> dict[str, Any]:
    """The record that `decode_record` reads back as the same request."""
    return {"recordId": request.request_id, _MODEL_INPUT: encode_request(request)}


def is_encoded(record: Mapping[str, Any]) -> bool:
    """Whether a sound record is spelled as `encode_record` spells it, but for members that are null."""
    return (
        record.keys() == _RECORD_FIELDS
        and record["recordId"] is not None
        and record[_MODEL_INPUT].keys() <= _REQUEST_FIELDS
    )


def encode_request(request: BedrockConverseRequest) -> dict[str, Any]:
    """A request's fields, without its id, as JSON-ready data that the decoders read back."""
    values = {camel: getattr(request, name) for name, camel in _FIELDS.items()}
    return {camel: encode_bytes(value) for camel, value in values.items() if value not in (None, 0)}


def encode_response(response: BedrockResponse) -> dict[str, Any]:
    """Return what a program needs of an answer: its content, where it came from, its usage and cost."""
    plain = response.to_dict()
    return {
        "modelOutput": plain["response_data"],
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


def encode_totals(response: BedrockResponse) -> dict[str, Any]:
    """Return the tokens and the cost of every answer of the call, and how many of them are unknown."""
    return {
        "totalUsage": _bedrock_names(response.get_total_usage()),
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
        "usage": _bedrock_names(attempt["usage"]),
    }


def last_error(response: BedrockResponse) -> dict[str, Any] | None:
    """Why a response failed as `{"type", "code", "message"}`, or None."""
    plain = response.to_dict()
    # An attempt's own error has the service's code; what the manager raised may sum several up.
    errors = [plain["error"], *(attempt["error"] for attempt in plain["attempts"])]
    return next((error for error in reversed(errors) if error), None)


def _listable(reasons: Sequence[str]) -> list[str]:
    ends = accumulate(map(len, reasons[:MAX_PROBLEMS]))
    kept = list(reasons[: sum(end <= _MAX_REASONS_LENGTH for end in ends)])
    more = len(reasons) - len(kept)
    return [*kept, f"request: has more problems than the {len(kept)} listed"] if more else kept


def _usage(response: BedrockResponse) -> dict[str, Any] | None:
    data = response.response_data
    usage = data.get("usage") if isinstance(data, dict) else None
    return usage if isinstance(usage, dict) else None


def _bedrock_names(usage: Mapping[str, int] | None) -> dict[str, int] | None:
    """The counts under Bedrock's own names, without the library's further spellings of them."""
    if usage is None:
        return None
    spellings = USAGE_ALIASES.values()
    return {name: count for name, count in usage.items() if name not in spellings}


def _decode_fields(
    data: Mapping[str, Any], request_id: str | None, problems: list[str], *, model_ids: Collection[str]
) -> BedrockConverseRequest:
    fields, more = _named_fields(data)
    if "messages" in fields:
        fields["messages"] = as_messages(fields["messages"])
    not_base64 = _decode_blobs(fields)
    problems = [*problems, *more, *not_base64]
    priority = fields.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or priority < 0:
        problems.append(f"priority: must be an integer of at least 0 (got {_kind(priority)})")
    extra = fields.get("extra_request_fields", {})
    if not isinstance(extra, dict):
        problems.append("extraRequestFields: must be an object")
        extra = {}
    reported = {_path(problem) for problem in not_base64}
    converse = {camel: fields[name] for name, camel in CONVERSE_FIELDS.items() if name in fields} | extra
    found, _ = check_request(converse, model_ids=model_ids)
    problems += [problem for problem in found if _path(problem) not in reported]
    if problems:
        raise InvalidRequest(problems)
    return BedrockConverseRequest(request_id=request_id, **{"messages": None, **fields})


def _decode_blobs(fields: dict[str, Any]) -> list[str]:
    problems = []
    for name in _FIELDS_WITH_BYTES:
        try:
            fields[name] = decode_bytes(fields[name], _FIELDS[name])
        except KeyError:
            continue
        except ValueError as error:
            problems.append(str(error))
    return problems


def _path(problem: str) -> str:
    return problem.partition(": ")[0]


def _named_fields(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    fields: dict[str, Any] = {}
    problems = []
    for key, value in data.items():
        name = _FIELD_OF.get(key)
        if name is None:
            problems.append(f"{key[:80]}: unknown field; {', '.join(_FIELDS.values())} are known")
        elif name in fields:
            problems.append(f"{key}: given twice, as {name} and {_FIELDS[name]}")
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
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
