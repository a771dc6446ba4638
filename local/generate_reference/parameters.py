"""The parameters of requests and the headers of responses, by the names that the route table uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lambdas.shared.http_request import DEFAULT_PAGE, IDEMPOTENCY_HEADER, MAX_KEY_LENGTH, MAX_PAGE
from lambdas.usage.budget import BudgetScope
from lambdas.usage.usage_query import GROUPS, MAX_DAYS
from local.generate_reference.schemas import DATE, SOME_TEXT, TEXT, Schema, described

# Names are unique over headers, query and path.
PARAMETERS: Final[Mapping[str, Schema]] = {
    IDEMPOTENCY_HEADER: {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_KEY_LENGTH,
        "pattern": "^[!-~]+$",
        "description": "A request with the same key within 24 hours gets the first response "
        "(Idempotent-Replay: true). The same key with another body is rejected. Failures are not stored.",
    },
    "Prefer": described(TEXT, "respond-async: respond with 202 and process the request asynchronously."),
    "requestId": described(SOME_TEXT, "The requestId in the response of POST /v1/converse."),
    "batchId": described(SOME_TEXT, "The batchId in the response of POST /v1/batches."),
    "keyId": described(SOME_TEXT, "The keyId in the response of POST /v1/keys."),
    "name": described(
        SOME_TEXT,
        "A model's name or id, or a profile's id; of a budget, the id of the key, the ARN or owner of the "
        "caller, or the team.",
    ),
    "scope": {"enum": [scope.value for scope in BudgetScope], "description": "What the budget is for."},
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_PAGE,
        "default": DEFAULT_PAGE,
        "description": "Maximum number of items on a page.",
    },
    "nextToken": described(SOME_TEXT, "The nextToken of the previous page."),
    "owner": described(TEXT, "List only the keys of this owner."),
    "team": described(TEXT, "List only the keys, or count only the usage, of this team."),
    "from": {**DATE, "description": "The first UTC day. By default, the first of the month of `to`."},
    "to": {
        **DATE,
        "description": f"The last UTC day, which is included. By default, today. At most {MAX_DAYS} days.",
    },
    "groupBy": described(
        TEXT, f"What rows are by: one or more of {', '.join(GROUPS)}, separated by commas. Default: day."
    ),
    "caller": described(TEXT, "Count only the usage of this caller: an ARN without session, or an owner."),
    "key": described(TEXT, "Count only the usage of the API key with this id."),
    "model": described(TEXT, "Count only the usage of the model with this id."),
    "region": described(TEXT, "One of the configured regions."),
}
RESPONSE_HEADERS: Final[Mapping[str, str]] = {
    "Allow": "The supported methods.",
    "Idempotent-Replay": "true if this is the response to an earlier request.",
    "Location of 201": "Path of what was created.",
    "Location of 202": "Path of the outcome.",
    "Location of 303": "A presigned link. Do not send Authorization, X-Amz-Date or X-Amz-Security-Token with "
    "it, because S3 rejects a request with two authentications.",
    "Preference-Applied": "respond-async",
    "Retry-After": "Seconds to wait before a retry.",
}


def parameter(name: str, place: str) -> Schema:
    """Return the description of a parameter.

    Args:
        place: "header", "query" or "path".
    """
    schema = dict(PARAMETERS[name])
    text = schema.pop("description")
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": schema,
        "description": text,
    }
