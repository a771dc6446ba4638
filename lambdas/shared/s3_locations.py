"""Check the S3 files in a request, because Bedrock reads them with the permissions of this deployment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from lambdas.contract import BucketPrefix
from lambdas.shared.settings import batch_settings
from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS

_URI = re.compile(r"s3://([^/]+)/(.+)", re.DOTALL)
# The key is spelled in one of these ways, or with an escape.
_LOCATION = re.compile(rb"s3Location|s3_location|\\u")


def location_problems(fields: Mapping[str, Any]) -> list[str]:
    """Return the problems of the S3 files in a request's fields (`s3Location`, at any depth).

    Files are allowed under `inputs/` of the deployment's own bucket, and in the configured input buckets. The
    search ends when there are more problems than a response lists.
    """
    found = (problem for name, value in fields.items() for problem in _problems(value, name))
    return list(islice(found, MAX_PROBLEMS + 1))


def line_problems(line: bytes, fields: Mapping[str, Any]) -> list[str]:
    """Return the problems of the S3 files in a line of a batch file, given also the fields of its request."""
    # Most records have no files, and searching the bytes is faster than walking the record.
    return location_problems(fields) if _LOCATION.search(line) else []


def _problems(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _problems(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            at = f"{path}.{key[:80]}"
            if key in ("s3Location", "s3_location") and isinstance(item, dict):
                yield from _uri_problems(item.get("uri"), f"{at}.uri")
            else:
                yield from _problems(item, at)


def _uri_problems(uri: Any, path: str) -> Iterator[str]:
    settings = batch_settings()
    match = _URI.fullmatch(uri) if isinstance(uri, str) else None
    if match is None:
        yield f"{path}: must be s3://bucket/key"
    elif match[1] not in settings.input_buckets and not (
        match[1] == settings.bucket and match[2].startswith(BucketPrefix.INPUTS)
    ):
        allowed = ", ".join([f"{settings.bucket}/{BucketPrefix.INPUTS}", *settings.input_buckets])
        yield f"{path}: must be in {allowed}; the setting input_buckets allows other buckets"
