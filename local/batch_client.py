"""Submit a batch to the deployed API, wait for its end, and download its results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmmanager.batch_report.batch_folder import REPORT
from local.deployed_stack import Stack
from local.processes import LocalRunError


@dataclass(frozen=True)
class BatchResult:
    """Results of a finished batch.

    Attributes:
        folder: local folder with the downloaded result files.
        summary: content of summary.json.
        results: records of results.jsonl; `failed` and `rejected` likewise.
    """

    folder: Path
    summary: dict[str, Any]
    results: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    rejected: list[dict[str, Any]]


def submit(stack: Stack, body: dict[str, Any]) -> str:
    """Start a batch through the API; return its id."""
    return str(stack.api.post("/v1/batches", body).expect(202)["batchId"])


def wait_for_batch(
    stack: Stack,
    batch_id: str,
    *,
    seconds: float = 300,
    on_progress: Callable[[dict[str, Any]], None] = lambda _progress: None,
) -> dict[str, Any]:
    """Poll the API until the batch ends; return its final state.

    Args:
        on_progress: called with the `progress` of each state.

    Raises:
        LocalRunError: the batch does not end within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        state: dict[str, Any] = stack.api.get(f"/v1/batches/{batch_id}").expect(200)
        on_progress(state.get("progress") or {})
        if state["status"] != "running":
            return state
        if time.monotonic() > deadline:
            raise LocalRunError(
                f"batch {batch_id} is still running after {seconds:.0f} s: {json.dumps(state)}"
            )
        time.sleep(0.3)


def download_results(stack: Stack, batch_id: str, folder: Path) -> BatchResult:
    """Download the results of the batch from S3 to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    s3 = stack.client("s3")
    for name in ("summary.json", "results.jsonl", "failed.jsonl", "rejected.jsonl", REPORT):
        file = s3.get_object(Bucket=stack.bucket, Key=f"batches/{batch_id}/{name}")
        (folder / name).write_bytes(file["Body"].read())
    return BatchResult(
        folder=folder,
        summary=json.loads((folder / "summary.json").read_text("utf-8")),
        results=read_lines(folder / "results.jsonl"),
        failed=read_lines(folder / "failed.jsonl"),
        rejected=read_lines(folder / "rejected.jsonl"),
    )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
