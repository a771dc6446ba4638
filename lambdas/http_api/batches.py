"""POST /v1/batches and GET /v1/batches/{id}: start a batch, and see how it goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.batch import options
from lambdas.batch.batch_input import InvalidBatch, read_uri
from lambdas.batch.records import Record, Rejected, read_records
from lambdas.batch.storage import (
    BATCH_ID,
    FAILED_RESULTS,
    INPUT,
    REJECTED,
    RESULTS,
    SUMMARY,
    BatchStorage,
    NotThere,
)
from lambdas.http_api.batch_executions import Finder, start_execution
from lambdas.http_api.calls import Answer, Call
from lambdas.http_api.once import FixedId, once
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.json_text import dump, dump_line
from lambdas.shared.manager import choose_targets, model_ids
from lambdas.shared.problems import not_found
from lambdas.shared.settings import batch_settings

# About as many as fit into the 6 MB that a function is sent; a file in S3 may hold any number.
MAX_INLINE_RECORDS = 10_000
MAX_REASONS = 100

# What Step Functions takes of an input, with room for what is added.
MAX_OPTIONS_BYTES = 200_000

_CHOICES = ("models", "regions", *options.MEMBERS)
_INPUTS = ("requests", "inputS3Uri")
_MEMBERS = (*_INPUTS, *_CHOICES)


def post(call: Call) -> Answer:
    """Start a batch over inline records or over a file in S3.

    Raises:
        InvalidRequest: it could not be run.
    """
    body = call.body()
    _check_members(body)
    return once(call, "batches", body, lambda fixed_id: _start(body, fixed_id))


def _start(body: Mapping[str, Any], fixed_id: FixedId) -> Answer:
    chosen = _checked_choices(body)
    inline = _inputs(body) == ["requests"]
    if inline:
        models = model_ids(choose_targets(body.get("models"), body.get("regions")))
        _check_inline(body["requests"], model_ids=models)
    uri = "" if inline else _checked_uri(body["inputS3Uri"])
    storage = BatchStorage(batch_settings().bucket, fixed_id())
    if inline:
        # Step Functions takes 256 KiB of input, so the records travel as a file.
        storage.put_input(body["requests"])
        uri = storage.uri(INPUT)
    data = {"batchId": storage.batch_id, "inputS3Uri": uri, **chosen}
    # No other execution has this name: where it is taken, an earlier attempt has started the batch.
    start_execution(storage.batch_id, dump(data).decode("utf-8"))
    link = f"/v1/batches/{storage.batch_id}"
    return Answer(202, {"batchId": storage.batch_id, "status": "running", "links": {"self": link}})


def get(batch_id: str) -> Answer:
    """How a batch goes, and where its results are.

    The summary is read whenever no execution of the batch is running: a batch's files can outlive the 90 days
    for which Step Functions remembers an execution.

    Raises:
        Problem: there is no such batch.
    """
    if not BATCH_ID.fullmatch(batch_id):
        raise not_found(f"batch {batch_id[:80]}")
    storage = BatchStorage(batch_settings().bucket, batch_id)
    execution = Finder().latest(batch_id)
    status = execution.status if execution else None
    summary = _summary(storage) if status != "running" else None
    if summary is not None:
        return Answer(200, _finished(storage, summary))
    if execution is None:
        raise not_found(f"batch {batch_id}")
    found = {"batchId": batch_id, "status": status, "progress": _progress(storage)}
    ended_badly = status not in ("running", "succeeded")
    return Answer(200, {**found, "error": execution.reason} if ended_badly else found)


def _inputs(body: Mapping[str, Any]) -> list[str]:
    """Return which inputs a body has. A member that is null counts as missing, unless there is no other."""
    given = [name for name in _INPUTS if name in body]
    return [name for name in given if body[name] is not None] or given


def _check_members(body: Mapping[str, Any]) -> None:
    problems = [
        f"{key[:80]}: unknown field; {', '.join(_MEMBERS)} are known" for key in body if key not in _MEMBERS
    ]
    if len(_inputs(body)) != 1:
        problems.append("body: must hold either requests or inputS3Uri")
    if problems:
        raise InvalidRequest(problems)


def _checked_choices(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the batch, validated."""
    choose_targets(body.get("models"), body.get("regions"))
    try:
        options.read_options(body, run="")
    except ValueError as error:
        raise InvalidRequest([str(error)]) from None
    chosen = {key: body[key] for key in _CHOICES if body.get(key) is not None}
    if len(dump(chosen)) > MAX_OPTIONS_BYTES:
        raise InvalidRequest([f"body: all but requests must be at most {MAX_OPTIONS_BYTES} bytes"])
    return chosen


def _check_inline(requests: Any, *, model_ids: tuple[str, ...]) -> None:
    """Raise InvalidRequest unless one record can be run; single invalid records are rejected by the plan."""
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
    except NotThere:
        return None


def _finished(storage: BatchStorage, summary: dict[str, Any]) -> dict[str, Any]:
    counts = ("records", "answered", "failed", "rejected")
    return {
        "batchId": storage.batch_id,
        "status": summary["status"],
        "progress": {name: summary[name] for name in counts},
        "summary": summary,
        "results": {
            "results": storage.uri(RESULTS),
            "failed": storage.uri(FAILED_RESULTS),
            "rejected": storage.uri(REJECTED),
            "summary": storage.uri(SUMMARY),
        },
    }


def _progress(storage: BatchStorage) -> dict[str, int | None]:
    """How far the workers have come; nothing is known of the records before they are planned."""
    try:
        plan = storage.plan()
    except NotThere:
        return {"records": None, "answered": 0, "failed": 0, "rejected": None}
    parts = list(storage.parts())
    return {
        "records": plan.records,
        "answered": sum(part.answered for part in parts),
        "failed": sum(part.failed for part in parts),
        "rejected": plan.rejected,
    }
