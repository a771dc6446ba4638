"""Stop the jobs of an execution that has ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.managed.bedrock_jobs import JobPostponed, JobRejected, create_job, stop_job
from lambdas.batch.managed.job_files import JobAttempt, open_attempts
from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger

_PARALLEL_STOPS = 8


class JobsNotStopped(Exception):
    """The stop of at least one job was not accepted."""


def stop_open_jobs(storage: BatchStorage, *, run: str | None = None) -> None:
    """Stop the jobs of open attempts, after the stop reason of the run was written.

    A function that still runs either reads the stop reason after it has written an intent, and creates no
    job, or its intent is found here. Whether a job exists is unknown without `created.json`. It is created
    again with the same token then, which returns an existing job.

    Args:
        run: the execution whose jobs are stopped; None for all jobs of the batch.

    Raises:
        JobsNotStopped: a stop was not accepted.
    """
    attempts = open_attempts(storage)
    with ThreadPoolExecutor(_PARALLEL_STOPS) as pool:
        stops = pool.map(partial(_try_to_stop, run=run), attempts)
        failed = [error for error in stops if error is not None]
    if failed:
        raise JobsNotStopped(f"{len(failed)} of {len(attempts)} jobs were not stopped: {failed[0]}")


def _try_to_stop(attempt: JobAttempt, *, run: str | None) -> Exception | None:
    """Stop the job of an attempt, if it is of this run. Return the error of a stop that was not accepted."""
    try:
        intent = attempt.intent()
        if run is None or intent.run == run:
            arn = attempt.arn() or create_job(attempt, intent)
            stop_job(intent.region, arn)
            logger.info("job stopped", extra={"job_arn": arn})
    except (JobRejected, JobPostponed) as error:
        logger.info("job was not created", extra={"reason": str(error)})
    except (BotoCoreError, ClientError) as error:
        failure: Exception = error
        return failure
    return None
