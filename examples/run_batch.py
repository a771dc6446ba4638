"""Run a file of requests as a batch on the deployed stack, and fetch its results.

    python run_batch.py FILE [FOLDER]

The results are written to FOLDER (default: batch-results). BATCH_BUCKET and BATCH_MACHINE_ARN are the stack's
outputs BatchBucketName and BatchStateMachineArn; `make local` and `python -m infra.outputs` print them.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

NEEDED = ("BATCH_BUCKET", "BATCH_MACHINE_ARN")
RESULTS = ("results.jsonl", "failed.jsonl", "rejected.jsonl", "summary.json")


def main(file: str, folder: str = "batch-results") -> int:
    bucket = os.environ["BATCH_BUCKET"]
    s3, states = boto3.client("s3"), boto3.client("stepfunctions")
    key = f"inputs/{uuid.uuid4()}/{Path(file).name}"
    s3.upload_file(file, bucket, key)
    arn = states.start_execution(
        stateMachineArn=os.environ["BATCH_MACHINE_ARN"],
        input=json.dumps({"inputS3Uri": f"s3://{bucket}/{key}"}),
    )["executionArn"]
    batch_id = arn.rsplit(":", 1)[1]
    print("batch", batch_id, "runs", flush=True)
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(1)
    if execution["status"] != "SUCCEEDED":
        print(execution["status"], execution.get("error"), execution.get("cause"), file=sys.stderr)
        return 1
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in RESULTS:
        s3.download_file(bucket, f"batches/{batch_id}/{name}", str(target / name))
    summary = json.loads((target / "summary.json").read_text("utf-8"))
    print(summary["answered"], "answered,", summary["failed"], "failed,", summary["rejected"], "rejected")
    print("results in", target.resolve())
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if missing := [name for name in NEEDED if name not in os.environ]:
        sys.exit(f"{' and '.join(missing)} must be set to the outputs of the stack (python -m infra.outputs)")
    try:
        sys.exit(main(*sys.argv[1:]))
    except NoCredentialsError:
        sys.exit("No AWS credentials were found: run `aws configure` or `aws login`, or set AWS_PROFILE.")
    except (BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"The batch could not be run: {error}")
