"""The records of a batch that wait in its managed batch jobs."""

from __future__ import annotations

import json
from collections import defaultdict

from lambdas.batch.s3_objects import list_keys
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject


def records_in_jobs(storage: BatchStorage) -> int:
    """Return the number of records in attempts at managed batch jobs that are still open."""
    folders: dict[str, set[str]] = defaultdict(set)
    for key in list_keys(storage.bucket, storage.key(BatchObject.JOBS)):
        folder, _, name = key.rpartition("/")
        folders[folder].add(name)
    opened = [
        folder
        for folder, names in folders.items()
        if BatchObject.JOB_INTENT in names and BatchObject.JOB_CLOSED not in names
    ]
    intents = (json.loads(storage.read(f"{folder}/{BatchObject.JOB_INTENT}")) for folder in opened)
    return sum(intent["records"] for intent in intents)
