"""The dashboard and the alarms.

They stay within CloudWatch's free tier of an account: three dashboards and ten alarm metrics.
"""

from __future__ import annotations

import math

from aws_cdk import Duration, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.batch import BatchProcessing
from infra.http_api import HttpApi
from infra.nag import acknowledge
from infra.schedule_expression import DAY_SECONDS, longest_pause_seconds
from infra.settings import DeploymentSettings, SettingsError
from infra.state_machine import service_principal
from infra.streaming_api import StreamingApi
from lambdas.contract import Metric, MetricDimension

# When a refresh fails, the last successful one stays in use. That is safe for a day.
_STALE_SECONDS = DAY_SECONDS
# CloudWatch's limit for the time that an alarm evaluates.
_MAX_ALARM_DAYS = 7
_MissingData = cloudwatch.TreatMissingData
# API Gateway ends a request after 29 s.
_SLOW_MS = 25_000


def refresh_overdue_days(schedule: str) -> int | None:
    """Return the number of days without a refresh after which an alarm goes off: twice the schedule's pause.

    None for an irregular schedule, or when an alarm cannot evaluate such a long time.
    """
    pause = longest_pause_seconds(schedule)
    days = math.ceil(max(DAY_SECONDS, 2 * pause) / DAY_SECONDS) if pause else None
    return days if days and days <= _MAX_ALARM_DAYS else None


class Observability(Construct):
    """Alarms and a dashboard for all entry points of a stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        namespace: str,
        http_api: HttpApi,
        streaming_api: StreamingApi,
        batch: BatchProcessing,
        dead_letter_queue: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = namespace
        self._topic = self._build_topic(settings)
        worker = batch.worker.function
        # These have the name of both APIs as their dimension.
        self._api_errors = http_api.api.metric_server_error(statistic="Sum")
        stages = {
            "HTTP API": http_api.api.deployment_stage,
            "streaming API": streaming_api.api.deployment_stage,
        }
        self._errors_by_api = [
            stage.metric_server_error(statistic="Sum", label=label) for label, stage in stages.items()
        ]
        # The latency of the stage would include the streams of POST /v1/converse-stream.
        self._http_p99 = http_api.handler.function.metric_duration(statistic="p99")
        self._streams = streaming_api.handler.function.metric(
            "ConcurrentExecutions", statistic="Maximum", label="concurrent streams"
        )
        self._stream_throttles = streaming_api.handler.function.metric_throttles()
        machine = batch.state_machine.machine
        self._batches_failed = machine.metric_failed()
        self._batches_timed_out = machine.metric_timed_out()
        self._worker_errors = worker.metric_errors()
        self._http_throttles = http_api.handler.function.metric_throttles()
        self._worker_throttles = worker.metric_throttles()
        self._all_cooling = self._own_metric(Metric.ALL_COOLING)
        self._dead_letters = dead_letter_queue.metric_approximate_number_of_messages_visible(
            statistic="Maximum"
        )
        self._build_alarms()
        self._build_stale_alarm(settings.refresh_schedule)
        if settings.dashboard:
            self._build_dashboard()

    def _build_topic(self, settings: DeploymentSettings) -> sns.ITopic | None:
        if settings.alarm_topic_arn:
            self._check_region(settings.alarm_topic_arn)
            return sns.Topic.from_topic_arn(self, "GivenTopic", settings.alarm_topic_arn)
        if not settings.alarm_email:
            return None
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        # enforce_ssl adds a policy. It replaces SNS's default policy, which lets CloudWatch publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                actions=["sns:Publish"],
                principals=[service_principal(self, "cloudwatch.amazonaws.com")],
                resources=[topic.topic_arn],
            )
        )
        acknowledge(
            topic,
            "Serverless-SNSRedrivePolicy",
            reason="An e-mail that cannot be delivered loses nothing: CloudWatch still shows the alarm",
        )
        return topic

    def _check_region(self, topic_arn: str) -> None:
        region = Stack.of(self).region
        if not Token.is_unresolved(region) and topic_arn.split(":")[3] != region:
            raise SettingsError(
                "alarm_topic_arn",
                topic_arn,
                f"the topic must be in the stack's region ({region}), because CloudWatch does not notify "
                "topics in other regions",
            )

    def _build_alarms(self) -> None:
        errors = "The HTTP API and the streaming API returned 5XX five times in 5 minutes"
        self._alarm("HttpErrors", self._api_errors, 5, errors)
        slow = "1 % of the HTTP API's responses take more than 25 s"
        self._alarm("HttpSlow", self._http_p99, _SLOW_MS, slow, 3)
        self._alarm("BatchFailed", self._batches_failed, 1, "A batch failed")
        self._alarm("BatchTimedOut", self._batches_timed_out, 1, "A batch timed out")
        self._alarm("WorkerErrors", self._worker_errors, 5, "A batch worker failed five times in 5 minutes")
        throttled = "The HTTP API's function is at its concurrency limit"
        self._alarm("HttpThrottles", self._http_throttles, 1, throttled, 3)
        self._alarm("DeadLetters", self._dead_letters, 1, "The dead-letter queue holds messages")
        unanswered = "No target answered a request, five times in 5 minutes"
        self._alarm("Unanswered", self._own_metric(Metric.FAILURES), 5, unanswered, 2)
        cooling = "All targets of a request were cooling down, five times in 5 minutes"
        self._alarm("AllTargetsCooling", self._all_cooling, 5, cooling, 2)

    def _build_stale_alarm(self, schedule: str) -> None:
        """Build the alarm for a stale catalog.

        Each refresh reports the catalog's age, even when it fails. Missing data means that no refresh ran.
        """
        days = refresh_overdue_days(schedule)
        self._alarm(
            "CatalogStale",
            self._own_metric(Metric.CATALOG_AGE, statistic="Maximum").with_(period=Duration.days(1)),
            _STALE_SECONDS,
            "A region's model access was not refreshed for a day, or no refresh ran",
            days or 1,
            missing_data=_MissingData.BREACHING if days else _MissingData.NOT_BREACHING,
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        periods: int = 1,
        *,
        # Metrics are missing while there are no requests.
        missing_data: _MissingData = _MissingData.NOT_BREACHING,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing_data,
            alarm_description=f"{description}. What to do: docs/operations.md, {name}",
        )
        if self._topic is not None:
            alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _own_metric(self, name: str, *, statistic: str = "Sum") -> cloudwatch.Metric:
        """Return a metric that the functions write, without dimensions."""
        return cloudwatch.Metric(namespace=self._namespace, metric_name=name, statistic=statistic)

    def _by_target(self, name: str) -> cloudwatch.MathExpression:
        search = (
            f'{{"{self._namespace}",{MetricDimension.MODEL},{MetricDimension.REGION}}} MetricName="{name}"'
        )
        return cloudwatch.MathExpression(
            expression=f"SEARCH('{search}', 'Sum', 300)", label="", using_metrics={}
        )

    def _build_dashboard(self) -> None:
        batches: list[cloudwatch.IMetric] = [
            self._batches_failed,
            self._worker_errors,
            self._worker_throttles,
            self._dead_letters,
        ]
        shown = (Metric.REQUESTS, Metric.FAILURES, Metric.FAILOVERS)
        rows: list[list[tuple[str, list[cloudwatch.IMetric]]]] = [
            [
                ("Requests", [self._own_metric(name) for name in shown]),
                ("Requests by model and region", [self._by_target(Metric.REQUESTS)]),
                ("Throttles by model and region", [self._by_target(Metric.THROTTLES), self._all_cooling]),
            ],
            [
                ("Tokens", [self._own_metric(Metric.INPUT_TOKENS), self._own_metric(Metric.OUTPUT_TOKENS)]),
                ("Estimated cost in USD", [self._own_metric(Metric.COST)]),
                ("Estimated cost by model and region", [self._by_target(Metric.COST)]),
            ],
            [
                ("5XX by API", self._errors_by_api),
                ("HTTP: p99 duration, ms", [self._http_p99]),
                ("Batches and queues", batches),
            ],
            [("Streaming: concurrency", [self._streams, self._stream_throttles])],
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            # Dashboard names are unique in the account across all regions.
            dashboard_name=f"{Stack.of(self).stack_name}-{Stack.of(self).region}",
            default_interval=Duration.days(1),
            widgets=[
                [cloudwatch.GraphWidget(title=title, left=metrics, width=8) for title, metrics in row]
                for row in rows
            ],
        )
