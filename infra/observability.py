"""What to look at and when to be called: one dashboard, and ten alarm metrics at most.

Both fit what CloudWatch gives an account for nothing: three dashboards, ten alarm metrics.
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

from infra.batch import Batch
from infra.http_api import HttpApi
from infra.nag import acknowledge
from infra.schedule_expression import DAY_SECONDS, longest_pause_seconds
from infra.settings import DeploymentSettings, SettingsError
from infra.state_machine import service_principal

# A refresh that fails keeps the last known good: a day of it harms nothing, and a fault shows itself.
_STALE_SECONDS = DAY_SECONDS
# CloudWatch looks back a week at most.
_LONGEST_WATCH_DAYS = 7
_Silence = cloudwatch.TreatMissingData
# API Gateway gives up after 29 s.
_SLOW_MS = 25_000


def days_of_silence(schedule: str) -> int | None:
    """After how many days without a word of a refresh something is wrong: two of the schedule's pauses.

    None where that is longer than CloudWatch looks back, or not easily told.
    """
    pause = longest_pause_seconds(schedule)
    days = math.ceil(max(DAY_SECONDS, 2 * pause) / DAY_SECONDS) if pause else None
    return days if days and days <= _LONGEST_WATCH_DAYS else None


class Observability(Construct):
    """Alarms and dashboard over the doors of a stack."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        namespace: str,
        http_api: HttpApi,
        batch: Batch,
        dead_letter_queue: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._namespace = namespace
        self._topic = self._build_topic(settings)
        worker = batch.worker.function
        self._http_errors = http_api.api.metric_server_error(statistic="Sum")
        self._http_p99 = http_api.api.metric_latency(statistic="p99")
        machine = batch.state_machine.machine
        self._batches_failed = machine.metric_failed()
        self._batches_late = machine.metric_timed_out()
        self._worker_errors = worker.metric_errors()
        self._http_throttles = http_api.handler.function.metric_throttles()
        self._worker_throttles = worker.metric_throttles()
        self._all_cooling = self._own("AllTargetsCooling")
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
        # A topic with a policy of its own does not have SNS's default one, which lets CloudWatch publish.
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
            because="A mail that cannot be delivered is no loss: the alarm itself stays to be seen",
        )
        return topic

    def _check_region(self, topic_arn: str) -> None:
        region = Stack.of(self).region
        if not Token.is_unresolved(region) and topic_arn.split(":")[3] != region:
            takes = f"a topic in the region that is deployed to ({region}): CloudWatch tells no other"
            raise SettingsError.takes("alarm_topic_arn", topic_arn, takes)

    def _build_alarms(self) -> None:
        self._alarm("HttpErrors", self._http_errors, 5, "The HTTP API answered 5XX five times in 5 minutes")
        self._alarm("HttpSlow", self._http_p99, _SLOW_MS, "1 % of the HTTP API's answers take over 25 s", 3)
        self._alarm("BatchFailed", self._batches_failed, 1, "A batch failed")
        self._alarm("BatchTimedOut", self._batches_late, 1, "A batch timed out")
        self._alarm("WorkerErrors", self._worker_errors, 5, "A batch worker raised five times in 5 minutes")
        full = "Lambda runs as many of the HTTP API's function as it may"
        self._alarm("HttpThrottles", self._http_throttles, 1, full, 3)
        self._alarm("DeadLetters", self._dead_letters, 1, "Requests by event ended in the dead-letter queue")
        self._alarm("Unanswered", self._own("Failures"), 5, "No target answered, five times in 5 minutes", 2)
        unwell = "Requests found no healthy target to begin with, five times in 5 minutes"
        self._alarm("AllTargetsCooling", self._all_cooling, 5, unwell, 2)

    def _build_stale_alarm(self, schedule: str) -> None:
        """Every refresh tells the age, also one that fails; where nobody tells it, none ran."""
        days = days_of_silence(schedule)
        self._alarm(
            "CatalogStale",
            self._own("CatalogAgeSeconds", statistic="Maximum").with_(period=Duration.days(1)),
            _STALE_SECONDS,
            "A region's model access was not refreshed for a day, or no refresh ran",
            days or 1,
            silence=_Silence.BREACHING if days else _Silence.NOT_BREACHING,
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        periods: int = 1,
        *,
        # Without requests there are no metrics, and nothing is wrong.
        silence: _Silence = _Silence.NOT_BREACHING,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=silence,
            alarm_description=f"{description}. What to do: docs/operations.md, {name}",
        )
        if self._topic is not None:
            alarm.add_alarm_action(actions.SnsAction(self._topic))

    def _own(self, name: str, *, statistic: str = "Sum") -> cloudwatch.Metric:
        """A metric that the functions write, in total."""
        return cloudwatch.Metric(namespace=self._namespace, metric_name=name, statistic=statistic)

    def _by_target(self, name: str) -> cloudwatch.MathExpression:
        search = f'{{"{self._namespace}",Model,Region}} MetricName="{name}"'
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
        rows: list[list[tuple[str, list[cloudwatch.IMetric]]]] = [
            [
                ("Requests", [self._own("Requests"), self._own("Failures"), self._own("Failovers")]),
                ("Requests by model and region", [self._by_target("Requests")]),
                ("Throttles by model and region", [self._by_target("Throttles"), self._all_cooling]),
            ],
            [
                ("Tokens", [self._own("InputTokens"), self._own("OutputTokens")]),
                ("Estimated cost in USD", [self._own("EstimatedCostUsd")]),
                ("Estimated cost by model and region", [self._by_target("EstimatedCostUsd")]),
            ],
            [
                ("HTTP: 5XX", [self._http_errors]),
                ("HTTP: slowest 1 %, ms", [self._http_p99]),
                ("Batches and queues", batches),
            ],
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            # An account has one list of dashboards for all regions.
            dashboard_name=f"{Stack.of(self).stack_name}-{Stack.of(self).region}",
            default_interval=Duration.days(1),
            widgets=[
                [cloudwatch.GraphWidget(title=title, left=metrics, width=8) for title, metrics in row]
                for row in rows
            ],
        )
