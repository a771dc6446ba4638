"""Records that run in the flex tier, and go on demand when flex cannot answer them in time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.batch import worker
from llmmanager.bedrock.pricing import estimate_cost
from llmmanager.testing import Fault

PRO, LITE = "amazon.nova-pro-v1:0", "amazon.nova-lite-v1:0"
MODELS = {"models": ["Nova Pro", "Nova Lite"], "regions": ["us-east-1"]}
TOO_MANY = "Too many tokens, please wait before trying again."
NO_FLEX = "The provided service tier is not supported for this model."


@pytest.fixture
def bedrock(short_minute, monkeypatch):
    """A stack with Nova Pro."""
    monkeypatch.setenv("LLMMANAGER_MODELS", '["Nova Pro", "Nova Lite"]')
    return short_minute


@pytest.fixture
def run_in_flex(machine, bedrock):
    """Runs a batch in the flex lane and returns the summary."""

    def run(records, **data):
        return machine.run({"requests": records, "lane": "flex", **MODELS, **data})

    return run


def results(machine):
    return {line["recordId"]: line for line in machine.lines("results.jsonl")}


def refuse_flex(bedrock, *, error="ThrottlingException", message=TOO_MANY, **fields):
    bedrock.add_fault(Fault(error=error, message=message, service_tier="flex", **fields))


def after_wait(outcome):
    """The input of an invocation that does not have to wait for quota any more."""
    return {name: value for name, value in outcome.items() if name not in ("quotaWait", "waitSeconds")}


def test_answers_in_flex_cost_half_and_other_records_run_on_demand(machine, run_in_flex, records):
    given = records(10)
    given[3]["modelInput"]["serviceTier"] = {"type": "priority"}
    given[4]["modelInput"]["performanceConfig"] = {"latency": "standard"}

    summary = run_in_flex(given)

    found = results(machine)
    lanes = {id_: line["lane"] for id_, line in found.items()}
    assert Counter(lanes.values()) == {"flex": 8, "onDemand": 2}
    assert lanes["record-3"] == lanes["record-4"] == "onDemand"
    flex = found["record-0"]
    on_demand = estimate_cost(PRO, flex["usage"], region="us-east-1")
    assert flex["estimatedCostUsd"] == pytest.approx(on_demand / 2)
    assert flex["savedUsd"] == pytest.approx(on_demand / 2)
    assert summary["byLane"]["flex"]["savedUsd"] == pytest.approx(
        sum(line["savedUsd"] for line in found.values() if line["lane"] == "flex")
    )


def test_a_shard_waits_while_flex_is_refused_and_no_deadline_is_at_risk(machine, bedrock, records):
    refuse_flex(bedrock)
    (item,) = machine.plan({"requests": records(20), "lane": "flex", "deadlineSeconds": 3600, **MODELS})

    first = worker.handler(item, machine.context())

    assert (first["done"], first["answered"], first["lane"]) == (False, 0, "flex")
    assert first["waitSeconds"] > 0
    assert {(call.model_id, call.service_tier) for call in bedrock.calls} == {(PRO, "flex")}


@pytest.mark.parametrize("error", ["ThrottlingException", "ServiceUnavailableException"])
def test_flex_that_is_refused_for_too_long_leads_to_answers_on_demand_before_the_deadline(
    machine, bedrock, run_in_flex, records, run_began, error
):
    run_began(hours=1)
    refuse_flex(bedrock, error=error, model=PRO)

    summary = run_in_flex(records(20), deadlineSeconds=3000)

    assert (summary["status"], summary["answered"], summary["failed"]) == ("succeeded", 20, 0)
    assert summary["byModel"] == {PRO: 20}
    assert summary["byLane"].keys() == {"onDemand"}


def test_a_shard_that_left_flex_stays_on_demand_and_fails_over_only_after_a_wait_of_its_own(
    machine, bedrock, records, run_began
):
    run_began(hours=1)
    refuse_flex(bedrock)
    bedrock.add_fault(Fault(error="ThrottlingException", message=TOO_MANY, model=PRO, service_tier="default"))
    (item,) = machine.plan({"requests": records(20), "lane": "flex", "deadlineSeconds": 3000, **MODELS})

    first = worker.handler(item, machine.context())
    before = len(bedrock.calls)
    second = worker.handler(after_wait(first), machine.context())

    assert (first["done"], first["lane"], first["answered"]) == (False, "onDemand", 0)
    assert (second["lane"], second["onDemandSince"]) == ("onDemand", first["onDemandSince"])
    assert {call.model_id for call in bedrock.calls} == {PRO}
    assert {call.service_tier for call in bedrock.calls[before:]} == {""}

    since = datetime.now(UTC) - timedelta(hours=1)
    third = worker.handler({**after_wait(second), "onDemandSince": since.isoformat()}, machine.context())
    assert (third["done"], third["answered"]) == (True, 20)
    assert {call.model_id for call in bedrock.calls if call.status == 200} == {LITE}


def test_slow_flex_answers_lead_to_on_demand_in_the_second_half_of_the_time(
    machine, bedrock, run_in_flex, records, monkeypatch, run_began
):
    run_began(minutes=1)
    bedrock.set_latency(0.5, service_tier="flex")
    monkeypatch.setenv("LLMMANAGER_WORKER_CONCURRENCY", "1")

    summary = run_in_flex(records(12), deadlineSeconds=30)

    assert (summary["answered"], summary["byModel"]) == (12, {PRO: 12})
    assert 1 <= summary["byLane"]["flex"]["answered"] < 6


def test_a_batch_without_a_deadline_leaves_flex_when_no_record_was_answered_for_a_day(
    machine, bedrock, run_in_flex, records, monkeypatch
):
    monkeypatch.setattr(worker, "max_wait_without_answer", lambda: timedelta(seconds=0.3))
    refuse_flex(bedrock)

    summary = run_in_flex(records(5))

    assert (summary["answered"], summary["byLane"].keys()) == (5, {"onDemand"})


@pytest.mark.parametrize("fallback", [True, False])
def test_a_model_without_flex_answers_on_demand(machine, bedrock, run_in_flex, records, fallback):
    refuse_flex(bedrock, error="ValidationException", message=NO_FLEX, model=PRO)

    summary = run_in_flex(records(5), featureFallback=fallback)

    assert (summary["byModel"], summary["byLane"].keys()) == ({PRO: 5}, {"onDemand"})
    assert not any(line["featuresDisabled"] for line in results(machine).values())


def test_a_record_that_fails_over_uses_flex_only_where_the_other_model_offers_it(
    machine, bedrock, run_in_flex, records
):
    bedrock.add_fault(Fault(error="AccessDeniedException", model=PRO))
    refuse_flex(bedrock, error="ValidationException", message=NO_FLEX, model=LITE)

    summary = run_in_flex(records(5))

    assert (summary["byModel"], summary["byLane"].keys()) == ({LITE: 5}, {"onDemand"})


def test_a_record_that_a_policy_denies_in_flex_runs_on_demand(machine, bedrock, run_in_flex, records):
    refuse_flex(bedrock, error="AccessDeniedException", message="explicit deny in an identity-based policy")

    summary = run_in_flex(records(5))

    assert (summary["byModel"], summary["byLane"].keys()) == ({PRO: 5}, {"onDemand"})
    assert summary["attempts"] > 5


def test_a_bad_answer_in_flex_is_not_bought_again_on_demand(machine, bedrock, run_in_flex, records):
    rules = {"pattern": "never", "retries": 0}

    summary = run_in_flex(records(3), responseValidation=rules)

    assert (summary["failed"], summary["attempts"]) == (3, 3)
    assert summary["byLane"]["flex"]["estimatedCostUsd"] > 0


def test_a_shard_with_jobs_runs_only_the_records_that_no_job_can_run(machine, bedrock, records):
    given = records(8)
    for record in given[::4]:
        record["modelInput"]["toolConfig"] = {
            "tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}]
        }
    (item,) = machine.plan({"requests": given, **MODELS})

    left_out = machine.run_shard({**item, "skipsManaged": True, "lane": "flex"})
    answered = {call.prompt for call in bedrock.calls}
    rest = machine.run_shard(item)

    assert (left_out["done"], left_out["answered"]) == (True, 2)
    assert answered == {"Question 0?", "Question 4?"}
    assert (rest["answered"], len(bedrock.calls)) == (8, 8)
