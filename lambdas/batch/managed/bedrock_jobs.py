"""Bedrock's operations for managed batch jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError

from lambdas.batch.managed.job_files import OUTPUT, JobAttempt, JobIntent, JobStatus, short_reason
from lambdas.shared import clients
from lambdas.shared.function_log import logger
from lambdas.shared.settings import job_role_arn

ENDED: Final = frozenset({"Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired"})
"""The statuses of a job that has ended."""
UNKNOWN: Final = "Unknown"
"""The status of a job that Bedrock does not know, or no longer."""
STOPPING: Final = "Stopping"
_MAX_NAME: Final = 63
# The last one: another request creates the same job at this moment.
_TEMPORARY: Final = frozenset({"ServiceQuotaExceededException", "ThrottlingException", "ConflictException"})


class JobRejected(Exception):
    """Bedrock does not create the job, and would not create it later. The message says why."""


class JobPostponed(Exception):
    """Bedrock does not create the job now, for example for lack of quota. The message says why."""


def new_job_name(batch_id: str, attempt: JobAttempt, token: str) -> str:
    """Return a name that no other job has: `{batch}-{job}-{attempt}-{start of the token}`."""
    end = f"-{attempt.job:05d}-{attempt.number:03d}-{token[:12]}"
    start = re.sub(r"[^a-zA-Z0-9]+", "-", batch_id).strip("-")[: _MAX_NAME - len(end)].rstrip("-")
    return f"{start or 'batch'}{end}"


def create_job(attempt: JobAttempt, intent: JobIntent) -> str:
    """Create the job of an intent and return its ARN. If it exists, return the ARN of the existing job.

    Raises:
        JobRejected, JobPostponed: there is no such job.
        BotoCoreError, ClientError: it is unknown whether the job exists.
    """
    try:
        created = clients.bedrock(intent.region).create_model_invocation_job(
            jobName=intent.name,
            clientRequestToken=intent.token,
            roleArn=job_role_arn(),
            modelId=intent.invoke_id,
            modelInvocationType="Converse",
            inputDataConfig={
                "s3InputDataConfig": {
                    "s3Uri": f"s3://{attempt.storage.bucket}/{attempt.input_key(intent.token)}",
                    "s3InputFormat": "JSONL",
                }
            },
            outputDataConfig={"s3OutputDataConfig": {"s3Uri": attempt.uri(OUTPUT)}},
            timeoutDurationInHours=intent.timeout_hours,
        )
    except ClientError as error:
        if not _is_rejected(error):
            raise
        # An earlier request may have created the job, and Bedrock may check the request before the token.
        arn = _find_job(intent)
        if arn is None:
            raise _not_created(error) from None
    else:
        arn = created["jobArn"]
    attempt.put_arn(arn)
    logger.info("job created", extra={"job_arn": arn, "records": intent.records})
    return arn


def get_job(region: str, arn: str, *, last: JobStatus, now: datetime) -> JobStatus:
    """Return the status of a job.

    Args:
        last: its last known status.

    Raises:
        BotoCoreError, ClientError: the request failed.
    """
    try:
        job = clients.bedrock(region).get_model_invocation_job(jobIdentifier=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        job = {"status": UNKNOWN, "message": "Bedrock does not know the job"}
    return _status(job, last, now)


def ended_unseen(last: JobStatus, *, now: datetime) -> JobStatus:
    """Return the status of a job that has ended while its status could not be read."""
    at = now.isoformat()
    message = "the status of the job cannot be read"
    return replace(last, status=UNKNOWN, message=message, ended_at=at, seen_ended_at=at)


def stop_job(region: str, arn: str) -> None:
    """Request that a job stops. A job that has ended or is stopping is left as it is.

    Raises:
        BotoCoreError, ClientError: the stop was not accepted.
    """
    bedrock = clients.bedrock(region)
    try:
        bedrock.stop_model_invocation_job(jobIdentifier=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return
        status = bedrock.get_model_invocation_job(jobIdentifier=arn)["status"]
        if status not in ENDED and status != STOPPING:
            raise


def has_ended(status: JobStatus) -> bool:
    """Whether a job has ended."""
    return status.status in ENDED or status.status == UNKNOWN


def _find_job(intent: JobIntent) -> str | None:
    """Return the ARN of the job with the name of the intent, or None.

    Raises:
        BotoCoreError, ClientError: the jobs cannot be listed for now.
    """
    try:
        listed = clients.bedrock(intent.region).list_model_invocation_jobs(nameContains=intent.name)
    except ClientError as error:
        if not _is_rejected(error) or error.response["Error"]["Code"] in _TEMPORARY:
            raise
        logger.warning("cannot list jobs", extra={"code": error.response["Error"]["Code"]})
        return None
    found = [job for job in listed.get("invocationJobSummaries", ()) if job["jobName"] == intent.name]
    return found[0]["jobArn"] if found else None


def _is_rejected(error: ClientError) -> bool:
    """Whether Bedrock has rejected a request, so that the request had no effect."""
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in _TEMPORARY or status < HTTPStatus.INTERNAL_SERVER_ERROR


def _not_created(error: ClientError) -> JobRejected | JobPostponed:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    reason = short_reason(f"{code}: {message}")
    return JobPostponed(reason) if code in _TEMPORARY else JobRejected(reason)


def _status(job: Mapping[str, Any], last: JobStatus, now: datetime) -> JobStatus:
    status = job["status"]
    ended_at = seen = ""
    if status in ENDED or status == UNKNOWN:
        seen = last.seen_ended_at or now.isoformat()
        end = job.get("endTime") or job.get("lastModifiedTime")
        ended_at = end.astimezone(UTC).isoformat() if isinstance(end, datetime) else last.ended_at or seen
    return JobStatus(
        status=status,
        message=short_reason(job.get("message") or ""),
        total=job.get("totalRecordCount") or last.total,
        processed=job.get("processedRecordCount") or last.processed,
        succeeded=job.get("successRecordCount") or last.succeeded,
        failed=job.get("errorRecordCount") or last.failed,
        ended_at=ended_at,
        seen_ended_at=seen,
        stop_requested_at=last.stop_requested_at,
        stop_cause=last.stop_cause,
    )
