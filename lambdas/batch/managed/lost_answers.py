"""The answers of a job that may have been billed and are not in its output."""

from __future__ import annotations

from typing import Final

from lambdas.batch.managed.import_progress import ImportProgress
from lambdas.batch.managed.job_files import JobAttempt, JobIntent, JobStatus
from lambdas.batch.managed.output_files import processed_in_manifest

_COMPLETED: Final = frozenset({"Completed", "PartiallyCompleted"})


def lost_answers(
    attempt: JobAttempt, intent: JobIntent, status: JobStatus, progress: ImportProgress, *, has_output: bool
) -> int:
    """Return the number of records that may have been billed and have no line in the output.

    Args:
        status: the last status of the job.
        progress: what the import has found.
        has_output: whether the job has an output file.
    """
    processed = max(status.processed, processed_in_manifest(attempt) or 0)
    if not has_output and not processed and is_uncounted(status):
        processed = intent.records
    return max(0, min(processed, intent.records) - progress.found - progress.errors.total())


def is_uncounted(status: JobStatus) -> bool:
    """Whether a job is completed or its status was never read, and Bedrock has not counted its records."""
    return not status.total and (status.status in _COMPLETED or not status.status)
