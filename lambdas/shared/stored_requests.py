"""Requests and results in the bucket: their keys, and how they are read and written.

| key                          | content                                                        |
| ---------------------------- | -------------------------------------------------------------- |
| `requests/{id}/request.json` | the body of a request that the HTTP API accepts for later      |
| `requests/{id}/result.json`  | the outcome of a request                                       |
| `requests/{id}/answer.json`  | an answer that is too large for an item of the request table   |

The id of a request that the HTTP API has not accepted is a digest of what identifies it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from botocore.exceptions import ClientError

from lambdas.contract import BucketPrefix
from lambdas.shared import clients
from lambdas.shared.settings import batch_settings
from llmmanager.json_format.json_text import dump

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MISSING = {"NoSuchKey", "404", "NotFound"}


def is_request_id(text: str) -> bool:
    """Whether a text is a valid id of a stored request."""
    return _ID.fullmatch(text) is not None


def request_key(id_: str) -> str:
    """Return the key of a stored request."""
    return f"{BucketPrefix.REQUESTS}{id_}/request.json"


def result_key(id_: str) -> str:
    """Return the key of a request's outcome."""
    return f"{BucketPrefix.REQUESTS}{id_}/result.json"


def answer_key(id_: str) -> str:
    """Return the key of an answer that is too large for the request table."""
    return f"{BucketPrefix.REQUESTS}{id_}/answer.json"


def hashed_result_key(*names: str) -> str:
    """Return the key of an outcome whose request is identified by names that may contain any character."""
    return result_key(hashlib.sha256(json.dumps(names).encode()).hexdigest())


def store_request(id_: str, body: Mapping[str, Any]) -> str:
    """Store the body of a request, and return its key."""
    key = request_key(id_)
    clients.s3().put_object(
        Bucket=batch_settings().bucket, Key=key, Body=dump(body), ContentType="application/json"
    )
    return key


def read_request(id_: str) -> bytes | None:
    """Return the body of a stored request, or None."""
    return _read(request_key(id_))


def read_result(id_: str) -> bytes | None:
    """Return the outcome of a request, or None."""
    return _read(result_key(id_))


def request_stored_at(id_: str) -> datetime | None:
    """Return when a request was stored, or None."""
    found = _call("head_object", request_key(id_))
    return None if found is None else cast(datetime, found["LastModified"])


def _read(key: str) -> bytes | None:
    found = _call("get_object", key)
    return None if found is None else bytes(found["Body"].read())


def _call(operation: str, key: str) -> dict[str, Any] | None:
    """Return the response of S3, or None if the object does not exist."""
    try:
        response: dict[str, Any] = getattr(clients.s3(), operation)(Bucket=batch_settings().bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
    return response
