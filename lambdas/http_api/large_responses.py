"""Store responses that exceed Lambda's limit in the bucket, and redirect the caller to them."""

from __future__ import annotations

import uuid

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared import clients, stored_requests
from lambdas.shared.settings import batch_settings

# Lambda's limit is 6 MB of JSON with the body as a string, in which quotes and backslashes count twice.
MAX_BODY_BYTES = 2_900_000
LINK_SECONDS = 900


def redirect_to_stored(body: bytes) -> HttpResponse:
    """Store a body, and return a redirect to a link that is valid for `LINK_SECONDS`.

    The link must be requested without a signature: S3 rejects a request that is authenticated twice.
    """
    bucket, key = batch_settings().bucket, stored_requests.result_key(uuid.uuid4().hex)
    clients.s3().put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    link = clients.s3_for_links().generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS
    )
    redirect = {"resultUrl": link, "expiresInSeconds": LINK_SECONDS, "bytes": len(body)}
    return HttpResponse(303, redirect, {"Location": link})
