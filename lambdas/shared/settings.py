"""Settings of the functions, read from environment variables once for each execution environment.

Each function returns validated settings, or raises EnvironmentVariableError with the names of the variables
that are missing or invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from lambdas.contract import METRICS_NAMESPACE, EnvironmentVariable
from lambdas.shared.environment import (
    EnvironmentVariableError,
    Variable,
    count,
    flag,
    list_of,
    map_of,
    matching,
    read,
    share,
    text,
    variable,
)

__all__ = [
    "BatchSettings",
    "EnvironmentVariableError",
    "EventSettings",
    "ModelSettings",
    "batch_settings",
    "batch_state_machine_arn",
    "budget_max_tokens",
    "cors_origins",
    "event_bus",
    "event_settings",
    "job_role_arn",
    "key_table",
    "log_payloads",
    "metrics_namespace",
    "model_aliases",
    "model_settings",
    "request_lost_seconds",
    "request_queue_url",
    "request_table",
    "team_callers",
    "usage_table",
]

_REGION: Final = matching(r"[a-z]{2,}(-[a-z]+)+-\d+", "an AWS region")
_BUCKET: Final = matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a valid S3 bucket name")
_QUEUE_ARN: Final = matching(
    r"arn:[a-z-]+:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", "the ARN of a standard queue"
)
_STATE_MACHINE_ARN: Final = matching(
    r"arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[^:]+", "the ARN of a state machine"
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The models and regions to call.

    Attributes:
        models: names or ids, the preferred one first.
        regions: AWS regions, the preferred one first.
        table: name of the DynamoDB table with the catalog.
    """

    models: tuple[str, ...] = variable(EnvironmentVariable.MODELS, list_of("names", least=1))
    regions: tuple[str, ...] = variable(EnvironmentVariable.REGIONS, list_of("AWS regions", _REGION, least=1))
    table: str = variable(EnvironmentVariable.TABLE, text)


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Where batches are stored, and how they are divided.

    Attributes:
        bucket: the bucket of the stack. The files of a batch are under `batches/{batchId}/`.
        input_buckets: other buckets from which input files may be read.
        shard_size: maximum number of records in a shard.
        worker_concurrency: number of parallel Converse calls of a worker.
        map_concurrency: number of parallel workers of a batch.
        single_request_share: the part of each quota that batches leave to single requests.
        managed_lane: whether batches can use managed batch jobs.
    """

    bucket: str = variable(EnvironmentVariable.BUCKET, _BUCKET)
    input_buckets: tuple[str, ...] = variable(
        EnvironmentVariable.INPUT_BUCKETS, list_of("S3 bucket names", _BUCKET), default="[]"
    )
    shard_size: int = variable(EnvironmentVariable.SHARD_SIZE, count)
    worker_concurrency: int = variable(EnvironmentVariable.WORKER_CONCURRENCY, count)
    map_concurrency: int = variable(EnvironmentVariable.MAP_CONCURRENCY, count)
    single_request_share: float = variable(EnvironmentVariable.SINGLE_REQUEST_SHARE, share, default="0.1")
    managed_lane: bool = variable(EnvironmentVariable.MANAGED_LANE, flag, default="false")


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The queues of the events function.

    Attributes:
        request_queue_url: the queue with the messages.
        dead_letter_queue_url: the queue for messages that failed permanently.
        reply_queues: ARNs of the queues to which a request may have its outcome sent.
        max_tries: how often a request is tried. The queue delivers a message one time more.
    """

    request_queue_url: str = variable(EnvironmentVariable.REQUEST_QUEUE_URL, text)
    dead_letter_queue_url: str = variable(EnvironmentVariable.DEAD_LETTER_QUEUE_URL, text)
    reply_queues: tuple[str, ...] = variable(
        EnvironmentVariable.REPLY_QUEUES, list_of("ARNs of standard queues", _QUEUE_ARN), default="[]"
    )
    max_tries: int = variable(EnvironmentVariable.MAX_TRIES, count)


@cache
def model_settings() -> ModelSettings:
    """Return the settings for calling models."""
    return read(ModelSettings)


@cache
def batch_settings() -> BatchSettings:
    """Return the settings for batches."""
    return read(BatchSettings)


@cache
def event_settings() -> EventSettings:
    """Return the settings of the events function."""
    return read(EventSettings)


@cache
def batch_state_machine_arn() -> str:
    """Return the ARN of the batch state machine."""
    return Variable(EnvironmentVariable.BATCH_STATE_MACHINE_ARN, _STATE_MACHINE_ARN).read()


@cache
def job_role_arn() -> str:
    """Return the ARN of the role with which Bedrock reads and writes the files of managed batch jobs."""
    return Variable(EnvironmentVariable.JOB_ROLE_ARN, text).read()


@cache
def request_table() -> str:
    """Return the name of the DynamoDB table of requests and their idempotency keys."""
    return Variable(EnvironmentVariable.REQUEST_TABLE, text).read()


@cache
def key_table() -> str:
    """Return the name of the DynamoDB table of API keys."""
    return Variable(EnvironmentVariable.KEY_TABLE, text).read()


@cache
def usage_table() -> str:
    """Return the name of the DynamoDB table of usage and budgets."""
    return Variable(EnvironmentVariable.USAGE_TABLE, text).read()


@cache
def team_callers() -> tuple[str, ...]:
    """Return the ARNs of the IAM callers that can name a team. A `*` at the end of one matches every rest."""
    return Variable(EnvironmentVariable.TEAM_CALLERS, list_of("ARNs"), default='["*"]').read()


@cache
def budget_max_tokens() -> int:
    """Return the `maxTokens` of a request that has none and that a budget applies to."""
    return Variable(EnvironmentVariable.BUDGET_MAX_TOKENS, count, default="4096").read()


@cache
def model_aliases() -> Mapping[str, str]:
    """Return the configured models by the other names that clients of the streaming API can use for them."""
    return Variable(EnvironmentVariable.MODEL_ALIASES, map_of("names of models"), default="{}").read()


@cache
def cors_origins() -> tuple[str, ...]:
    """Return the origins of the web pages that can call the streaming API. "*" stands for all origins."""
    return Variable(EnvironmentVariable.CORS_ORIGINS, list_of("origins"), default="[]").read()


@cache
def event_bus() -> str:
    """Return the name of the event bus for outcomes."""
    return Variable(EnvironmentVariable.EVENT_BUS, text).read()


@cache
def request_queue_url() -> str | None:
    """Return the URL of the queue for asynchronous requests, or None if the stack has none."""
    return Variable(EnvironmentVariable.REQUEST_QUEUE_URL, text, default="").read() or None


@cache
def request_lost_seconds() -> int:
    """Return the age in seconds after which an unanswered request is lost."""
    return Variable(EnvironmentVariable.REQUEST_LOST_SECONDS, count).read()


@cache
def log_payloads() -> bool:
    """Whether prompts and answers are logged."""
    return Variable(EnvironmentVariable.LOG_PAYLOADS, flag, default="false").read()


@cache
def metrics_namespace() -> str:
    """Return the namespace of the stack's metrics."""
    return Variable(EnvironmentVariable.METRICS_NAMESPACE, text, default=METRICS_NAMESPACE).read()
