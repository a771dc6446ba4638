"""Routes under /v1/batches: start, list, stop and resume batches, and return their status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lambdas.batch.batch_control import ListedBatch, list_batches, resume_batch, stop_batch
from lambdas.batch.batch_request import check_members, read_batch_request, start_batch
from lambdas.batch.batch_status import read_status
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.idempotency_key import FixedId, run_with_key
from lambdas.shared.http_request import HttpRequest
from lambdas.usage.caller import UNKNOWN


def post(request: HttpRequest) -> HttpResponse:
    """Start a batch of inline records or of a file in S3.

    Raises:
        InvalidRequest: the batch is invalid.
    """
    body = request.body()
    check_members(body)
    caller = request.caller or UNKNOWN
    return run_with_key(request, "batches", body, lambda fixed_id: _start(body, caller, fixed_id))


def _start(body: Mapping[str, Any], caller: str, fixed_id: FixedId) -> HttpResponse:
    batch = read_batch_request(body, caller)
    batch_id = fixed_id()
    start_batch(batch, batch_id)
    return HttpResponse(202, _linked(batch_id, "running"))


def get(request: HttpRequest) -> HttpResponse:
    """Return the status and progress of a batch, and the URIs of its results.

    Raises:
        Problem: the batch does not exist.
    """
    return HttpResponse(200, read_status(request.path_parameters["batchId"]))


def get_list(request: HttpRequest) -> HttpResponse:
    """Return a page of batches, the most recently started or resumed first.

    Raises:
        InvalidRequest: `limit` or `nextToken` is invalid.
    """
    page = list_batches(limit=request.page_limit(), token=request.query("nextToken"))
    more = {"nextToken": page.token} if page.token else {}
    return HttpResponse(200, {"batches": [_listed(batch) for batch in page.batches], **more})


def stop(request: HttpRequest) -> HttpResponse:
    """Stop a batch. Its results so far remain.

    Raises:
        Problem: the batch does not exist, or has ended in another way.
    """
    batch_id = request.path_parameters["batchId"]
    stop_batch(batch_id)
    return HttpResponse(200, _linked(batch_id, "stopped"))


def resume(request: HttpRequest) -> HttpResponse:
    """Resume a batch that was stopped, failed, timed out or ended early. Its results so far remain.

    Raises:
        Problem: the batch does not exist, is running or is complete.
    """
    batch_id = request.path_parameters["batchId"]
    resume_batch(batch_id)
    return HttpResponse(202, _linked(batch_id, "running"))


def _linked(batch_id: str, status: str) -> dict[str, Any]:
    return {"batchId": batch_id, "status": status, "links": {"self": f"/v1/batches/{batch_id}"}}


def _listed(batch: ListedBatch) -> dict[str, Any]:
    return {
        **_linked(batch.batch_id, batch.status),
        "startedAt": _timestamp(batch.started_at),
        "endedAt": _timestamp(batch.ended_at),
    }


def _timestamp(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
