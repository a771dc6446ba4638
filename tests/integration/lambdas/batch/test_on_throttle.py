"""Which models a throttled batch uses: `onThrottle`, `maxCostMultiple` and the batch's deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambdas.batch import worker
from lambdas.batch.batch_input import InvalidBatch
from lambdas.batch.storage import BatchStorage
from llmmanager.testing import Fault

CHEAP, DEAR = "amazon.nova-micro-v1:0", "amazon.nova-lite-v1:0"
MODELS = {"models": ["Nova Micro", "Nova Lite"], "regions": ["us-east-1"]}
TOO_MANY = "Too many tokens, please wait before trying again."
DAILY = "Too many tokens per day, please wait before trying again."


@pytest.fixture
def throttled(short_minute, monkeypatch):
    """The cheaper model admits few requests in a minute."""
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Nova Micro", "Nova Lite"]')
    short_minute.set_quota(requests_per_minute=4, model=CHEAP)
    return short_minute


def test_a_throttled_batch_waits_for_its_model(machine, throttled, records):
    assert machine.run({"requests": records(30), **MODELS})["byModel"] == {CHEAP: 30}


def test_a_batch_may_fail_over_to_other_models_instead(machine, throttled, records):
    found = machine.run({"requests": records(30), "onThrottle": "failover", **MODELS})["byModel"]

    assert sum(found.values()) == 30
    assert found[DEAR] > 0


def test_a_deadline_with_enough_time_leads_to_no_other_model(machine, throttled, records):
    found = machine.run({"requests": records(30), "deadlineSeconds": 3600, **MODELS})["byModel"]

    assert found == {CHEAP: 30}


def test_a_deadline_that_would_be_missed_leads_to_other_models(
    machine, throttled, records, run_began, monkeypatch
):
    run_began(hours=1)
    # The window is longer than the delays between attempts, as on AWS, so that the gate finds the quota.
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "3")
    throttled.set_window(3)

    summary = machine.run({"requests": records(60), "deadlineSeconds": 600, **MODELS})

    assert summary["answered"] == 60
    assert summary["byModel"][CHEAP] > 0
    assert summary["byModel"][DEAR] > 0


def test_what_is_left_after_jobs_waits_for_its_model_until_its_own_rate_is_too_low(
    machine, throttled, records, run_began
):
    run_began(hours=1)
    throttled.add_fault(Fault(error="ThrottlingException", message=TOO_MANY, model=CHEAP))
    (item,) = machine.plan({"requests": records(20), "deadlineSeconds": 600, **MODELS})
    storage = BatchStorage(item["bucket"], item["batchId"])
    storage.put(storage.key("jobs/00000/001/intent.json"), b'{"records": 20}')
    now = datetime.now(UTC)

    early = worker.handler({**item, "afterJobs": now.isoformat()}, machine.context())
    models = {call.model_id for call in throttled.calls}
    hour_ago = now - timedelta(hours=1)
    late = worker.handler({**item, "afterJobs": hour_ago.isoformat()}, machine.context())

    assert (early["done"], models) == (False, {CHEAP})
    assert (late["done"], late["answered"]) == (True, 20)


def test_a_cost_limit_keeps_a_late_batch_from_dearer_models(machine, throttled, records, run_began):
    run_began(hours=1)
    data = {"requests": records(300), "deadlineSeconds": 5, "maxCostMultiple": 1.2, **MODELS}

    summary = machine.run(data)

    assert summary["byModel"].keys() == {CHEAP}
    assert summary["status"] == "stopped"
    assert summary["answered"] + summary["failed"] == 300


def test_lack_of_a_daily_quota_leads_to_no_other_model_either(machine, deployed, records, monkeypatch):
    deployed.add_fault(Fault(error="ThrottlingException", message=DAILY, model=CHEAP))
    (item,) = machine.plan({"requests": records(20), **MODELS})

    first = worker.handler(item, machine.context())

    assert (first["done"], first["answered"]) == (False, 0)
    assert first["quotaWait"]["shortage"] == "per_day"
    assert {call.model_id for call in deployed.calls} == {CHEAP}


def test_lack_of_a_daily_quota_leads_to_other_models_before_a_deadline(machine, deployed, records, run_began):
    run_began(hours=1)
    deployed.add_fault(Fault(error="ThrottlingException", message=DAILY, model=CHEAP))

    summary = machine.run({"requests": records(20), "deadlineSeconds": 600, **MODELS})

    assert summary["byModel"] == {DEAR: 20}


def test_the_end_of_an_invocation_leads_to_no_other_model(machine, throttled, records):
    throttled.set_window(60)
    (item,) = machine.plan({"requests": records(20), **MODELS})

    worker.handler(item, machine.context(2))

    assert {call.model_id for call in throttled.calls} == {CHEAP}


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("onThrottle", "fail", "onThrottle: must be 'wait' or 'failover' (got 'fail')"),
        ("onThrottle", True, "onThrottle: must be 'wait' or 'failover' (got True)"),
        ("maxCostMultiple", 0.5, "maxCostMultiple: must be a number of at least 1 (got 0.5)"),
    ],
)
def test_a_value_that_is_not_accepted_is_named(machine, records, member, value, message):
    with pytest.raises(InvalidBatch) as raised:
        machine.plan({"requests": records(1), member: value})

    assert str(raised.value) == message
