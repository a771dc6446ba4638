"""The S3 objects of batch jobs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .clients import make_client


class S3AccessError(Exception):
    """S3 cannot be reached, denies access, or does not have the object."""


@dataclass(frozen=True)
class ObjectLocation:
    """A bucket and the key of an object, or of a folder."""

    bucket: str
    key: str

    @staticmethod
    def parse(uri: str) -> ObjectLocation:
        """Return the location of an `s3://` URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return ObjectLocation(bucket, key)

    @property
    def folder(self) -> str:
        """The key with a slash at its end; empty for a whole bucket."""
        return f"{self.key.rstrip('/')}/" if self.key else ""

    @property
    def parent(self) -> str:
        """The folder of an object, or a folder itself, with a slash at its end."""
        return self.key[: self.key.rfind("/") + 1]


@dataclass(frozen=True)
class JobFile:
    """An input file: its key, and its size in bytes."""

    key: str
    size: int

    @property
    def name(self) -> str:
        """The key without its folder."""
        return self.key.rpartition("/")[2]


class S3Objects:
    """Lists, reads and writes objects at one endpoint. Its methods raise S3AccessError."""

    def __init__(self, endpoint_url: str, certificate: str | None) -> None:
        self._endpoint_url = endpoint_url
        self._certificate = certificate

    @staticmethod
    @functools.cache
    def at(endpoint_url: str, certificate: str | None = None) -> S3Objects:
        """Return the objects at an endpoint, with one client for all uses.

        Args:
            certificate: the CA certificate file of an endpoint with HTTPS; None for the usual ones.
        """
        return S3Objects(endpoint_url, certificate)

    def input_files(self, location: ObjectLocation) -> list[JobFile]:
        """Return the object at a location, or the `.jsonl` files of a folder, sorted by key."""
        with _s3_errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=location.bucket, Prefix=location.key
            )
            found = [
                JobFile(item["Key"], item["Size"]) for page in pages for item in page.get("Contents", ())
            ]
        folder = [f for f in found if f.key.startswith(location.folder) and f.key.endswith(".jsonl")]
        return [f for f in found if f.key == location.key and f.size] or folder

    def read(self, bucket: str, key: str) -> bytes:
        """Return the content of an object."""
        with _s3_errors():
            content: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def write(self, bucket: str, key: str, *, content: bytes) -> None:
        """Write an object."""
        with _s3_errors():
            self._client.put_object(Bucket=bucket, Key=key, Body=content)

    @functools.cached_property
    def _client(self) -> Any:
        from botocore.config import Config

        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        return make_client(
            "s3",
            endpoint_url=self._endpoint_url,
            region="us-east-1",
            config=config,
            verify=self._certificate,
            # Emulators that check permissions give these credentials all of them.
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@contextmanager
def _s3_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise S3AccessError(str(error)) from error
