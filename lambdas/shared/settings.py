"""What a function is told through its environment, read and checked once per execution environment."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_STATE_MACHINE = re.compile(r"arn:[a-z-]+:states:[a-z0-9-]+:\d{12}:stateMachine:[^:]+")
_QUEUE = re.compile(r"arn:[a-z-]+:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+")


class SettingsError(Exception):
    """An environment variable is missing or wrong; the message names it and what it takes."""


@dataclass(frozen=True)
class ModelSettings:
    """Which models are called where.

    Attributes:
        models: names or ids, the preferred one first.
        regions: AWS regions, the preferred one first.
        table: name of the DynamoDB table that holds the catalog.
    """

    models: tuple[str, ...]
    regions: tuple[str, ...]
    table: str


@dataclass(frozen=True)
class BatchSettings:
    """Where batches are kept and how they are cut.

    Attributes:
        bucket: everything of a batch is in here, under `batches/{batchId}/`.
        input_buckets: further buckets that an input file may be read from.
        shard_size: most records of one shard.
        worker_concurrency: Converse calls that one worker makes at once.
        map_concurrency: workers of one batch that run at once.
    """

    bucket: str
    input_buckets: tuple[str, ...]
    shard_size: int
    worker_concurrency: int
    map_concurrency: int


@dataclass(frozen=True)
class EventSettings:
    """Where the events door takes messages from, and where it tells what became of them.

    Attributes:
        request_queue_url: the queue that messages come from.
        dead_letter_queue_url: where those go that can never work.
        reply_queues: ARNs of the queues that a request may have its outcome sent to.
        max_tries: how often what a message asks for is tried; the queue hands it over once more than that.
    """

    request_queue_url: str
    dead_letter_queue_url: str
    reply_queues: tuple[str, ...]
    max_tries: int


@cache
def model_settings() -> ModelSettings:
    """Settings for calling models.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    regions = _names("LLMMANAGER_REGIONS")
    for region in regions:
        _require(_REGION.fullmatch(region), "LLMMANAGER_REGIONS", "a JSON list of AWS regions", region)
    return ModelSettings(_names("LLMMANAGER_MODELS"), regions, _text("LLMMANAGER_TABLE"))


@cache
def batch_settings() -> BatchSettings:
    """Settings for batches.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    return BatchSettings(
        bucket=_bucket("LLMMANAGER_BUCKET", _text("LLMMANAGER_BUCKET")),
        input_buckets=tuple(
            _bucket("LLMMANAGER_INPUT_BUCKETS", name)
            for name in _names("LLMMANAGER_INPUT_BUCKETS", default="[]")
        ),
        shard_size=_count("LLMMANAGER_SHARD_SIZE"),
        worker_concurrency=_count("LLMMANAGER_WORKER_CONCURRENCY"),
        map_concurrency=_count("LLMMANAGER_MAP_CONCURRENCY"),
    )


@cache
def batch_state_machine_arn() -> str:
    """ARN of the state machine that runs batches.

    Raises:
        SettingsError: the variable is missing or wrong.
    """
    name = "LLMMANAGER_BATCH_STATE_MACHINE_ARN"
    arn = _text(name)
    _require(_STATE_MACHINE.fullmatch(arn), name, "the ARN of a state machine", arn)
    return arn


@cache
def request_table() -> str:
    """Name of the DynamoDB table that remembers requests by their idempotency keys.

    Raises:
        SettingsError: the variable is missing.
    """
    return _text("LLMMANAGER_REQUEST_TABLE")


@cache
def event_settings() -> EventSettings:
    """Settings of the events door.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    reply_queues = _names("LLMMANAGER_REPLY_QUEUES", default="[]")
    for arn in reply_queues:
        _require(_QUEUE.fullmatch(arn), "LLMMANAGER_REPLY_QUEUES", "a JSON list of ARNs of queues", arn)
    return EventSettings(
        request_queue_url=_text("LLMMANAGER_REQUEST_QUEUE_URL"),
        dead_letter_queue_url=_text("LLMMANAGER_DEAD_LETTER_QUEUE_URL"),
        reply_queues=reply_queues,
        max_tries=_count("LLMMANAGER_MAX_TRIES"),
    )


@cache
def event_bus() -> str:
    """Name of the bus that outcomes are published on.

    Raises:
        SettingsError: the variable is missing.
    """
    return _text("LLMMANAGER_EVENT_BUS")


@cache
def request_queue_url() -> str | None:
    """URL of the queue for requests that are answered later; None where there is none."""
    return os.environ.get("LLMMANAGER_REQUEST_QUEUE_URL", "").strip() or None


@cache
def request_lost_seconds() -> int:
    """How old a request is, in seconds, when nothing will work at it any more.

    Raises:
        SettingsError: the variable is missing or wrong.
    """
    return _count("LLMMANAGER_REQUEST_LOST_SECONDS")


def _text(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} must be set")
    return value


def _names(name: str, *, default: str | None = None) -> tuple[str, ...]:
    text = os.environ.get(name, "").strip() or default or _text(name)
    takes = "a JSON list of distinct, non-empty strings"
    try:
        values = json.loads(text)
    except ValueError:
        raise SettingsError(f"{name} must be {takes} (got {text!r})") from None
    sound = isinstance(values, list) and all(isinstance(value, str) and value for value in values)
    _require(sound and len(set(values)) == len(values), name, takes, text)
    _require(values or default, name, "a JSON list of at least one string", text)
    return tuple(values)


def _bucket(name: str, value: str) -> str:
    _require(_BUCKET.fullmatch(value), name, "made of S3 bucket names", value)
    return value


def _count(name: str) -> int:
    text = _text(name)
    _require(text.isascii() and text.isdigit() and int(text) > 0, name, "an integer of at least 1", text)
    return int(text)


def _require(holds: object, name: str, takes: str, value: str) -> None:
    if not holds:
        raise SettingsError(f"{name} must be {takes} (got {value!r})")
