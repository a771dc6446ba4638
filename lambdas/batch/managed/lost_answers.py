"""The answers of a job that may have been billed and are not in its output."""

from __future__ import annotations

import json
from typing import Final

from lambdas.batch.managed.import_progress import ImportProgress
from lambdas.batch.managed.job_files import OUTPUT, JobAttempt, JobIntent, JobStatus
from lambdas.batch.s3_objects import list_keys
from lambdas.shared.function_log import logger

_COMPLETED: Final = frozenset({"Completed", "PartiallyCompleted"})
_MANIFEST: Final = "manifest.json.out"


def lost_answers(
    attempt: JobAttempt, intent: JobIntent, status: JobStatus, progress: ImportProgress, *, has_output: bool
) -> int:
    """Return the number of records that may have been billed and have no line in the output.

    Args:
        status: the last status of the job.
        progress: what the import has found.
        has_output: whether the job has an output file.
    """
    processed = max(status.processed, _processed_in_manifest(attempt))
    if not has_output and not processed and is_uncounted(status):
        processed = intent.records
    return max(0, min(processed, intent.records) - progress.found - progress.errors.total())


def is_uncounted(status: JobStatus) -> bool:
    """Whether a job is completed, and Bedrock has not counted its records."""
    return status.status in _COMPLETED and not status.total


def _processed_in_manifest(attempt: JobAttempt) -> int:
    storage = attempt.storage
    for key in list_keys(storage.bucket, attempt.key(OUTPUT)):
        if key.endswith(_MANIFEST):
            try:
                return int(json.loads(storage.read(key)).get("processedRecordCount") or 0)
            except (ValueError, AttributeError, TypeError):
                logger.warning("the manifest of a job is not readable", extra={"key": key})
    return 0
