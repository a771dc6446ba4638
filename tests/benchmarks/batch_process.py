"""A batch's function in a process of its own, with what it takes of time and memory.

    python -m tests.benchmarks.batch_process input COUNT URI [MAX_TOKENS]   write an input of 2 KB a record
    python -m tests.benchmarks.batch_process plan URI [OPTIONS]   plan a batch; prints what the map is given
    python -m tests.benchmarks.batch_process worker               the shard on stdin, until it is done
    python -m tests.benchmarks.batch_process job                  the job on stdin, until it is done
    python -m tests.benchmarks.batch_process rest                 what the jobs of the plan on stdin have left
    python -m tests.benchmarks.batch_process collect              the results of the batch on stdin

Prints one JSON document; what the function logs is thrown away.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from lambdas.batch import collect, plan, worker
from lambdas.batch.managed import job_step
from lambdas.batch.object_writer import ObjectWriter

PROMPT = "Sum up. " + "word " * 365
CONTEXT = SimpleNamespace(
    function_name="benchmark",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:benchmark",
    aws_request_id="benchmark",
    get_remaining_time_in_millis=lambda: 900_000,
)


def main() -> None:
    results = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    command, *arguments = sys.argv[1:]
    commands: dict[str, Callable[..., Any]] = {
        "input": write_input,
        "plan": run_plan,
        "worker": run_worker,
        "job": run_job,
        "rest": run_rest,
        "collect": run_collect,
    }
    wall, cpu = time.perf_counter(), time.process_time()
    returned = commands[command](*arguments)
    measured = {
        "seconds": time.perf_counter() - wall,
        "cpuSeconds": time.process_time() - cpu,
        "peakMb": peak_mb(),
        "returned": returned,
    }
    results.write(json.dumps(measured) + "\n")


def write_input(count: str, uri: str, max_tokens: str = "500") -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with ObjectWriter(bucket, key) as file:
        for number in range(int(count)):
            messages = [{"role": "user", "content": [{"text": f"{number}: {PROMPT}"}]}]
            record = {
                "recordId": f"record-{number}",
                "modelInput": {"messages": messages, "inferenceConfig": {"maxTokens": int(max_tokens)}},
            }
            file.write(json.dumps(record).encode() + b"\n")


def run_plan(uri: str, options: str = "{}") -> Any:
    data = {"inputS3Uri": uri, **json.loads(options)}
    return plan.handler({"executionName": uri.rpartition("/")[2], "runsJobs": True, "input": data}, CONTEXT)


def run_worker() -> Any:
    item = json.load(sys.stdin)
    while not item.get("done"):
        item = worker.handler(item, CONTEXT)
    return item


def run_job() -> Any:
    # FakeBedrock's jobs end at once, so there is nothing to wait for.
    item = json.load(sys.stdin)
    while not item.get("done"):
        item = job_step.handler(item, CONTEXT)
    return item


def run_rest() -> Any:
    return job_step.handler(json.load(sys.stdin), CONTEXT)


def run_collect() -> Any:
    return collect.handler(json.load(sys.stdin), CONTEXT)


def peak_mb() -> float:
    """The most memory that this process held; `getrusage` would count its parent's before the start too."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
