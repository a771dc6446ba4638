"""A script for `python -I -S`: the HTTP function as Lambda runs it, out of its asset and nothing else.

    lambda_process.py FOLDER serve                  asks what each line on stdin asks, a JSON string
    lambda_process.py FOLDER serve-boto3            the same with boto3 alone
    lambda_process.py FOLDER first                  from before the handler's import to its first answer
    lambda_process.py FOLDER first-of-boto3         the same call with boto3 alone
    lambda_process.py FOLDER beside-boto3 CALLS     a warm handler and boto3's converse() in turn
    lambda_process.py FOLDER budgeted CALLS         a warm handler for a caller with a budget, and one without

FOLDER is what modules are imported from. What was measured is written to stdout, one JSON document a line;
what the function logs is thrown away.
"""

import json
import os
import sys
import time
from types import SimpleNamespace

MODEL_ID = "amazon.nova-lite-v1:0"
QUESTION = "What is the capital of France?"
# Calls of each side before those that are measured.
WARM_UP = 20
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
        "serve": lambda: serve(ask_handler),
        "serve-boto3": lambda: serve(boto3_asker()),
        "first": lambda: [timed(lambda: ask_handler(QUESTION))],
        "first-of-boto3": lambda: [timed(lambda: boto3_asker()(QUESTION))],
        "beside-boto3": lambda calls: in_turn(ask_handler, boto3_asker(), calls=int(calls)),
        "budgeted": lambda calls: in_turn(ask_with_budget, ask_handler, calls=int(calls)),
    }
    for result in commands[command](*arguments):
        results.write(json.dumps(result) + "\n")


def serve(ask):
    ask(QUESTION)
    yield "ready"
    for line in sys.stdin:
        question, started, error = json.loads(line), time.monotonic(), None
        try:
            taken = timed(lambda: ask(question))  # noqa: B023
        except Exception as raised:
            taken, error = {}, repr(raised)
        yield {"started": started, "error": error, **taken}


def in_turn(*sides, calls):
    for ask in sides * WARM_UP:
        ask(QUESTION)
    for _ in range(calls):
        yield [timed(lambda: ask(QUESTION)) for ask in sides]  # noqa: B023


def ask_with_budget(question):
    ask_handler(question, user="budgeted")


def ask_handler(question, user="benchmark"):
    from lambdas.http_api.handler import handler

    event = {
        "httpMethod": "POST",
        "path": "/v1/converse",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"messages": messages(question)}),
        "isBase64Encoded": False,
        "requestContext": {"identity": {"userArn": f"arn:aws:iam::123456789012:user/{user}"}},
    }
    answer = handler(event, CONTEXT)
    if answer["statusCode"] != 200:
        raise RuntimeError(f"{answer['statusCode']}: {answer['body']}")


def boto3_asker():
    import boto3

    client = boto3.client("bedrock-runtime")
    return lambda question: client.converse(modelId=MODEL_ID, messages=messages(question))


def messages(question):
    return [{"role": "user", "content": [{"text": question}]}]


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - wall, "cpuSeconds": time.process_time() - cpu}


if __name__ == "__main__":
    main()
