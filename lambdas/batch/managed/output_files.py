"""The files that Bedrock writes as the output of a job."""

from __future__ import annotations

import json
from typing import Final

from lambdas.batch.managed.job_files import OUTPUT, JobAttempt
from lambdas.batch.s3_objects import list_keys
from lambdas.shared.function_log import logger

_RECORDS: Final = ".jsonl.out"
_MANIFEST: Final = "manifest.json.out"


def output_files(attempt: JobAttempt) -> list[str]:
    """Return the keys of the files with answers, in order."""
    return [key for key in _keys(attempt) if key.endswith(_RECORDS)]


def processed_in_manifest(attempt: JobAttempt) -> int | None:
    """Return the number of processed records, or None without a manifest, which Bedrock writes at the end."""
    for key in _keys(attempt):
        if key.endswith(_MANIFEST):
            try:
                return int(json.loads(attempt.storage.read(key)).get("processedRecordCount") or 0)
            except (ValueError, AttributeError, TypeError):
                logger.warning("the manifest of a job is not readable", extra={"key": key})
                return 0
    return None


def _keys(attempt: JobAttempt) -> list[str]:
    return list(list_keys(attempt.storage.bucket, attempt.key(OUTPUT)))
