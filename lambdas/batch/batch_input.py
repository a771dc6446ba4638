"""What a batch is asked to be: the state machine's input, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.batch import options
from lambdas.batch.options import Options
from lambdas.batch.storage import BATCH_ID, INPUT, BatchStorage
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.manager import RequestTargets, check_price, choose_targets
from lambdas.shared.settings import BatchSettings

_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
_S3_FOLDER = re.compile(r"s3://([^/]+)/(.+/)", re.DOTALL)
_MAX_KEY_BYTES = 1024
_MAX_MESSAGE = 2_000
_INPUTS = ("inputS3Uri", "prefix", "requests")
_MEMBERS = ("batchId", *_INPUTS, "models", "regions", *options.MEMBERS)
# AWS asks a state machine that starts another one to put this into the input, for the console to link them.
_FROM_STEP_FUNCTIONS = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"


class InvalidBatch(Exception):
    """The batch cannot be run as it was sent; the message says why.

    Step Functions cuts the cause of an error at 32,768 characters, the JSON around the message included.
    """

    def __init__(self, message: str) -> None:
        printable = message.encode("utf-8", "backslashreplace").decode("utf-8")
        super().__init__(printable[:_MAX_MESSAGE])


@dataclass(frozen=True)
class Batch:
    """What was asked for, found to make sense.

    Attributes:
        bucket, key: where the input lies; a key that ends in a slash stands for all .jsonl files below.
        requests: the records, when they came inline; they are then first written to `bucket` and `key`.
    """

    storage: BatchStorage
    bucket: str
    key: str
    requests: Sequence[Any] | None
    targets: RequestTargets
    options: Options

    @property
    def is_folder(self) -> bool:
        """Whether the input is all files below a prefix."""
        return self.key.endswith("/")


def read_batch(data: Any, *, execution: Any, settings: BatchSettings) -> Batch:
    """The state machine's input as a batch.

    Args:
        execution: the name of the execution, which names a batch that has no name of its own.

    Raises:
        InvalidBatch: it is not one that can be run.
    """
    if not isinstance(data, dict):
        raise InvalidBatch("input: must be a JSON object")
    unknown = [key for key in data if key not in (*_MEMBERS, _FROM_STEP_FUNCTIONS)]
    if unknown:
        raise InvalidBatch(f"{unknown[0][:80]}: unknown field; {', '.join(_MEMBERS)} are known")
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
    bucket, key = _input_place(data, storage, settings)
    return Batch(storage, bucket, key, data.get("requests"), targets, chosen)


def _input_place(data: Mapping[str, Any], storage: BatchStorage, settings: BatchSettings) -> tuple[str, str]:
    given = [name for name in _INPUTS if data.get(name) is not None]
    if len(given) != 1:
        raise InvalidBatch(f"input: must hold one of {', '.join(_INPUTS)}")
    if given == ["inputS3Uri"]:
        return read_uri(data["inputS3Uri"], settings)
    if given == ["prefix"]:
        bucket, key = _read_folder(data["prefix"], settings)
        if bucket == storage.bucket and storage.key("").startswith(key):
            raise InvalidBatch(f"prefix: must not hold the batch's own files, which are at {storage.uri('')}")
        return bucket, key
    requests = data["requests"]
    if not isinstance(requests, list) or not requests:
        raise InvalidBatch("requests: must be a list of at least one record")
    return storage.bucket, storage.key(INPUT)


def read_uri(uri: Any, settings: BatchSettings) -> tuple[str, str]:
    """Return bucket and key of an input file.

    Raises:
        InvalidBatch: it is not the S3 URI of a file, or in a bucket that batches do not read from.
    """
    bucket, key = _place("inputS3Uri", uri, _S3_URI, takes="s3://bucket/key", settings=settings)
    if key.endswith("/"):
        raise InvalidBatch(
            "inputS3Uri: must name one file; prefix takes what ends in a slash (state machine only)"
        )
    return bucket, key


def _read_folder(uri: Any, settings: BatchSettings) -> tuple[str, str]:
    return _place("prefix", uri, _S3_FOLDER, takes="s3://bucket/prefix/", settings=settings)


def _place(
    name: str, uri: Any, form: re.Pattern[str], *, takes: str, settings: BatchSettings
) -> tuple[str, str]:
    match = form.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        raise InvalidBatch(f"{name}: must be {takes} (got {uri!r:.200})")
    bucket, key = match.groups()
    if not _is_key(key):
        raise InvalidBatch(f"{name}: the key must be at most {_MAX_KEY_BYTES} bytes of UTF-8")
    allowed = (settings.bucket, *settings.input_buckets)
    if bucket not in allowed:
        raise InvalidBatch(
            f"{name}: batches read from {', '.join(allowed)} (got bucket {bucket!r:.100}); "
            "more are allowed with the setting input_buckets"
        )
    return bucket, key


def _is_key(key: str) -> bool:
    """Whether S3 can have an object of that key."""
    try:
        return len(key.encode("utf-8")) <= _MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False
