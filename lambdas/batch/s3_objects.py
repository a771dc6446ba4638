"""Read, write and list objects in S3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from lambdas.shared import clients

_MISSING = {"NoSuchKey", "404", "NotFound"}
_KEY_EXISTS = {"PreconditionFailed", "ConditionalRequestConflict"}
_CHUNK_BYTES = 1024 * 1024


class ObjectMissing(Exception):
    """The object does not exist, or not yet."""


def read_object(bucket: str, key: str) -> bytes:
    """Return a small object.

    Raises:
        ObjectMissing: the object does not exist.
    """
    return read_with_metadata(bucket, key)[0]


def read_with_metadata(bucket: str, key: str) -> tuple[bytes, Mapping[str, str]]:
    """Return a small object and its user-defined metadata.

    Raises:
        ObjectMissing: the object does not exist.
    """
    with _reporting_missing_object(key):
        response = clients.s3().get_object(Bucket=bucket, Key=key)
        return response["Body"].read(), response["Metadata"]


def read_metadata(bucket: str, key: str) -> Mapping[str, str]:
    """Return the user-defined metadata of an object.

    Raises:
        ObjectMissing: the object does not exist.
    """
    with _reporting_missing_object(key):
        metadata: dict[str, str] = clients.s3().head_object(Bucket=bucket, Key=key)["Metadata"]
    return metadata


def stream_object(bucket: str, key: str) -> Iterator[bytes]:
    """Return the chunks of an object of any size. The request is sent before the first chunk is read.

    Raises:
        ClientError: the object does not exist, or access is denied.
    """
    body = clients.s3().get_object(Bucket=bucket, Key=key)["Body"]
    chunks: Iterator[bytes] = body.iter_chunks(_CHUNK_BYTES)
    return chunks


def put_new_object(bucket: str, key: str, body: bytes, *, metadata: Mapping[str, str] | None = None) -> bool:
    """Write an object, unless its key exists. Return whether it was written.

    Args:
        metadata: its user-defined metadata, in ASCII.
    """
    try:
        clients.s3().put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata or {}, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _KEY_EXISTS:
            raise
        return False
    return True


def list_objects(bucket: str, prefix: str, *, after: str = "") -> Iterator[Mapping[str, Any]]:
    """Yield S3's descriptions (`Key`, `Size`, `LastModified`) of the objects with a prefix, in order of keys.

    Args:
        after: yield only objects with keys after this one.

    Raises:
        ClientError: the bucket does not exist, or access is denied.
    """
    query = {"Bucket": bucket, "Prefix": prefix, **({"StartAfter": after} if after else {})}
    for page in clients.s3().get_paginator("list_objects_v2").paginate(**query):
        yield from page.get("Contents", ())


def list_keys(bucket: str, prefix: str, *, after: str = "") -> Iterator[str]:
    """Yield the keys with a prefix; arguments, order and errors as for `list_objects`."""
    return (listed["Key"] for listed in list_objects(bucket, prefix, after=after))


@contextmanager
def _reporting_missing_object(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MISSING:
            raise
        raise ObjectMissing(f"the object {key} does not exist") from error
