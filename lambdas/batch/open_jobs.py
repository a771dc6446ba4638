"""The managed batch jobs of a batch that have not ended."""

from __future__ import annotations

import json
from collections import defaultdict

from lambdas.batch.s3_objects import list_keys
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject


def records_in_jobs(storage: BatchStorage) -> int:
    """Return the number of records in attempts at managed batch jobs that are still open."""
    intents = (json.loads(storage.read(f"{folder}/{BatchObject.JOB_INTENT}")) for folder in _open(storage))
    return sum(intent["records"] for intent in intents)


def open_jobs(storage: BatchStorage) -> set[int]:
    """Return the numbers of the jobs with an attempt that is still open."""
    prefix = storage.key(BatchObject.JOBS)
    return {int(folder.removeprefix(prefix).partition("/")[0]) for folder in _open(storage)}


def _open(storage: BatchStorage) -> list[str]:
    """Return the folders of the attempts that are open: those with an intent and without an end."""
    folders: dict[str, set[str]] = defaultdict(set)
    for key in list_keys(storage.bucket, storage.key(BatchObject.JOBS)):
        folder, _, name = key.rpartition("/")
        folders[folder].add(name)
    return [
        folder
        for folder, names in folders.items()
        if BatchObject.JOB_INTENT in names and BatchObject.JOB_CLOSED not in names
    ]
