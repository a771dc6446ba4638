"""Asynchronous requests: POST /v1/converse with `Prefer: respond-async`, and GET /v1/requests/{id}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared import clients, stored_requests
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import request_lost_seconds, request_queue_url

_LOST = Problem("lost", "The request expired in the queue before it was answered. Send it again.")


def is_preferred(request: HttpRequest) -> bool:
    """Whether the caller prefers an asynchronous response, and the stack has a queue for it."""
    preferences = (request.header("Prefer") or "").lower().split(",")
    names = {preference.partition(";")[0].strip() for preference in preferences}
    return "respond-async" in names and bool(request_queue_url())


def submit(body: Mapping[str, Any], request: HttpRequest, id_: str) -> HttpResponse:
    """Store and queue a valid body as the request with this id.

    A request that is submitted twice with the same id is answered once.
    """
    key = stored_requests.store_request(id_, body)
    message = {"requestId": id_, "requestKey": key, "caller": request.caller}
    clients.sqs().send_message(QueueUrl=request_queue_url(), MessageBody=json.dumps(message))
    link = f"/v1/requests/{id_}"
    return HttpResponse(
        202,
        {"requestId": id_, "status": "pending", "links": {"self": link}},
        # Clients resolve Location against the host, so it includes the stage; links start at the API's URL.
        {"Location": request.base + link, "Preference-Applied": "respond-async"},
    )


def get(request: HttpRequest) -> HttpResponse:
    """Return the outcome of a request, or `pending`.

    A request that is older than the queue and the function keep one is reported as lost.

    Raises:
        Problem: the request does not exist.
    """
    id_ = request.path_parameters["requestId"]
    if not stored_requests.is_request_id(id_):
        raise not_found(f"request {id_[:80]}")
    outcome = stored_requests.read_result(id_)
    if outcome is not None:
        return HttpResponse(200, json.loads(outcome))
    stored_at = stored_requests.request_stored_at(id_)
    if stored_at is None:
        raise not_found(f"request {id_}")
    if (datetime.now(UTC) - stored_at).total_seconds() > request_lost_seconds():
        return HttpResponse(200, {"requestId": id_, "status": "failed", "error": _LOST.document()})
    return HttpResponse(
        200, {"requestId": id_, "status": "pending", "links": {"self": f"/v1/requests/{id_}"}}
    )
