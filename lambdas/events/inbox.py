"""Start a batch for each file that is created under `inbox/`."""

from __future__ import annotations

import hashlib
import re

from lambdas.batch.execution import start_execution
from lambdas.contract import JSON_LINES_SUFFIX, BucketPrefix
from lambdas.events.message_formats import BatchFile
from lambdas.shared.function_log import logger
from lambdas.shared.settings import batch_settings
from llmmanager.json_format.codec import InvalidRequest

_DIGEST_BYTES = 12
_STEM_LENGTH = 40


def start_batch_of_file(file: BatchFile) -> str:
    """Start the batch of a file, unless it was started before, and return the batch's id.

    Raises:
        InvalidRequest: the file is not in the stack's bucket.
    """
    if file.bucket != batch_settings().bucket:
        raise InvalidRequest(
            [f"detail.bucket.name: must be {batch_settings().bucket} (got {file.bucket!r:.80})"]
        )
    id_ = batch_id(file)
    start_execution(id_, {"batchId": id_, "inputS3Uri": f"s3://{file.bucket}/{file.key}"})
    logger.info("batch started for a file", extra={"batch_id": id_})
    return id_


def batch_id(file: BatchFile) -> str:
    """Return an id that is unique for the file's bucket, key and content: its name and a digest."""
    content = "\0".join((file.bucket, file.key, file.version)).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    stem = file.key.removeprefix(BucketPrefix.INBOX).removesuffix(JSON_LINES_SUFFIX)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem)[:_STEM_LENGTH].strip("-")
    return "-".join(filter(None, ("inbox", readable, digest)))
