"""The first step of a batch: read the input, check every record, cut shards for the workers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.records import Record, Rejected, read_records
from lambdas.batch.storage import BATCH_ID, INPUT, MANIFEST, REJECTED, BatchStorage, Plan, stream
from lambdas.shared.codec import InvalidRequest, encode_record
from lambdas.shared.json_text import dump_line
from lambdas.shared.manager import Targets, choose_targets
from lambdas.shared.observability import logger
from lambdas.shared.settings import BatchSettings, batch_settings

MAX_SHARD_BYTES = 32_000_000
# Shards grow as they are cut (see `_room`), so that a small batch is shared by several workers too.
FIRST_SHARD_SIZE = 20

_S3_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
_MEMBERS = ("batchId", "inputS3Uri", "requests", "models", "regions")
_UNREADABLE = {"NoSuchKey", "NoSuchBucket", "AccessDenied", "403", "404"}


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


@logger.inject_lambda_context
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """`{"executionName", "input"}` to what the map over shards needs.

    Raises:
        InvalidBatch: the input cannot be run.
    """
    batch = read_batch(event.get("input"), default_id=event.get("executionName"), settings=batch_settings())
    logger.append_keys(batch_id=batch.storage.batch_id)
    planned = plan(batch, shard_size=batch_settings().shard_size)
    logger.info("planned", extra={key: planned[key] for key in ("records", "rejected", "shardCount")})
    return planned


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
    batch_id = data.get("batchId") or default_id
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


def plan(batch: Batch, *, shard_size: int) -> dict[str, Any]:
    """Write shards, rejected lines and manifest.

    The same input always makes the same objects, so a plan that is run again only repeats itself.

    Raises:
        InvalidBatch: the input cannot be read, or holds nothing.
    """
    started_at = datetime.now(UTC)
    storage, targets = batch.storage, batch.targets
    if batch.requests is not None:
        write_input(storage, batch.requests)
    counts = {"records": 0, "rejected": 0}
    manifest = []
    with storage.writer(REJECTED) as rejected:
        lines = _sound_lines(read_records(_open(batch.bucket, batch.key)), rejected, counts)
        for shard, body in enumerate(cut_shards(lines, shard_size=shard_size, spread=len(targets.regions))):
            storage.put(storage.shard_key(shard), b"".join(body))
            manifest.append(_shard_item(storage, shard, records=len(body), targets=targets))
    if not counts["records"]:
        raise InvalidBatch(f"s3://{batch.bucket}/{batch.key} holds no records")
    storage.put_manifest(manifest, Plan(**counts, started_at=started_at))
    return {
        "batchId": storage.batch_id,
        "bucket": storage.bucket,
        "manifestKey": storage.key(MANIFEST),
        "shardCount": len(manifest),
        **counts,
    }


def write_input(storage: BatchStorage, requests: Iterable[Any]) -> None:
    """Keep inline records as the file that they would have been."""
    with storage.writer(INPUT) as writer:
        for request in requests:
            writer.write(dump_line(request))


def cut_shards(lines: Iterable[bytes], *, shard_size: int, spread: int) -> Iterator[list[bytes]]:
    """Lines in portions of at most `shard_size` lines and `MAX_SHARD_BYTES` (but at least one line)."""
    shard: list[bytes] = []
    size = cut = 0
    for line in lines:
        if shard and (len(shard) >= _room(cut, shard_size, spread) or size + len(line) > MAX_SHARD_BYTES):
            yield shard
            shard, size, cut = [], 0, cut + 1
        shard.append(line)
        size += len(line)
    if shard:
        yield shard


def _room(cut: int, shard_size: int, spread: int) -> int:
    """Most lines of the next shard: the first `spread` shards are small, then each round is twice as large.

    How much will come is not known while the input streams by; growing makes few records many small shards,
    and a million records little more shards than there must be.
    """
    rounds = min(cut // spread, 30)
    return min(shard_size, FIRST_SHARD_SIZE << rounds)


def _open(bucket: str, key: str) -> Iterator[bytes]:
    try:
        return stream(bucket, key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNREADABLE:
            raise InvalidBatch(f"inputS3Uri: s3://{bucket}/{key} does not exist or may not be read") from None
        raise


def _sound_lines(
    entries: Iterable[Record | Rejected], rejected: ObjectWriter, counts: dict[str, int]
) -> Iterator[bytes]:
    """The records as lines of a shard; what is none of them goes to `rejected`, all are counted."""
    for entry in entries:
        counts["records"] += 1
        if isinstance(entry, Rejected):
            counts["rejected"] += 1
            rejected.write(dump_line(entry.to_json()))
        else:
            yield dump_line(encode_record(entry.request))


def _shard_item(storage: BatchStorage, shard: int, *, records: int, targets: Targets) -> Mapping[str, Any]:
    first = shard % len(targets.regions)
    return {
        "batchId": storage.batch_id,
        "bucket": storage.bucket,
        "shard": shard,
        "key": storage.shard_key(shard),
        "records": records,
        "models": list(targets.models),
        "regions": [*targets.regions[first:], *targets.regions[:first]],
    }
