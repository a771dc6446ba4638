"""The cost of a stack without requests follows from its settings."""

from __future__ import annotations

import pytest

from infra.settings import DeploymentSettings
from infra.stack_cost.idle import idle_cost
from llmmanager import ConfigurationError


def cost(**settings: object) -> dict[str, float]:
    lines = idle_cost(DeploymentSettings(**settings))  # type: ignore[arg-type]
    return {line.what: line.usd for line in lines}


def test_the_defaults_cost_half_a_dollar_a_month() -> None:
    idle = sum(line.usd for line in idle_cost())
    assert idle == pytest.approx(0.49, abs=0.005)
    # What is documented, and what a change of this number must keep.
    assert idle < 1


def test_fewer_refreshes_cost_less_and_the_queue_costs_the_same() -> None:
    often, daily = cost(), cost(refresh_schedule="cron(0 6 * * ? *)")
    polls = "polls of the request queue"
    assert daily[polls] == often[polls]
    for what in often.keys() - {polls, "GB-months of the functions' code"}:
        assert daily[what] == pytest.approx(often[what] / 4), what


def test_a_metric_that_is_written_several_times_an_hour_costs_one_month() -> None:
    metric = "months of a metric of the catalog's age"
    assert cost(refresh_schedule="rate(5 minutes)")[metric] == pytest.approx(4 * 0.30)


def test_an_irregular_schedule_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="refresh_schedule must be regular"):
        cost(refresh_schedule="cron(0 6 ? * MON *)")
