"""The route table: for dispatch, for the API Gateway template, and for docs/openapi.json."""

from __future__ import annotations

from typing import Final

from lambdas.shared.api_route import ApiRoute, Response

# Problems of a request that calls a model.
_MODEL_PROBLEMS: Final = (
    "budget-exceeded",
    "answer-refused",
    "answer-incomplete",
    "upstream-authentication",
    "quota-exceeded",
    "all-targets-failed",
    "deadline-exceeded",
)
_REPLAY: Final = "Idempotent-Replay"
_LARGE: Final = Response(
    303,
    "LargeAnswer",
    "The response is larger than 2.9 MB. Get it from Location within 15 minutes, without the signature of "
    "this request.",
    ("Location",),
)

ROUTES: Final = (
    ApiRoute(
        "POST",
        "/v1/converse",
        "converse.post",
        operation="converse",
        summary="Answer one request",
        body="ConverseRequest",
        headers=("Idempotency-Key", "Prefer"),
        responses=(
            Response(
                200,
                "ConverseAnswer",
                "The answer of a model, with its attempts, usage and cost",
                (_REPLAY,),
            ),
            Response(202, "RequestState", "Accepted and queued", ("Location", "Preference-Applied", _REPLAY)),
            _LARGE,
        ),
        problems=("in-progress", *_MODEL_PROBLEMS),
    ),
    ApiRoute(
        "POST",
        "/v1/validate",
        "converse.validate",
        operation="validate",
        summary="Validate a body for POST /v1/converse without calling a model",
        body="ConverseRequest",
        responses=(Response(200, "Validity", "Whether the body is valid, and its errors"),),
    ),
    ApiRoute(
        "GET",
        "/v1/requests/{requestId}",
        "async_requests.get",
        operation="getRequest",
        summary="Return the outcome of an asynchronous request",
        responses=(Response(200, "RequestState", "pending, or the outcome"), _LARGE),
    ),
    ApiRoute(
        "GET",
        "/v1/batches",
        "batches.get_list",
        operation="listBatches",
        summary="List batches, the most recently started or resumed first",
        query=("limit", "nextToken"),
        responses=(
            Response(
                200,
                "BatchList",
                "A page of batches. It may have fewer batches than limit. There are more pages while a "
                "response has a nextToken",
            ),
        ),
    ),
    ApiRoute(
        "POST",
        "/v1/batches",
        "batches.post",
        operation="startBatch",
        summary="Start a batch",
        body="BatchRequest",
        headers=("Idempotency-Key",),
        responses=(Response(202, "Batch", "Started", (_REPLAY,)),),
        problems=("in-progress",),
    ),
    ApiRoute(
        "GET",
        "/v1/batches/{batchId}",
        "batches.get",
        operation="getBatch",
        summary="Return the status and progress of a batch",
        responses=(
            Response(
                200,
                "Batch",
                "The status of the batch; after its end also its summary and the URIs of its results",
            ),
        ),
    ),
    ApiRoute(
        "POST",
        "/v1/batches/{batchId}/stop",
        "batches.stop",
        operation="stopBatch",
        summary="Stop a batch. Its results so far remain",
        responses=(Response(200, "Batch", "Stopped"),),
        problems=("batch-ended",),
    ),
    ApiRoute(
        "POST",
        "/v1/batches/{batchId}/resume",
        "batches.resume",
        operation="resumeBatch",
        summary="Resume a batch that was stopped, failed or timed out",
        responses=(Response(202, "Batch", "Resumed; answered records are not run again"),),
        problems=("batch-not-resumable",),
    ),
    ApiRoute(
        "GET",
        "/v1/models",
        "models.get",
        operation="listModels",
        summary="List the configured models, and their access method and quotas in each region",
        responses=(Response(200, "Models", "The models in the catalog"),),
    ),
    ApiRoute(
        "GET",
        "/v1/models/{name}/access",
        "models.access",
        operation="getModelAccess",
        summary="List all access methods of a model and their quotas",
        query=("region",),
        responses=(
            Response(200, "ModelAccess", "Access by region; null if the model cannot be called there"),
        ),
        # The ARN of a profile contains a slash.
        with_slashes="name",
    ),
    ApiRoute(
        "GET",
        "/v1/keys",
        "keys.list_keys",
        operation="listKeys",
        summary="List API keys without their secrets, the newest first",
        query=("owner", "team", "limit", "nextToken"),
        responses=(
            Response(200, "KeyList", "A page of keys. There are more pages while a response has a nextToken"),
        ),
    ),
    ApiRoute(
        "POST",
        "/v1/keys",
        "keys.create",
        operation="createKey",
        summary="Create an API key",
        body="KeyRequest",
        headers=("Idempotency-Key",),
        responses=(Response(201, "CreatedKey", "Created; no other response has the key", ("Location",)),),
        problems=("key-created",),
    ),
    ApiRoute(
        "GET",
        "/v1/keys/{keyId}",
        "keys.get",
        operation="getKey",
        summary="Return an API key without its secret",
        responses=(Response(200, "Key", "The key"),),
    ),
    ApiRoute(
        "DELETE",
        "/v1/keys/{keyId}",
        "keys.revoke",
        operation="revokeKey",
        summary="Revoke an API key",
        responses=(Response(200, "Key", "Revoked, now or earlier"),),
    ),
    ApiRoute(
        "GET",
        "/v1/usage",
        "usage.get",
        operation="getUsage",
        summary="Return requests, tokens and cost by day, team, caller, key and model",
        query=("from", "to", "groupBy", "team", "caller", "key", "model"),
        responses=(Response(200, "Usage", "A row for each group, and the totals"),),
    ),
    ApiRoute(
        "GET",
        "/v1/budgets",
        "budgets.list_budgets",
        operation="listBudgets",
        summary="List budgets and what is left of them, in the order of scope and name",
        query=("limit", "nextToken"),
        responses=(
            Response(
                200, "BudgetList", "A page of budgets. There are more pages while a response has a nextToken"
            ),
        ),
    ),
    ApiRoute(
        "GET",
        "/v1/budgets/{scope}/{name}",
        "budgets.get",
        operation="getBudget",
        summary="Return a budget and what is left of it",
        responses=(Response(200, "Budget", "The budget"),),
        problems=("invalid-request",),
        with_slashes="name",
    ),
    ApiRoute(
        "PUT",
        "/v1/budgets/{scope}/{name}",
        "budgets.put",
        operation="putBudget",
        summary="Set the budget of a key, a caller or a team",
        body="BudgetRequest",
        responses=(Response(200, "Budget", "Set. It applies to the next call"),),
        with_slashes="name",
    ),
    ApiRoute(
        "DELETE",
        "/v1/budgets/{scope}/{name}",
        "budgets.delete",
        operation="deleteBudget",
        summary="Delete a budget",
        responses=(Response(200, "Budget", "Deleted"),),
        problems=("invalid-request",),
        with_slashes="name",
    ),
    ApiRoute(
        "GET",
        "/v1/health",
        "models.health",
        operation="getHealth",
        summary="Return the status of the API and the age of its model catalog",
        responses=(Response(200, "Health", "The API is available"),),
    ),
)

# A function of its own answers this route, because a function cannot both stream and not stream.
CONVERSE_STREAM: Final = ApiRoute(
    "POST",
    "/v1/converse-stream",
    "",
    operation="converseStream",
    summary="Answer one request as a stream of server-sent events",
    body="ConverseRequest",
    headers=("Idempotency-Key",),
    responses=(
        Response(
            200,
            "ConverseEvent",
            "The server-sent events of Bedrock's ConverseStream, and then answer or error",
            (_REPLAY,),
            "text/event-stream",
        ),
    ),
    problems=("in-progress", *_MODEL_PROBLEMS),
)
