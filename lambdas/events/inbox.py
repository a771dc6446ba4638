"""Start a batch for each file that is created under `inbox/`."""

from __future__ import annotations

import hashlib
import re

from botocore.exceptions import ClientError

from lambdas.contract import JSON_LINES_SUFFIX, BucketPrefix
from lambdas.events.message_formats import BatchFile
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.json_text import dump
from lambdas.shared.observability import logger
from lambdas.shared.settings import batch_settings, batch_state_machine_arn

_STARTED_BEFORE = "ExecutionAlreadyExists"
_DIGEST_BYTES = 12
_STEM_LENGTH = 40


def start_batch(file: BatchFile) -> str:
    """Start the batch of a file, unless it was started before, and return the batch's id.

    Raises:
        InvalidRequest: the file is not in the stack's bucket.
    """
    if file.bucket != batch_settings().bucket:
        raise InvalidRequest(
            [f"detail.bucket.name: must be {batch_settings().bucket} (got {file.bucket!r:.80})"]
        )
    id_ = batch_id(file)
    try:
        clients.step_functions().start_execution(
            stateMachineArn=batch_state_machine_arn(),
            name=id_,
            input=dump({"batchId": id_, "inputS3Uri": f"s3://{file.bucket}/{file.key}"}).decode(),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != _STARTED_BEFORE:
            raise
    logger.info("batch started for a file", extra={"batch_id": id_})
    return id_


def batch_id(file: BatchFile) -> str:
    """Return an id that is unique for the file's bucket, key and content: its name and a digest."""
    content = "\0".join((file.bucket, file.key, file.version)).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    stem = file.key.removeprefix(BucketPrefix.INBOX).removesuffix(JSON_LINES_SUFFIX)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem)[:_STEM_LENGTH].strip("-")
    return "-".join(filter(None, ("inbox", readable, digest)))
