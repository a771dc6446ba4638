"""What a batch is asked to be: the state machine's input, checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.batch.storage import BATCH_ID, INPUT, BatchStorage
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.manager import Targets, choose_targets
from lambdas.shared.settings import BatchSettings

_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
_MEMBERS = ("batchId", "inputS3Uri", "requests", "models", "regions")


class InvalidBatch(Exception):
    """The batch cannot be run as it was asked for; the message tells its sender why."""


@dataclass(frozen=True)
class Batch:
    """What was asked for, found to make sense.

    Attributes:
        bucket, key: where the input lies.
        requests: the records, when they came inline; they are then first written to `bucket` and `key`.
    """

    storage: BatchStorage
    bucket: str
    key: str
    requests: Sequence[Any] | None
    targets: Targets


def read_batch(data: Any, *, default_id: Any, settings: BatchSettings) -> Batch:
    """The state machine's input as a batch.

    Raises:
        InvalidBatch: it is not one that can be run.
    """
    if not isinstance(data, dict):
        raise InvalidBatch("the input must be a JSON object")
    unknown = [key for key in data if key not in _MEMBERS]
    if unknown:
        raise InvalidBatch(f"{unknown[0]}: unknown field; {', '.join(_MEMBERS)} are known")
    batch_id = default_id if data.get("batchId") is None else data["batchId"]
    if not isinstance(batch_id, str) or not BATCH_ID.fullmatch(batch_id):
        raise InvalidBatch(f"batchId: must be 1 to 80 letters, digits, - and _ (got {batch_id!r:.100})")
    try:
        targets = choose_targets(data.get("models"), data.get("regions"))
    except InvalidRequest as error:
        raise InvalidBatch(str(error)) from None
    storage = BatchStorage(settings.bucket, batch_id)
    uri, requests = data.get("inputS3Uri"), data.get("requests")
    if (uri is None) == (requests is None):
        raise InvalidBatch("input: must hold either inputS3Uri or requests")
    if uri is not None:
        bucket, key = read_uri(uri, settings)
        return Batch(storage, bucket, key, None, targets)
    if not isinstance(requests, list) or not requests:
        raise InvalidBatch("requests: must be a list of at least one record")
    return Batch(storage, settings.bucket, storage.key(INPUT), requests, targets)


def read_uri(uri: Any, settings: BatchSettings) -> tuple[str, str]:
    """Bucket and key of an input file.

    Raises:
        InvalidBatch: not an S3 URI, or in a bucket that batches do not read from.
    """
    match = _S3_URI.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        raise InvalidBatch(f"inputS3Uri: must be s3://bucket/key (got {uri!r:.200})")
    bucket, key = match.groups()
    allowed = (settings.bucket, *settings.input_buckets)
    if bucket not in allowed:
        raise InvalidBatch(
            f"inputS3Uri: batches read from {', '.join(allowed)} (got bucket {bucket!r}); "
            "more are allowed with the setting input_buckets"
        )
    return bucket, key
