"""Reads and checks the input files of a batch job."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ServiceError, invalid
from .job_rules import JobSettings
from .s3_objects import JobFile
from .shapes import check_shape
from .tokens import parts


class InvalidInput(Exception):
    """The input makes the whole job fail."""


@dataclass(frozen=True)
class JobRecord:
    """A line of an input file.

    Attributes:
        file: the name of the file.
        record_id: the id in the line, or a generated one.
        model_input: the request.
        problem: why the record fails; None if it can be sent to the model.
    """

    file: str
    record_id: str
    model_input: Any
    problem: ServiceError | None


def check_sizes(files: list[JobFile], settings: JobSettings) -> None:
    """Raise InvalidInput if a file, or all files together, are too large."""
    for file in files:
        if file.size > settings.max_file_bytes:
            raise InvalidInput(
                f"The size of {file.key} is {file.size} bytes. The maximum is {settings.max_file_bytes}."
            )
    total = sum(file.size for file in files)
    if total > settings.max_job_bytes:
        raise InvalidInput(
            f"The size of the input is {total} bytes. The maximum is {settings.max_job_bytes}."
        )


def read_records(contents: Mapping[str, bytes], settings: JobSettings, *, media: str) -> list[JobRecord]:
    """Return the records of the files.

    Raise InvalidInput for a line that is not a record, or a wrong number of records.

    Args:
        contents: the content of each file by its name.
        media: the `s3://` URI of the folder in which media must lie.
    """
    records = [record for file, content in contents.items() for record in _records(file, content, media)]
    if len(records) < settings.min_records:
        raise InvalidInput(
            f"The input has {len(records)} records, fewer than the minimum of {settings.min_records}."
        )
    if len(records) > settings.max_records:
        raise InvalidInput(
            f"The input has {len(records)} records, more than the maximum of {settings.max_records}."
        )
    return records


def _records(file: str, content: bytes, media: str) -> Iterator[JobRecord]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            parsed = json.loads(line)
            model_input = parsed["modelInput"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InvalidInput(f"Line {number} of {file} is not a JSON object with modelInput.") from None
        record_id = str(parsed.get("recordId") or f"RECORD{number:08d}")
        yield JobRecord(file, record_id, model_input, _problem(model_input, media))


def _problem(request: Any, media: str) -> ServiceError | None:
    try:
        check_shape("ConverseRequest", request)
        _check_supported(request)
        _check_media(request, media)
    except ServiceError as error:
        return error
    return None


def _check_supported(request: Mapping[str, Any]) -> None:
    """Raise ServiceError for what batch jobs do not support."""
    for member, feature in (
        ("toolConfig", "tool use"),
        ("outputConfig", "structured output"),
        ("guardrailConfig", "guardrails"),
        ("serviceTier", "service tiers"),
    ):
        if request.get(member):
            raise invalid(f"Batch inference does not support {feature} ({member}).")
    for part in parts(request):
        if "cachePoint" in part:
            raise invalid("Batch inference does not support prompt caching (cachePoint).")


def _check_media(request: Mapping[str, Any], media: str) -> None:
    for part in parts(request):
        for block in part.values():
            source = block.get("source") if isinstance(block, Mapping) else None
            uri = (source.get("s3Location") or {}).get("uri", "") if isinstance(source, Mapping) else ""
            if uri and not uri.startswith(media):
                raise invalid(f"The media file {uri} is not in the input folder of the job.")
