"""POST /v1/batches and GET /v1/batches/{id}: start a batch, and return its status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lambdas.batch import options
from lambdas.batch.batch_input import InvalidBatch, read_uri
from lambdas.batch.progress import read_progress
from lambdas.batch.records import Record, Rejected, read_records
from lambdas.batch.storage import (
    BATCH_ID,
    BatchStorage,
    ObjectMissing,
    Plan,
)
from lambdas.contract import BatchObject
from lambdas.http_api.batch_executions import Execution, Finder, start_execution
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.idempotency_key import FixedId, run_with_key
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.json_text import dump, dump_line
from lambdas.shared.manager import check_price, choose_targets, model_ids
from lambdas.shared.problems import not_found
from lambdas.shared.settings import batch_settings

# About as many as fit into 6 MB, the limit of a Lambda event. A file in S3 can have any number.
MAX_INLINE_RECORDS = 10_000
MAX_REASONS = 100

# The limit of Step Functions for an input is 256 KiB; this leaves room for the other fields.
MAX_OPTIONS_BYTES = 200_000

_CHOICES = ("models", "regions", *options.MEMBERS)
_INPUTS = ("requests", "inputS3Uri")
MEMBERS = (*_INPUTS, *_CHOICES)


def post(request: HttpRequest) -> HttpResponse:
    """Start a batch of inline records or of a file in S3.

    Raises:
        InvalidRequest: the batch is invalid.
    """
    body = request.body()
    _check_members(body)
    return run_with_key(request, "batches", body, lambda fixed_id: _start(body, fixed_id))


def _start(body: Mapping[str, Any], fixed_id: FixedId) -> HttpResponse:
    chosen = _checked_choices(body)
    inline = _inputs(body) == ["requests"]
    if inline:
        models = model_ids(choose_targets(body.get("models"), body.get("regions")))
        _check_inline(body["requests"], model_ids=models)
    uri = "" if inline else _checked_uri(body["inputS3Uri"])
    storage = BatchStorage(batch_settings().bucket, fixed_id())
    if inline:
        # An input of Step Functions is limited to 256 KiB, so the records are stored in a file.
        storage.put_input(body["requests"])
        uri = storage.uri(BatchObject.INPUT)
    data = {"batchId": storage.batch_id, "inputS3Uri": uri, **chosen}
    # The name is unique to this batch. If an execution has it, an earlier attempt has started the batch.
    start_execution(storage.batch_id, dump(data).decode("utf-8"))
    link = f"/v1/batches/{storage.batch_id}"
    return HttpResponse(202, {"batchId": storage.batch_id, "status": "running", "links": {"self": link}})


def get(request: HttpRequest) -> HttpResponse:
    """Return the status and progress of a batch, and the URIs of its results.

    The summary is read whenever no execution of the batch is running, because the files of a batch can be
    older than the 90 days for which Step Functions keeps an execution.

    Raises:
        Problem: the batch does not exist.
    """
    batch_id = request.path_parameters["batchId"]
    if not BATCH_ID.fullmatch(batch_id):
        raise not_found(f"batch {batch_id[:80]}")
    storage = BatchStorage(batch_settings().bucket, batch_id)
    execution = Finder().latest(batch_id)
    status = execution.status if execution else None
    summary = _summary(storage) if status != "running" else None
    if summary is not None:
        return HttpResponse(200, _finished(storage, summary))
    if execution is None:
        raise not_found(f"batch {batch_id}")
    plan = _plan(storage)
    found = {
        "batchId": batch_id,
        "status": status,
        "progress": _progress(storage, plan, execution),
        "quotaEstimate": plan.quota_estimate if plan else None,
    }
    failed = status not in ("running", "succeeded")
    return HttpResponse(200, {**found, "error": execution.reason} if failed else found)


def _inputs(body: Mapping[str, Any]) -> list[str]:
    """Return the names of the inputs in a body. Null counts as missing, unless every input is null."""
    given = [name for name in _INPUTS if name in body]
    return [name for name in given if body[name] is not None] or given


def _check_members(body: Mapping[str, Any]) -> None:
    problems = [
        f"{key[:80]}: unknown field; known fields: {', '.join(MEMBERS)}" for key in body if key not in MEMBERS
    ]
    if len(_inputs(body)) != 1:
        problems.append("body: must have either requests or inputS3Uri")
    if problems:
        raise InvalidRequest(problems)


def _checked_choices(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the batch, validated."""
    targets = choose_targets(body.get("models"), body.get("regions"))
    try:
        read = options.read_options(body, run="")
    except ValueError as error:
        raise InvalidRequest([str(error)]) from None
    check_price(targets, read.max_cost_multiple)
    chosen = {key: body[key] for key in _CHOICES if body.get(key) is not None}
    if len(dump(chosen)) > MAX_OPTIONS_BYTES:
        raise InvalidRequest(
            [f"body: all fields except requests must have at most {MAX_OPTIONS_BYTES} bytes in total"]
        )
    return chosen


def _check_inline(requests: Any, *, model_ids: tuple[str, ...]) -> None:
    """Raise InvalidRequest unless a record is valid; the plan rejects the other records one by one."""
    if not isinstance(requests, list) or not 0 < len(requests) <= MAX_INLINE_RECORDS:
        raise InvalidRequest([f"requests: must be a list of 1 to {MAX_INLINE_RECORDS} records"])
    problems: list[str] = []
    for entry in read_records(map(dump_line, requests), model_ids=model_ids):
        if isinstance(entry, Record):
            return
        problems += _reasons(entry)
    if len(problems) > MAX_REASONS:
        problems = [*problems[:MAX_REASONS], f"requests: {len(problems) - MAX_REASONS} more problems"]
    raise InvalidRequest(problems)


def _reasons(rejected: Rejected) -> list[str]:
    return [f"requests[{rejected.line - 1}].{reason}" for reason in rejected.reasons]


def _checked_uri(uri: Any) -> str:
    try:
        bucket, key = read_uri(uri, batch_settings())
    except InvalidBatch as error:
        raise InvalidRequest([str(error)]) from None
    return f"s3://{bucket}/{key}"


def _summary(storage: BatchStorage) -> dict[str, Any] | None:
    try:
        return storage.summary()
    except ObjectMissing:
        return None


def _finished(storage: BatchStorage, summary: dict[str, Any]) -> dict[str, Any]:
    counts = ("records", "answered", "failed", "rejected")
    return {
        "batchId": storage.batch_id,
        "status": summary["status"],
        "progress": {name: summary[name] for name in counts},
        "summary": summary,
        "results": {
            "results": storage.uri(BatchObject.RESULTS),
            "failed": storage.uri(BatchObject.FAILED_RESULTS),
            "rejected": storage.uri(BatchObject.REJECTED),
            "summary": storage.uri(BatchObject.SUMMARY),
        },
    }


def _plan(storage: BatchStorage) -> Plan | None:
    """Return what planning found; None before the plan."""
    try:
        return storage.plan()
    except ObjectMissing:
        return None


def _progress(storage: BatchStorage, plan: Plan | None, execution: Execution) -> dict[str, Any]:
    """Return the progress of the workers. Before the plan is written, the number of records is unknown."""
    if plan is None:
        return {"records": None, "answered": 0, "failed": 0, "rejected": None}
    now = datetime.now(UTC)
    run = execution.name if execution.is_running else None
    progress = read_progress(storage, plan, since=execution.started_at, now=now, run=run)
    return progress.to_json(now) if run else progress.counts()
