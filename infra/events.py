"""The entry point for events and messages: one request queue and the function that reads it.

event bus, rule "LLM Request" ─┐
SNS topic ─────────────────────┤
bucket, inbox/*.jsonl ─────────┼─► request queue ─► function ─► answers: event bus, reply queues, bucket
SQS senders, HTTP API ─────────┘        └─► dead-letter queue ◄─┘ permanent failures, with the reason
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.bucket import allow_listing
from infra.input_files import allow_input_files
from infra.nag import acknowledge
from infra.python_function import FunctionBase, PythonFunction
from infra.request_table import allow_idempotency
from infra.shared_resources import SharedResources
from infra.state_machine import StateMachine
from lambdas.contract import JSON_LINES_SUFFIX, BucketPrefix, DetailType, EnvironmentVariable, EventSource

_TIMEOUT_SECONDS: Final = 300
# AWS recommends six times the function's timeout, so that messages wait while the function is throttled.
_VISIBILITY_SECONDS: Final = 6 * _TIMEOUT_SECONDS
_MAX_TRIES: Final = 5
# One more than the tries: the last receive reports a message that stopped the function at every try.
_MAX_RECEIVES: Final = _MAX_TRIES + 1
_BATCH_SIZE: Final = 10
# A message keeps its age when it moves to the dead-letter queue, so that queue needs the longer retention.
_RETENTION_DAYS: Final = 4
_DEAD_LETTER_RETENTION_DAYS: Final = 14
# A request older than this is lost: the queue no longer has its message, and no function still runs it.
REQUEST_LOST_SECONDS: Final = _RETENTION_DAYS * 24 * 3600 + _TIMEOUT_SECONDS


class EventsEntryPoint(Construct):
    """Runs requests that arrive as events or messages, and sends the answers the same way."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        batch_machine: StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letter_queue = self._build_queue(
            "DeadLetterQueue", retention_days=_DEAD_LETTER_RETENTION_DAYS
        )
        self.request_queue = self._build_queue(
            "RequestQueue",
            retention_days=_RETENTION_DAYS,
            visibility_timeout=Duration.seconds(_VISIBILITY_SECONDS),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letter_queue, max_receive_count=_MAX_RECEIVES
            ),
        )
        acknowledge(
            self.dead_letter_queue,
            "Serverless-SQSRedrivePolicy",
            reason="It is itself the dead-letter queue of the request queue",
        )
        self.topic = self._build_topic()
        self._build_rules(shared.bus, shared.bucket)
        self.function = self._build_function(base, batch_machine)
        shared.allow_calling_models(self.function)
        self.function.allow("states:StartExecution", resources=[batch_machine.arn])
        allow_idempotency(self.function, shared.request_table, shared.bucket)
        allow_input_files(self.function, shared.bucket, base.settings)
        allow_listing(self.function, shared.bucket)
        self._allow_replies(shared.bus, base.settings.reply_queues)

    def _build_queue(
        self,
        name: str,
        *,
        retention_days: int,
        visibility_timeout: Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(retention_days),
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
        )

    def _build_topic(self) -> sns.Topic:
        key = kms.Alias.from_alias_name(self, "TopicKey", "alias/aws/sns")
        topic = sns.Topic(self, "RequestTopic", enforce_ssl=True, master_key=key)
        topic.add_subscription(
            subscriptions.SqsSubscription(self.request_queue, dead_letter_queue=self.dead_letter_queue)
        )
        return topic

    def _build_rules(self, bus: events.EventBus, bucket: s3.Bucket) -> None:
        target = targets.SqsQueue(self.request_queue, dead_letter_queue=self.dead_letter_queue)
        events.Rule(
            self,
            "Requests",
            event_bus=bus,
            description="Requests to models",
            event_pattern=events.EventPattern(detail_type=[DetailType.REQUEST]),
            targets=[target],
        )
        # S3 sends events to the account's default bus only.
        events.Rule(
            self,
            "Inbox",
            description=f"Batch files uploaded under {BucketPrefix.INBOX}",
            event_pattern=events.EventPattern(
                source=[EventSource.S3],
                detail_type=[DetailType.OBJECT_CREATED],
                detail={
                    "bucket": {"name": [bucket.bucket_name]},
                    "object": {"key": [{"wildcard": f"{BucketPrefix.INBOX}*{JSON_LINES_SUFFIX}"}]},
                },
            ),
            targets=[target],
        )
        # CDK's own event_bridge_enabled adds a function that has permission to change every bucket.
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )

    def _build_function(self, base: FunctionBase, batch_machine: StateMachine) -> PythonFunction:
        function = PythonFunction(
            self,
            "Handler",
            base=base,
            handler="lambdas.events.handler.handler",
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=1024,
            environment={
                EnvironmentVariable.BATCH_STATE_MACHINE_ARN: batch_machine.arn,
                EnvironmentVariable.REQUEST_QUEUE_URL: self.request_queue.queue_url,
                EnvironmentVariable.DEAD_LETTER_QUEUE_URL: self.dead_letter_queue.queue_url,
                EnvironmentVariable.REPLY_QUEUES: json.dumps(base.settings.reply_queues),
                EnvironmentVariable.MAX_TRIES: str(_MAX_TRIES),
            },
        )
        acknowledge(
            function,
            "Serverless-LambdaEventSourceMappingDestination",
            reason="The mapping of a queue does not support one; the queue has a dead-letter queue",
        )
        function.function.add_event_source(
            event_sources.SqsEventSource(
                self.request_queue,
                batch_size=_BATCH_SIZE,
                max_concurrency=base.settings.event_concurrency,
                report_batch_item_failures=True,
            )
        )
        return function

    def _allow_replies(self, bus: events.EventBus, reply_queues: Sequence[str]) -> None:
        self.function.allow("events:PutEvents", resources=[bus.event_bus_arn])
        self.function.allow("sqs:SendMessage", resources=[self.dead_letter_queue.queue_arn])
        if reply_queues:
            self.function.allow("sqs:GetQueueUrl", "sqs:SendMessage", resources=reply_queues)
