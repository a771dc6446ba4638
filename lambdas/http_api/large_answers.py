"""Answers that are too large for Lambda: they are stored in the bucket, and the caller gets a link."""

from __future__ import annotations

import uuid

from lambdas.http_api.calls import Answer
from lambdas.shared import clients
from lambdas.shared.settings import batch_settings

# Lambda takes 6 MB, of JSON that holds the body as a string: quotes and backslashes in it count double.
MAX_BODY_BYTES = 2_900_000
LINK_SECONDS = 900


def put_aside(body: bytes) -> Answer:
    """Store a large answer, and return a redirect to a link that is valid for `LINK_SECONDS`.

    The link takes no signature: S3 refuses a request that is authenticated twice.
    """
    bucket, key = batch_settings().bucket, f"requests/{uuid.uuid4().hex}/result.json"
    clients.s3().put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    link = clients.s3_for_links().generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LINK_SECONDS
    )
    body_of_redirect = {"resultUrl": link, "expiresInSeconds": LINK_SECONDS, "bytes": len(body)}
    return Answer(303, body_of_redirect, {"Location": link})
