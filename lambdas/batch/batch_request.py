"""Validate the body of `POST /v1/batches`, and start the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.batch import options
from lambdas.batch.batch_input import InvalidBatch, read_uri
from lambdas.batch.execution import start_execution
from lambdas.batch.options import CALLER
from lambdas.batch.record_check import record_check
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from lambdas.shared.manager import RequestTargets, check_price, choose_targets, model_ids
from lambdas.shared.settings import batch_settings
from lambdas.usage.caller import Caller
from llmmanager.batch_files.records import FieldCheck, Record, Rejected, read_records
from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import AUTO, Lane, LaneUnavailable
from llmmanager.json_format.codec import InvalidRequest
from llmmanager.json_format.json_text import dump, dump_line

# About as many as fit into 6 MB, the limit of a Lambda event. A file in S3 can have any number.
MAX_INLINE_RECORDS = 10_000
MAX_REASONS = 100

# The limit of Step Functions for an input is 256 KiB; this leaves room for the other fields.
MAX_OPTIONS_BYTES = 200_000

# The id of the batch is not known when its records are checked, and is part of each.
_ANY_ID = "any"
_OPTIONS = ("models", "regions", *options.MEMBERS)
_INPUTS = ("requests", "inputS3Uri")
MEMBERS = (*_INPUTS, *_OPTIONS)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A valid request for a batch.

    Attributes:
        requests: the inline records; None if the input is a file.
        uri: the URI of the input file; None if the records are inline.
        caller: the id of the caller, who pays.
        options: the other fields, without those that are null.
    """

    requests: Sequence[Any] | None
    uri: str | None
    caller: str
    options: Mapping[str, Any]


def check_members(body: Mapping[str, Any]) -> None:
    """Raise InvalidRequest unless a body has known fields only, and one input."""
    problems = [
        f"{key[:80]}: unknown field; known fields: {', '.join(MEMBERS)}" for key in body if key not in MEMBERS
    ]
    if len(_inputs(body)) != 1:
        problems.append("body: must have either requests or inputS3Uri")
    if problems:
        raise InvalidRequest(problems)


def read_batch_request(body: Mapping[str, Any], caller: str) -> BatchRequest:
    """Return the request in a body that `check_members` accepts.

    Args:
        caller: the id of the caller, who pays.

    Raises:
        InvalidRequest: the value of a field is invalid.
    """
    chosen, payer = _checked_options(body, caller)
    if _inputs(body) == ["requests"]:
        models = model_ids(choose_targets(body.get("models"), body.get("regions")))
        check = record_check(
            payer, batch_id=_ANY_ID, has_output_schema=chosen.get("outputSchema") is not None
        )
        _check_inline(body["requests"], model_ids=models, check=check)
        _check_job_size(chosen.get("lane"), len(body["requests"]))
        return BatchRequest(body["requests"], None, caller, chosen)
    return BatchRequest(None, _checked_uri(body["inputS3Uri"]), caller, chosen)


def start_batch(request: BatchRequest, batch_id: str) -> None:
    """Start a batch with this id, unless it was started before."""
    storage = BatchStorage(batch_settings().bucket, batch_id)
    uri = request.uri
    if request.requests is not None:
        # An input of Step Functions is limited to 256 KiB, so the records are stored in a file.
        storage.put_input(request.requests)
        uri = storage.uri(BatchObject.INPUT)
    # The name is unique to this batch. If an execution has it, an earlier attempt has started the batch.
    data = {"batchId": batch_id, "inputS3Uri": uri, CALLER: request.caller, **request.options}
    start_execution(batch_id, data)


def _inputs(body: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs in a body. Null counts as missing, unless every input is null."""
    given = [name for name in _INPUTS if name in body]
    return [name for name in given if body[name] is not None] or given


def _checked_options(body: Mapping[str, Any], caller: str) -> tuple[dict[str, Any], Caller]:
    """Return the models, regions and options of the batch, validated, and who pays."""
    targets = choose_targets(body.get("models"), body.get("regions"))
    try:
        read = options.read_options({**body, CALLER: caller}, run="")
    except ValueError as error:
        raise InvalidRequest([str(error)]) from None
    check_price(targets, read.max_cost_multiple)
    if read.lane != AUTO:
        _check_lane(read.lane, targets)
    chosen = {key: body[key] for key in _OPTIONS if body.get(key) is not None}
    if len(dump(chosen)) > MAX_OPTIONS_BYTES:
        raise InvalidRequest(
            [f"body: all fields except requests must have at most {MAX_OPTIONS_BYTES} bytes in total"]
        )
    return chosen, read.payer()


def _check_inline(requests: Any, *, model_ids: tuple[str, ...], check: FieldCheck) -> None:
    """Raise InvalidRequest unless a record is valid; the plan rejects the other records one by one."""
    if not isinstance(requests, list) or not 0 < len(requests) <= MAX_INLINE_RECORDS:
        raise InvalidRequest([f"requests: must be a list of 1 to {MAX_INLINE_RECORDS} records"])
    problems: list[str] = []
    for entry in read_records(map(dump_line, requests), check=check, model_ids=model_ids):
        if isinstance(entry, Record):
            return
        problems += _reasons(entry)
    if len(problems) > MAX_REASONS:
        problems = [*problems[:MAX_REASONS], f"requests: {len(problems) - MAX_REASONS} more problems"]
    raise InvalidRequest(problems)


def _check_job_size(lane: str | None, records: int) -> None:
    """Raise InvalidRequest if a batch for managed batch jobs has too few records, valid or not, for a job."""
    if lane == Lane.MANAGED and records < MIN_JOB_RECORDS:
        reason = f"a job needs at least {MIN_JOB_RECORDS} records (got {records})"
        raise InvalidRequest([str(LaneUnavailable(Lane.MANAGED, reason))])


def _reasons(rejected: Rejected) -> list[str]:
    path = f"requests[{rejected.line - 1}]"
    # A problem of the whole record has no field.
    return [f"{path}.{reason}".replace(f"{path}.record: ", f"{path}: ", 1) for reason in rejected.reasons]


def _checked_uri(uri: Any) -> str:
    try:
        bucket, key = read_uri(uri, batch_settings())
    except InvalidBatch as error:
        raise InvalidRequest([str(error)]) from None
    return f"s3://{bucket}/{key}"


def _check_lane(lane: str, targets: RequestTargets) -> None:
    # Imported here, since most batches leave the choice of the lane to the plan.
    from lambdas.batch.lane_targets import check_lane

    try:
        check_lane(lane, targets)
    except LaneUnavailable as error:
        raise InvalidRequest([str(error)]) from None
