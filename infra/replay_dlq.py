"""Send the messages of the dead-letter queue to the request queue again.

    python -m infra.replay_dlq --dead-letter-queue-url URL --request-queue-url URL

A message is deleted from the one queue only after the other has taken it: interrupted, the command sends one
message twice at worst. Unlike SQS's own StartMessageMoveTask it can choose by the problem, and drops the
attributes that told of it.
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

# Messages that are looked at and left alone come back after this.
_HIDDEN_SECONDS = 300


def replay(
    sqs: Any, *, dead_letter_queue_url: str, request_queue_url: str, problem: str | None = None
) -> tuple[int, int]:
    """Move every message that was there at the start, or those of one problem.

    Args:
        sqs: a client of SQS.
        problem: the attribute `problem` of those to move, such as "all-targets-failed".

    Returns:
        How many were moved, and how many were left.
    """
    moved = 0
    # What comes later may be what was just sent again, and failed again: it would go round for ever.
    started = time.time()
    left: set[str] = set()
    while True:
        messages = sqs.receive_message(
            QueueUrl=dead_letter_queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["problem"],
            AttributeNames=["SentTimestamp"],
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        # What is left alone comes back when there are more messages than can be looked at in that time.
        if not any(message["MessageId"] not in left for message in messages):
            return moved, len(left)
        for message in messages:
            came_later = int(message["Attributes"]["SentTimestamp"]) / 1000 > started
            if came_later or (problem is not None and _problem(message) != problem):
                left.add(message["MessageId"])
                continue
            sqs.send_message(QueueUrl=request_queue_url, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.replay_dlq", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--dead-letter-queue-url", required=True, help="the stack's output DeadLetterQueueUrl"
    )
    parser.add_argument("--request-queue-url", required=True, help="the stack's output RequestQueueUrl")
    parser.add_argument("--problem", help="only messages with this problem, such as all-targets-failed")
    given = parser.parse_args(arguments)
    try:
        moved, left = replay(
            boto3.client("sqs"),
            dead_letter_queue_url=given.dead_letter_queue_url,
            request_queue_url=given.request_queue_url,
            problem=given.problem,
        )
    except (BotoCoreError, ClientError) as error:
        # No region, no credentials, no such queue: what has been moved by then is in the request queue.
        sys.stderr.write(f"{in_one_line(error)}\n")
        return 1
    sys.stdout.write(f"{moved} sent again, {left} left\n")
    return 0


def _problem(message: dict[str, Any]) -> str | None:
    attribute = message.get("MessageAttributes", {}).get("problem")
    return str(attribute["StringValue"]) if attribute else None


if __name__ == "__main__":
    sys.exit(main())
