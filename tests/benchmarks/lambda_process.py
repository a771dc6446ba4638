"""A script for `python -I -S`: the HTTP function as Lambda runs it, out of its asset and nothing else.

    lambda_process.py FOLDER serve                  every line on stdin is an event; handles one at a time
    lambda_process.py FOLDER first                  from before the handler's import to its first answer
    lambda_process.py FOLDER first-of-boto3         the same call with boto3 alone
    lambda_process.py FOLDER beside-boto3 CALLS     a warm handler and boto3's converse() in turn

FOLDER is what modules are imported from. What was measured is written to stdout, one JSON document a line;
what the function logs is thrown away.
"""

import json
import os
import sys
import time
from types import SimpleNamespace

MODEL_ID = "amazon.nova-lite-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
EVENT = {
    "httpMethod": "POST",
    "path": "/v1/converse",
    "headers": {"Content-Type": "application/json"},
    "body": json.dumps({"messages": MESSAGES}),
    "isBase64Encoded": False,
    "requestContext": {"identity": {"userArn": "arn:aws:iam::123456789012:user/benchmark"}},
}
CONTEXT = SimpleNamespace(
    function_name="benchmark",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:benchmark",
    aws_request_id="benchmark",
    get_remaining_time_in_millis=lambda: 29_000,
)


def main():
    sys.path.insert(0, sys.argv[1])
    results = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    command, *arguments = sys.argv[2:]
    commands = {
        "serve": serve,
        "first": first,
        "first-of-boto3": first_of_boto3,
        "beside-boto3": beside_boto3,
    }
    for result in commands[command](*arguments):
        results.write(json.dumps(result) + "\n")


def serve():
    handle(EVENT)
    yield "ready"
    for line in sys.stdin:
        event = json.loads(line)
        yield {"started": time.monotonic(), **timed(lambda: handle(event))}  # noqa: B023


def first():
    yield timed(lambda: handle(EVENT))


def first_of_boto3():
    def work():
        import boto3

        boto3.client("bedrock-runtime").converse(modelId=MODEL_ID, messages=MESSAGES)

    yield timed(work)


def beside_boto3(calls):
    import boto3

    client = boto3.client("bedrock-runtime")
    sides = (
        lambda: handle(EVENT),
        lambda: client.converse(modelId=MODEL_ID, messages=MESSAGES),
    )
    for side in sides * 20:
        side()
    for _ in range(int(calls)):
        yield [timed(side) for side in sides]


def handle(event):
    from lambdas.http_api.handler import handler

    answer = handler(event, CONTEXT)
    if answer["statusCode"] != 200:
        raise SystemExit(f"{answer['statusCode']}: {answer['body']}")


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - wall, "cpuSeconds": time.process_time() - cpu}


if __name__ == "__main__":
    main()
