"""Estimate what the stack adds to the tokens of a managed batch job of Bedrock.

Counts follow from the implementation of the stack; tests compare them with real runs. Durations are modelled.
Without jobs, the managed lane costs nothing: a role and a function have no price.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from infra.stack_cost.batch import (
    BYTES_PER_TOKEN,
    MB_PER_CPU,
    RECORD_BYTES,
    RESULT_BYTES,
    START_SECONDS,
    STEP_MEMORY_MB,
    BatchStack,
    part_uploads,
    shard_sizes,
)
from infra.stack_cost.prices import (
    GB_SECOND_USD,
    INVOCATION_USD,
    READ_UNIT_USD,
    S3_GB_MONTH_USD,
    S3_GET_USD,
    S3_PUT_USD,
    TRANSITION_USD,
    WRITE_UNIT_USD,
    CostLine,
    cost_line,
)
from infra.stack_cost.request import CONSISTENT_READ_UNITS, TRANSACTION_WRITE_UNITS
from lambdas.contract import seconds_to_next_poll

# In addition to those of a batch: RunLanes, AnyOtherShards, NoOtherShards, RunJobs, PlanRest, AnyRest.
LANE_TRANSITIONS: Final = 6
# S3 requests of a poll, of the first and the last step of a job, and of each of its shards in these steps.
POLL_GETS, POLL_LISTS = 6, 2
FIRST_GETS, FIRST_PUTS = 8, 8
LAST_GETS, LAST_PUTS = 13, 11
SHARD_GETS, SHARD_PUTS = 3, 4
REST_GETS, REST_PUTS = 3, 3
# The status is written when it changes: the job is validated, and then scheduled.
STATUS_GETS, STATUS_PUTS = 1, 3
# Measured on 2026-12-01 (see docs/costs.md): seconds of one CPU per record, to write the input and to import.
INPUT_CPU_SECONDS, IMPORT_CPU_SECONDS = 0.00015, 0.0005


def polls(job_seconds: float) -> int:
    """Return how often the stack asks for the status of a job that takes so many seconds."""
    age, count = 0.0, 0
    while age < job_seconds:
        age += math.ceil(seconds_to_next_poll(age))
        count += 1
    return count


def job_cost(
    *,
    records: int,
    input_tokens: int,
    output_tokens: int,
    job_seconds: float,
    stack: BatchStack | None = None,
) -> tuple[CostLine, ...]:
    """Return what a job costs in addition to its tokens and to the plan and the collection of its batch.

    Args:
        records: number of records of the job; all are answered.
        input_tokens, output_tokens: average per record.
        job_seconds: time from the creation of the job to its end.
        stack: settings; None for the defaults.
    """
    stack = stack or BatchStack()
    shards = sum(shard_sizes(records, shard_size=stack.shard_size, regions=stack.regions).values())
    return tuple(
        _lines(
            shards,
            waits=polls(job_seconds),
            cpu_seconds=records * (INPUT_CPU_SECONDS + IMPORT_CPU_SECONDS),
            input_bytes=records * (RECORD_BYTES + input_tokens * BYTES_PER_TOKEN),
            # Bedrock's output, and the result files that are made of it.
            output_bytes=2 * records * (RESULT_BYTES + output_tokens * BYTES_PER_TOKEN),
            months=stack.batch_expiry_days / 30,
        )
    )


def _lines(
    shards: int, *, waits: int, cpu_seconds: float, input_bytes: int, output_bytes: int, months: float
) -> Iterator[CostLine]:
    # The first step creates the job, the last one imports its output, and PlanRest is a step too.
    steps = waits + 1
    seconds = (steps + 1) * START_SECONDS + cpu_seconds * MB_PER_CPU / STEP_MEMORY_MB
    # Job: start, RunJob and JobDone for each step, WaitForJob, JobEnded.
    transitions = LANE_TRANSITIONS + 2 + 2 * steps + waits
    yield cost_line("Step Functions", "state transitions", transitions, TRANSITION_USD)
    yield cost_line("Lambda", "GB-seconds", seconds * STEP_MEMORY_MB / 1024, GB_SECOND_USD)
    yield cost_line("Lambda", "invocations", steps + 1, INVOCATION_USD)
    polled = waits - 1
    puts = FIRST_PUTS + STATUS_PUTS + LAST_PUTS + REST_PUTS + SHARD_PUTS * shards + POLL_LISTS * polled
    # A large input is a multipart upload.
    puts += part_uploads(input_bytes) - 1
    yield cost_line("S3", "PUT and LIST requests", puts, S3_PUT_USD)
    gets = FIRST_GETS + STATUS_GETS + LAST_GETS + REST_GETS + SHARD_GETS * shards + POLL_GETS * polled
    # Step Functions reads the items of the job.
    yield cost_line("S3", "GET requests", gets + 1, S3_GET_USD)
    yield cost_line("S3", "GB-months", (input_bytes + output_bytes) / 1e9 * months, S3_GB_MONTH_USD)
    yield cost_line("DynamoDB", "read units", 2 * CONSISTENT_READ_UNITS, READ_UNIT_USD)
    # The reservation of the budgets is written, and later deleted together with a write of the usage.
    yield cost_line("DynamoDB", "write units", 3 * TRANSACTION_WRITE_UNITS, WRITE_UNIT_USD)
