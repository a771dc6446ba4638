"""Read and validate the input of the batch state machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.batch import options
from lambdas.batch.execution import BATCH_ID
from lambdas.batch.options import Options
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from lambdas.shared.manager import RequestTargets, check_price, choose_targets
from lambdas.shared.settings import BatchSettings
from llmmanager.json_format.codec import InvalidRequest

_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
_S3_FOLDER = re.compile(r"s3://([^/]+)/(.+/)", re.DOTALL)
_MAX_KEY_BYTES = 1024
_MAX_MESSAGE = 2_000
_INPUTS = ("inputS3Uri", "prefix", "requests")
_MEMBERS = ("batchId", *_INPUTS, "models", "regions", *options.MEMBERS, options.CALLER)
# A state machine that starts another one adds this field, with which the console links the executions.
_FROM_STEP_FUNCTIONS = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


class InvalidBatch(Exception):
    """The batch is invalid; the message has the reason.

    Step Functions limits the cause of an error to 32,768 characters, including the JSON around the message.
    """

    def __init__(self, message: str) -> None:
        printable = message.encode("utf-8", "backslashreplace").decode("utf-8")
        super().__init__(printable[:_MAX_MESSAGE])


@dataclass(frozen=True)
class Batch:
    """A valid batch.

    Attributes:
        bucket, key: the location of the input. A key that ends in a slash means all .jsonl files under it.
        requests: the inline records, or None. They are first written to `bucket` and `key`.
    """

    storage: BatchStorage
    bucket: str
    key: str
    requests: Sequence[Any] | None
    targets: RequestTargets
    options: Options

    @property
    def is_folder(self) -> bool:
        """Whether the input is all files under a prefix."""
        return self.key.endswith("/")


def read_batch(data: Any, *, execution: Any, settings: BatchSettings) -> Batch:
    """Return the batch in the state machine's input.

    Args:
        execution: the name of the execution, which is the default id of the batch.

    Raises:
        InvalidBatch: the input is invalid.
    """
    if not isinstance(data, dict):
        raise InvalidBatch("input: must be a JSON object")
    unknown = [key for key in data if key not in (*_MEMBERS, _FROM_STEP_FUNCTIONS)]
    if unknown:
        raise InvalidBatch(f"{unknown[0][:80]}: unknown field; known fields: {', '.join(_MEMBERS)}")
    batch_id = execution if data.get("batchId") is None else data["batchId"]
    if not isinstance(batch_id, str) or not BATCH_ID.fullmatch(batch_id):
        raise InvalidBatch(f"batchId: must be 1 to 80 letters, digits, - and _ (got {batch_id!r:.100})")
    try:
        targets = choose_targets(data.get("models"), data.get("regions"))
        chosen = options.read_options(data, run=str(execution))
        check_price(targets, chosen.max_cost_multiple)
    except (InvalidRequest, ValueError) as error:
        raise InvalidBatch(str(error)) from None
    storage = BatchStorage(settings.bucket, batch_id)
    bucket, key = _input_location(data, storage, settings)
    return Batch(storage, bucket, key, data.get("requests"), targets, chosen)


def _input_location(
    data: Mapping[str, Any], storage: BatchStorage, settings: BatchSettings
) -> tuple[str, str]:
    given = [name for name in _INPUTS if data.get(name) is not None]
    if len(given) != 1:
        raise InvalidBatch(f"input: must hold one of {', '.join(_INPUTS)}")
    if given == ["inputS3Uri"]:
        return read_uri(data["inputS3Uri"], settings)
    if given == ["prefix"]:
        bucket, key = _read_folder(data["prefix"], settings)
        if bucket == storage.bucket and storage.key("").startswith(key):
            raise InvalidBatch(
                f"prefix: must not include the batch's own files, which are under {storage.uri('')}"
            )
        return bucket, key
    requests = data["requests"]
    if not isinstance(requests, list) or not requests:
        raise InvalidBatch("requests: must be a list of at least one record")
    return storage.bucket, storage.key(BatchObject.INPUT)


def read_uri(uri: Any, settings: BatchSettings) -> tuple[str, str]:
    """Return bucket and key of an input file.

    Raises:
        InvalidBatch: the URI is not that of a file, or its bucket is not allowed.
    """
    bucket, key = _location("inputS3Uri", uri, _S3_URI, accepted="s3://bucket/key", settings=settings)
    if key.endswith("/"):
        raise InvalidBatch(
            "inputS3Uri: must be one file; use prefix for a URI that ends in a slash (state machine only)"
        )
    return bucket, key


def _read_folder(uri: Any, settings: BatchSettings) -> tuple[str, str]:
    return _location("prefix", uri, _S3_FOLDER, accepted="s3://bucket/prefix/", settings=settings)


def _location(
    name: str, uri: Any, form: re.Pattern[str], *, accepted: str, settings: BatchSettings
) -> tuple[str, str]:
    match = form.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        raise InvalidBatch(f"{name}: must be {accepted} (got {uri!r:.200})")
    bucket, key = match.groups()
    if not _is_key(key):
        raise InvalidBatch(f"{name}: the key must be at most {_MAX_KEY_BYTES} bytes of UTF-8")
    allowed = (settings.bucket, *settings.input_buckets)
    if bucket not in allowed:
        raise InvalidBatch(
            f"{name}: the bucket must be one of {', '.join(allowed)} (got {bucket!r:.100}); "
            "the setting input_buckets allows other buckets"
        )
    return bucket, key


def _is_key(key: str) -> bool:
    """Whether a key is valid in S3."""
    try:
        return len(key.encode("utf-8")) <= _MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False
