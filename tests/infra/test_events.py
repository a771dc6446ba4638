"""The entry point for events: its queues, rules and topic, and who may send to them."""

from __future__ import annotations

from typing import Any

import pytest

QUEUES = ("EventsRequestQueue", "EventsDeadLetterQueue")


def statements(stack: Any, queue: str) -> list[dict[str, Any]]:
    policy = stack.of_type("AWS::SQS::QueuePolicy")[f"{queue}Policy"]
    assert policy["Queues"] == [f"<{queue}>"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def test_the_visibility_timeout_is_six_function_timeouts_and_failures_move_to_the_dead_letter_queue(
    stack: Any,
) -> None:
    queue = stack.of_type("AWS::SQS::Queue")["EventsRequestQueue"]
    function = stack.of_type("AWS::Lambda::Function")["EventsHandlerFunction"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": "<EventsDeadLetterQueue.Arn>",
        # One more than the tries: the last receive reports a message that stopped the function each time.
        "maxReceiveCount": int(function["Environment"]["Variables"]["LLMMANAGER_MAX_TRIES"]) + 1,
    }


def test_the_dead_letter_queue_keeps_messages_longer_than_the_request_queue(stack: Any) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert set(queues) == set(QUEUES)
    assert queues["EventsDeadLetterQueue"]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert queues["EventsRequestQueue"]["MessageRetentionPeriod"] == 4 * 24 * 3600


@pytest.mark.parametrize("queue", QUEUES)
def test_queues_are_encrypted_and_require_tls(stack: Any, queue: str) -> None:
    assert stack.of_type("AWS::SQS::Queue")[queue]["SqsManagedSseEnabled"] is True
    assert {
        "Action": "sqs:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Resource": f"<{queue}.Arn>",
    } in statements(stack, queue)


@pytest.mark.parametrize("queue", QUEUES)
def test_only_the_stacks_own_topic_and_rules_may_send_through_a_service(stack: Any, queue: str) -> None:
    allowed = [
        (s["Principal"]["Service"], s["Condition"]["ArnEquals"]["aws:SourceArn"])
        for s in statements(stack, queue)
        if s["Effect"] == "Allow"
    ]
    assert sorted(allowed) == [
        ("events.amazonaws.com", "<EventsInbox.Arn>"),
        ("events.amazonaws.com", "<EventsRequests.Arn>"),
        ("sns.amazonaws.com", "<EventsRequestTopic>"),
    ]


def test_the_topic_is_encrypted_requires_tls_and_delivers_to_the_queue(stack: Any) -> None:
    (topic,) = stack.of_type("AWS::SNS::Topic").values()
    (policy,) = stack.of_type("AWS::SNS::TopicPolicy").values()
    (subscription,) = stack.of_type("AWS::SNS::Subscription").values()
    assert topic["KmsMasterKeyId"].endswith(":alias/aws/sns")
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sns:Publish")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("sqs", "<EventsRequestQueue.Arn>")


def test_the_rules_match_requests_on_the_stacks_bus_and_files_in_its_inbox(stack: Any) -> None:
    rules = stack.of_type("AWS::Events::Rule")
    assert rules["EventsRequests"]["EventBusName"] == "<EventBus>"
    assert rules["EventsRequests"]["EventPattern"] == {"detail-type": ["LLM Request"]}
    # S3 sends events to the default bus.
    assert "EventBusName" not in rules["EventsInbox"]
    assert rules["EventsInbox"]["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["<BatchBucket>"]},
            "object": {"key": [{"wildcard": "inbox/*.jsonl"}]},
        },
    }
    for name in ("EventsRequests", "EventsInbox"):
        (target,) = rules[name]["Targets"]
        assert target["Arn"] == "<EventsRequestQueue.Arn>"
        assert target["DeadLetterConfig"] == {"Arn": "<EventsDeadLetterQueue.Arn>"}


def test_the_function_receives_batches_of_messages_concurrently_and_reports_each_failure(
    stack: Any, varied: Any
) -> None:
    for deployed, concurrency in ((stack, 10), (varied, 2)):
        (mapping,) = deployed.of_type("AWS::Lambda::EventSourceMapping").values()
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"] == {"MaximumConcurrency": concurrency}
        assert mapping["EventSourceArn"] == "<EventsRequestQueue.Arn>"


def test_the_function_can_send_only_to_the_configured_reply_queues(varied: Any) -> None:
    answers = "arn:aws:sqs:eu-west-2:123456789012:answers"
    variables = varied.of_type("AWS::Lambda::Function")["EventsHandlerFunction"]["Environment"]["Variables"]
    assert variables["LLMMANAGER_REPLY_QUEUES"] == f'["{answers}"]'
    sending = [
        (statement["Action"], statement["Resource"])
        for policy in varied.of_type("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in statement["Action"] and "<EventsHandlerRole>" in policy["Roles"]
    ]
    assert sending == [
        ("sqs:SendMessage", "<EventsDeadLetterQueue.Arn>"),
        (["sqs:GetQueueUrl", "sqs:SendMessage"], answers),
    ]
