"""Settings of the functions, read from environment variables once for each execution environment."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache

from lambdas.contract import EnvironmentVariable

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_STATE_MACHINE = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[^:]+")
_QUEUE = re.compile(r"arn:[a-z-]+:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+")


class SettingsError(Exception):
    """An environment variable is missing or invalid; the message has its name and the accepted values."""


@dataclass(frozen=True)
class ModelSettings:
    """The models and regions to call.

    Attributes:
        models: names or ids, the preferred one first.
        regions: AWS regions, the preferred one first.
        table: name of the DynamoDB table with the catalog.
    """

    models: tuple[str, ...]
    regions: tuple[str, ...]
    table: str


@dataclass(frozen=True)
class BatchSettings:
    """Where batches are stored, and how they are divided.

    Attributes:
        bucket: the bucket of the stack. The files of a batch are under `batches/{batchId}/`.
        input_buckets: other buckets from which input files may be read.
        shard_size: maximum number of records in a shard.
        worker_concurrency: number of parallel Converse calls of a worker.
        map_concurrency: number of parallel workers of a batch.
        single_request_share: the part of each quota that batches leave to single requests.
    """

    bucket: str
    input_buckets: tuple[str, ...]
    shard_size: int
    worker_concurrency: int
    map_concurrency: int
    single_request_share: float


@dataclass(frozen=True)
class EventSettings:
    """The queues of the events function.

    Attributes:
        request_queue_url: the queue with the messages.
        dead_letter_queue_url: the queue for messages that failed permanently.
        reply_queues: ARNs of the queues to which a request may have its outcome sent.
        max_tries: how often a request is tried. The queue delivers a message one time more.
    """

    request_queue_url: str
    dead_letter_queue_url: str
    reply_queues: tuple[str, ...]
    max_tries: int


@cache
def model_settings() -> ModelSettings:
    """Return the settings for calling models.

    Raises:
        SettingsError: a variable is missing or invalid.
    """
    regions = _names(EnvironmentVariable.REGIONS)
    for region in regions:
        _require(_REGION.fullmatch(region), EnvironmentVariable.REGIONS, "a JSON list of AWS regions", region)
    return ModelSettings(_names(EnvironmentVariable.MODELS), regions, _text(EnvironmentVariable.TABLE))


@cache
def batch_settings() -> BatchSettings:
    """Return the settings for batches.

    Raises:
        SettingsError: a variable is missing or invalid.
    """
    return BatchSettings(
        bucket=_bucket(EnvironmentVariable.BUCKET, _text(EnvironmentVariable.BUCKET)),
        input_buckets=tuple(
            _bucket(EnvironmentVariable.INPUT_BUCKETS, name)
            for name in _names(EnvironmentVariable.INPUT_BUCKETS, default="[]")
        ),
        shard_size=_count(EnvironmentVariable.SHARD_SIZE),
        worker_concurrency=_count(EnvironmentVariable.WORKER_CONCURRENCY),
        map_concurrency=_count(EnvironmentVariable.MAP_CONCURRENCY),
        single_request_share=_share(EnvironmentVariable.SINGLE_REQUEST_SHARE, default=0.1),
    )


@cache
def batch_state_machine_arn() -> str:
    """Return the ARN of the batch state machine.

    Raises:
        SettingsError: the variable is missing or invalid.
    """
    name = EnvironmentVariable.BATCH_STATE_MACHINE_ARN
    arn = _text(name)
    _require(_STATE_MACHINE.fullmatch(arn), name, "the ARN of a state machine", arn)
    return arn


@cache
def request_table() -> str:
    """Return the name of the DynamoDB table of requests and their idempotency keys.

    Raises:
        SettingsError: the variable is missing.
    """
    return _text(EnvironmentVariable.REQUEST_TABLE)


@cache
def key_table() -> str:
    """Return the name of the DynamoDB table of API keys.

    Raises:
        SettingsError: the variable is missing.
    """
    return _text(EnvironmentVariable.KEY_TABLE)


@cache
def event_settings() -> EventSettings:
    """Return the settings of the events function.

    Raises:
        SettingsError: a variable is missing or invalid.
    """
    reply_queues = _names(EnvironmentVariable.REPLY_QUEUES, default="[]")
    for arn in reply_queues:
        _require(
            _QUEUE.fullmatch(arn),
            EnvironmentVariable.REPLY_QUEUES,
            "a JSON list of ARNs of standard queues",
            arn,
        )
    return EventSettings(
        request_queue_url=_text(EnvironmentVariable.REQUEST_QUEUE_URL),
        dead_letter_queue_url=_text(EnvironmentVariable.DEAD_LETTER_QUEUE_URL),
        reply_queues=reply_queues,
        max_tries=_count(EnvironmentVariable.MAX_TRIES),
    )


@cache
def event_bus() -> str:
    """Return the name of the event bus for outcomes.

    Raises:
        SettingsError: the variable is missing.
    """
    return _text(EnvironmentVariable.EVENT_BUS)


@cache
def request_queue_url() -> str | None:
    """Return the URL of the queue for asynchronous requests, or None if the stack has none."""
    return os.environ.get(EnvironmentVariable.REQUEST_QUEUE_URL, "").strip() or None


@cache
def request_lost_seconds() -> int:
    """Return the age in seconds after which an unanswered request is lost.

    Raises:
        SettingsError: the variable is missing or invalid.
    """
    return _count(EnvironmentVariable.REQUEST_LOST_SECONDS)


def _text(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} must be set")
    return value


def _names(name: str, *, default: str | None = None) -> tuple[str, ...]:
    text = os.environ.get(name, "").strip() or default or _text(name)
    accepted = "a JSON list of distinct, non-empty strings"
    try:
        values = json.loads(text)
    except ValueError:
        raise SettingsError(f"{name} must be {accepted} (got {text!r})") from None
    valid = isinstance(values, list) and all(isinstance(value, str) and value for value in values)
    _require(valid and len(set(values)) == len(values), name, accepted, text)
    _require(values or default, name, "a JSON list of at least one string", text)
    return tuple(values)


def _bucket(name: str, value: str) -> str:
    _require(_BUCKET.fullmatch(value), name, "valid S3 bucket names", value)
    return value


def _count(name: str) -> int:
    text = _text(name)
    _require(text.isascii() and text.isdigit() and int(text) > 0, name, "an integer of at least 1", text)
    return int(text)


def _share(name: str, *, default: float) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    _require(_NUMBER.fullmatch(text) and float(text) < 1, name, "a number from 0 to below 1", text)
    return float(text)


def _require(condition: object, name: str, accepted: str, value: str) -> None:
    if not condition:
        raise SettingsError(f"{name} must be {accepted} (got {value!r})")
