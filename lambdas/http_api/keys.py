"""POST /v1/keys, GET /v1/keys, GET /v1/keys/{keyId} and DELETE /v1/keys/{keyId}: API keys.

A new key is shown once, in the response to POST. So the response is not stored for a repeated request, unlike
those of other routes with an Idempotency-Key.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lambdas.api_keys.allowed_targets import AllowedTargets
from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_request import read_key_request
from lambdas.api_keys.key_table import InvalidPageToken, KeyTable
from lambdas.api_keys.key_text import KEY_ID, new_key, new_key_id
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.idempotency_key import id_with_key
from lambdas.shared import clients
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.manager import catalog
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import key_table, model_settings
from lambdas.shared.time_text import format_time
from llmmanager.json_format.codec import InvalidRequest


def create(request: HttpRequest) -> HttpResponse:
    """Create a key, and return it with its text.

    Raises:
        InvalidRequest: the body is invalid.
        Problem: an earlier request with the same Idempotency-Key created a key.
    """
    body, now = request.body(), datetime.now(UTC)
    settings = model_settings()
    configured = AllowedTargets(settings.models, settings.regions)
    valid = read_key_request(body, configured=configured, resolve=catalog().resolve, now=now)
    text = new_key(id_with_key(request, "keys", body, new_key_id()))
    key = ApiKey(
        identity=KeyIdentity(key_id=text.id, **asdict(valid)),
        digest=text.digest,
        created=now,
        created_by=request.caller,
    )
    link = f"/v1/keys/{text.id}"
    if not _table().add(key):
        raise Problem(
            "key-created",
            f"An earlier request with this Idempotency-Key created the key {text.id}. Its text was in the "
            "response to that request only. If it is lost, revoke the key, and create another one with a new "
            "Idempotency-Key.",
            more={"keyId": text.id, "links": {"self": link}},
        )
    return HttpResponse(
        201,
        {"key": text.text, **_encode(key, now)},
        {"Location": request.base + link, "Cache-Control": "no-store"},
    )


def list_keys(request: HttpRequest) -> HttpResponse:
    """Return a page of keys without their texts, the newest first.

    Raises:
        InvalidRequest: `limit` or `nextToken` is invalid.
    """
    try:
        page = _table().page(
            limit=request.page_limit(),
            owner=request.query("owner"),
            team=request.query("team"),
            token=request.query("nextToken"),
        )
    except InvalidPageToken:
        raise InvalidRequest(["nextToken: must be the nextToken of an earlier page"]) from None
    now = datetime.now(UTC)
    more = {"nextToken": page.token} if page.token else {}
    return HttpResponse(200, {"keys": [_encode(key, now) for key in page.keys], **more})


def get(request: HttpRequest) -> HttpResponse:
    """Return a key without its text.

    Raises:
        Problem: the key does not exist.
    """
    id_ = _key_id(request)
    return _found(id_, _table().get(id_))


def revoke(request: HttpRequest) -> HttpResponse:
    """Revoke a key, and return it. A key that was revoked before stays as it is.

    Raises:
        Problem: the key does not exist.
    """
    id_ = _key_id(request)
    return _found(id_, _table().revoke(id_, by=request.caller, now=datetime.now(UTC)))


def _key_id(request: HttpRequest) -> str:
    id_ = request.path_parameters["keyId"]
    if not KEY_ID.fullmatch(id_):
        # The response does not repeat the text, which might be a key.
        raise not_found("the path ends with no key id. A key sk-<id>-<secret> has the id between its dashes")
    return id_


def _found(id_: str, key: ApiKey | None) -> HttpResponse:
    if key is None:
        raise not_found(f"key {id_}")
    return HttpResponse(200, _encode(key, datetime.now(UTC)))


def _encode(key: ApiKey, now: datetime) -> dict[str, Any]:
    def time(value: datetime | None) -> str | None:
        return format_time(value) if value is not None else None

    identity = key.identity
    return {
        "keyId": identity.key_id,
        "status": key.status(now),
        "owner": identity.owner,
        "team": identity.team,
        "models": identity.models,
        "regions": identity.regions,
        "expiresAt": time(identity.expires),
        "createdAt": time(key.created),
        "createdBy": key.created_by,
        "revokedAt": time(key.revoked),
        "revokedBy": key.revoked_by,
        "links": {"self": f"/v1/keys/{identity.key_id}"},
    }


@cache
def _table() -> KeyTable:
    return KeyTable(clients.dynamodb(), key_table())
