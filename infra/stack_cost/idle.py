"""What the deployed stack costs in a month without requests.

Alarms and the dashboard are left out: the first ten alarms and three dashboards of an account are free.
"""

from __future__ import annotations

from typing import Final

from infra.schedule_expression import longest_pause_seconds
from infra.settings import DeploymentSettings
from infra.stack_cost.prices import (
    GB_SECOND_USD,
    HOURS_PER_MONTH,
    INVOCATION_USD,
    LOG_GB_USD,
    METRIC_MONTH_USD,
    S3_GB_MONTH_USD,
    SCHEDULE_START_USD,
    SQS_REQUEST_USD,
    TRANSITION_USD,
    WRITE_UNIT_USD,
    CostLine,
    cost_line,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

# How Lambda reads a queue without messages: parallel pollers, each with requests that wait so long.
POLLERS, POLL_SECONDS = 5, 20
# A refresh enters these states, and one for each region. Tests compare this with the state machine.
REFRESH_TRANSITIONS: Final = 4
REFRESH_MEMORY_MB: Final = 512
# Assumed: seconds to refresh a region, and units of 1 KB to write it.
REFRESH_SECONDS, REFRESH_WRITE_UNITS = 2.0, 4
# Assumed: the logs of a refresh, and the functions' code in the bucket of `cdk bootstrap`.
REFRESH_LOG_GB, CODE_GB = 8e-6, 0.02


def idle_cost(settings: DeploymentSettings | None = None) -> tuple[CostLine, ...]:
    """Return the cost of a month without requests, with a line for each item that is not free.

    Args:
        settings: the settings of the stack; None for the defaults.

    Raises:
        ConfigurationError: the number of refreshes in a month is unknown, because the schedule is irregular.
    """
    settings = settings or DeploymentSettings()
    pause = longest_pause_seconds(settings.refresh_schedule)
    if pause is None:
        raise ConfigurationError(
            f"refresh_schedule must be regular (got {settings.refresh_schedule!r})",
            {"refresh_schedule": settings.refresh_schedule},
        )
    seconds = HOURS_PER_MONTH * 3600
    runs, regions = seconds / pause, len(settings.regions)
    refreshed = runs * regions
    # The catalog's age is a metric of each region, and one of all. A metric is billed by the hour.
    metrics = (regions + 1) * min(1, runs / HOURS_PER_MONTH)
    return (
        cost_line("SQS", "polls of the request queue", POLLERS * seconds / POLL_SECONDS, SQS_REQUEST_USD),
        cost_line("CloudWatch", "months of a metric of the catalog's age", metrics, METRIC_MONTH_USD),
        cost_line(
            "Step Functions",
            "transitions of refreshes",
            runs * (REFRESH_TRANSITIONS + regions),
            TRANSITION_USD,
        ),
        cost_line(
            "Lambda",
            "GB-seconds of refreshes",
            refreshed * REFRESH_SECONDS * REFRESH_MEMORY_MB / 1024,
            GB_SECOND_USD,
        ),
        cost_line("Lambda", "invocations by refreshes", refreshed, INVOCATION_USD),
        cost_line("DynamoDB", "write units of refreshes", refreshed * REFRESH_WRITE_UNITS, WRITE_UNIT_USD),
        cost_line("EventBridge Scheduler", "starts of refreshes", runs, SCHEDULE_START_USD),
        cost_line("CloudWatch", "GB of logs of refreshes", runs * REFRESH_LOG_GB, LOG_GB_USD),
        cost_line("S3", "GB-months of the functions' code", CODE_GB, S3_GB_MONTH_USD),
    )
