"""Move the messages of the dead-letter queue back to the request queue.

    python -m infra.replay_dlq --dead-letter-queue-url URL --request-queue-url URL

Each message is sent first and then deleted, so an interrupted command sends at most one message twice. Unlike
SQS's StartMessageMoveTask, it can select messages by their problem, and it removes the attributes that
describe the problem.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.credentials import in_one_line
from lambdas.contract import PROBLEM_ATTRIBUTE

# After this time, the messages that are not moved become visible again.
_VISIBILITY_TIMEOUT_SECONDS = 300


def replay(
    sqs: Any, *, dead_letter_queue_url: str, request_queue_url: str, problem: str | None = None
) -> tuple[int, int]:
    """Move the messages that are in the dead-letter queue at the start.

    Args:
        sqs: an SQS client.
        problem: move only messages whose attribute `problem` has this value, such as "all-targets-failed".

    Returns:
        The number of messages moved, and the number left in the queue.
    """
    moved = 0
    # A later message may be one that this run moved and that failed again. Moving it would never end.
    started = time.time()
    left: set[str] = set()
    while True:
        messages = sqs.receive_message(
            QueueUrl=dead_letter_queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=[PROBLEM_ATTRIBUTE],
            AttributeNames=["SentTimestamp"],
            VisibilityTimeout=_VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        # Messages that were left become visible again when the queue takes longer than the timeout to read.
        if not any(message["MessageId"] not in left for message in messages):
            return moved, len(left)
        for message in messages:
            is_new = int(message["Attributes"]["SentTimestamp"]) / 1000 > started
            if is_new or (problem is not None and _problem(message) != problem):
                left.add(message["MessageId"])
                continue
            sqs.send_message(QueueUrl=request_queue_url, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.replay_dlq", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--dead-letter-queue-url", required=True, help="the stack's output DeadLetterQueueUrl"
    )
    parser.add_argument("--request-queue-url", required=True, help="the stack's output RequestQueueUrl")
    parser.add_argument("--problem", help="move only messages with this problem, such as all-targets-failed")
    options = parser.parse_args(arguments)
    try:
        moved, left = replay(
            boto3.client("sqs"),
            dead_letter_queue_url=options.dead_letter_queue_url,
            request_queue_url=options.request_queue_url,
            problem=options.problem,
        )
    except (BotoCoreError, ClientError) as error:
        # Messages moved before the error are in the request queue.
        sys.stderr.write(f"{in_one_line(error)}\n")
        return 1
    sys.stdout.write(f"{moved} messages moved, {left} left in the dead-letter queue\n")
    return 0


def _problem(message: dict[str, Any]) -> str | None:
    attribute = message.get("MessageAttributes", {}).get(PROBLEM_ATTRIBUTE)
    return str(attribute["StringValue"]) if attribute else None


if __name__ == "__main__":
    sys.exit(main())
