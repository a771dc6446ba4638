"""Reads the input files of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from botocore.exceptions import ClientError

from lambdas.batch.batch_input import Batch, InvalidBatch
from lambdas.batch.s3_objects import list_keys, stream_object
from lambdas.contract import JSON_LINES_SUFFIX
from lambdas.shared.manager import model_ids
from llmmanager.batch_files.records import InputFile
from llmmanager.json_format.json_text import dump_line
from llmmanager.json_format.text_encoding import SIGNATURE_BYTES, unsupported_format

# The last one is for an archived object.
_UNREADABLE = {"NoSuchKey", "NoSuchBucket", "AccessDenied", "403", "404", "InvalidObjectState"}


def input_files(batch: Batch) -> Iterator[InputFile]:
    """Yield the input files: one, or all under a prefix in the order of their keys."""
    models = model_ids(batch.targets)
    if batch.requests is not None:
        yield InputFile(map(dump_line, batch.requests), model_ids=models)
        return
    uri = f"s3://{batch.bucket}/{batch.key}"
    try:
        if not batch.is_folder:
            yield InputFile(_plain(batch, stream_object(batch.bucket, batch.key), uri), model_ids=models)
            return
        for key in list_keys(batch.bucket, batch.key):
            if key.endswith(JSON_LINES_SUFFIX):
                uri = f"s3://{batch.bucket}/{key}"
                chunks = _plain(batch, stream_object(batch.bucket, key), uri)
                yield InputFile(chunks, uri, f"{key.removeprefix(batch.key)}-", models)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNREADABLE:
            raise InvalidBatch(f"{input_field(batch)}: {uri} does not exist or cannot be read") from None
        raise


def _plain(batch: Batch, chunks: Iterator[bytes], uri: str) -> Iterator[bytes]:
    """Return the chunks of a file. Raise InvalidBatch if it is compressed or not in UTF-8."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= SIGNATURE_BYTES:
            break
    if found := unsupported_format(first[:SIGNATURE_BYTES]):
        raise InvalidBatch(
            f"{input_field(batch)}: {uri} is {found}; must be UTF-8 text that is not compressed"
        )
    return chain([first], chunks)


def input_field(batch: Batch) -> str:
    """Return the field with the location of the input."""
    return "prefix" if batch.is_folder else "inputS3Uri"


def no_records(batch: Batch) -> InvalidBatch:
    """Return the error of a batch without records."""
    files = " in .jsonl files" if batch.is_folder else ""
    return InvalidBatch(f"{input_field(batch)}: s3://{batch.bucket}/{batch.key} has no records{files}")
