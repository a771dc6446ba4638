"""Jobs whose output appears late, and jobs whose status cannot be read for hours."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from llmmanager.testing import Fault, JobFault

RECORDS = 20
HOUR = 3600
UNREADABLE = Fault(error="InternalServerException", operation="GetModelInvocationJob")


@pytest.fixture
def calls(deployed):
    """Returns the Converse calls."""
    return lambda: [call for call in deployed.calls if call.operation == "Converse"]


@pytest.fixture
def run_for(machine, deployed):
    """Does the first steps of a job, and those of the last of so many hours, until it is done."""

    def step(item):
        try:
            return machine.step(item)
        except ClientError:
            # Step Functions repeats the step.
            machine.clock.now += 300
            return item

    def run(item, hours):
        end = machine.clock.now + hours * HOUR
        item = step(step(item))
        machine.clock.now = max(machine.clock.now, end - HOUR)
        while machine.clock.now < end and not item.get("done"):
            _ = deployed.jobs  # Jobs continue when they are looked at.
            item = step(item)
        return item

    return run


@pytest.mark.parametrize(
    ("options", "hours"),
    [({"deadlineSeconds": 12 * HOUR}, 9), ({}, 23), ({"deadlineSeconds": 48 * HOUR}, 23)],
)
def test_an_output_is_imported_as_long_as_the_deadline_allows(machine, deployed, calls, many, options, hours):
    deployed.add_job_fault(JobFault(late_seconds=hours * HOUR))

    summary = machine.run_batch({**many(RECORDS), **options})

    assert (summary["answered"], summary["attemptsWithUnknownUsage"], len(calls())) == (RECORDS, 0, 0)
    assert summary["usage"]["outputTokens"] == deployed.billed.output_tokens


@pytest.mark.parametrize(
    ("options", "hours"), [({"deadlineSeconds": 6 * HOUR}, 6), ({"deadlineSeconds": 600}, 1 / 6), ({}, 24.2)]
)
def test_the_records_of_a_job_without_output_run_on_demand_before_the_deadline(
    machine, deployed, calls, many, run_for, options, hours
):
    deployed.add_job_fault(JobFault(late_seconds=100 * HOUR))
    start = machine.clock.now
    [item] = machine.plan_jobs({**many(RECORDS), **options})

    assert run_for(item, hours)["done"]

    assert machine.clock.now - start < hours * HOUR
    machine.run_rest()
    summary = machine.collect()
    assert len(calls()) == summary["answered"] == summary["attemptsWithUnknownUsage"] == RECORDS


@pytest.mark.parametrize(("processed", "seconds"), [(0, 180), (5, 800)])
def test_a_failed_job_is_not_waited_for_so_long(machine, deployed, many, processed, seconds):
    deployed.add_job_fault(JobFault(outcome="failed", processed=processed, late_seconds=100 * HOUR))
    start = machine.clock.now
    [item] = machine.plan_jobs(many(RECORDS))

    machine.run_job(item)

    assert machine.clock.now - start < seconds
    machine.run_rest()
    assert machine.collect()["attemptsWithUnknownUsage"] == processed


@pytest.mark.parametrize("hours", [1, 20])
def test_a_job_whose_status_cannot_be_read_is_waited_for(machine, deployed, calls, many, run_for, hours):
    deployed.set_jobs(record_seconds=(hours + 1) * HOUR / RECORDS)
    [item] = machine.plan_jobs({**many(RECORDS), "deadlineSeconds": 24 * HOUR})
    item = machine.step(item)
    deployed.add_fault(UNREADABLE)

    item = run_for(item, hours)
    assert not item["done"]
    deployed.clear_faults()
    machine.run_job(item)

    machine.run_rest()
    summary = machine.collect()
    assert (summary["answered"], summary["attemptsWithUnknownUsage"], len(calls())) == (RECORDS, 0, 0)


def test_an_output_is_imported_also_if_the_status_of_its_job_cannot_be_read(machine, deployed, many, run_for):
    deployed.set_jobs(record_seconds=HOUR / RECORDS)
    [item] = machine.plan_jobs(many(RECORDS))
    deployed.add_fault(UNREADABLE)

    assert run_for(item, 1.2)["done"]

    summary = machine.collect()
    assert (summary["answered"], summary["attemptsWithUnknownUsage"]) == (RECORDS, 0)
    assert summary["jobs"]["reasons"] == ["the status of the job cannot be read"]


def test_at_the_cut_off_a_job_is_stopped_also_if_its_status_cannot_be_read(
    machine, deployed, calls, many, run_for
):
    deployed.set_jobs(record_seconds=HOUR)
    [item] = machine.plan_jobs({**many(RECORDS), "deadlineSeconds": 10 * HOUR})
    item = machine.step(item)
    deployed.add_fault(UNREADABLE)

    item = run_for(item, 10)

    assert item["done"]
    [job] = deployed.jobs
    answered = job["successRecordCount"]
    assert (job["status"], 8 <= answered <= 10) == ("Stopped", True)
    deployed.clear_faults()
    machine.run_rest()
    assert (machine.collect()["answered"], len(calls())) == (RECORDS, RECORDS - answered)


def test_a_job_whose_status_was_never_readable_counts_as_paid_if_it_has_no_output(
    machine, deployed, many, run_for
):
    deployed.add_job_fault(JobFault(late_seconds=100 * HOUR))
    deployed.add_fault(UNREADABLE)
    [item] = machine.plan_jobs({**many(RECORDS), "deadlineSeconds": 10 * HOUR})

    assert run_for(item, 11)["done"]

    machine.run_rest()
    assert machine.collect()["attemptsWithUnknownUsage"] == RECORDS


def test_without_a_deadline_an_unreadable_status_fails_the_step_when_the_job_must_have_ended(
    machine, deployed, many, run_for
):
    deployed.add_job_fault(JobFault(late_seconds=100 * HOUR))
    deployed.add_fault(UNREADABLE)
    [item] = machine.plan_jobs(many(RECORDS))

    item = run_for(item, 47)

    assert not item["done"]
    machine.clock.now += 2 * HOUR
    with pytest.raises(ClientError):
        machine.step(item)


def test_an_accepted_stop_is_requested_once(machine, deployed, many, run_for):
    deployed.set_jobs(record_seconds=HOUR, stop_seconds=300)
    [item] = machine.plan_jobs({**many(RECORDS), "deadlineSeconds": 10 * HOUR})

    assert run_for(item, 10)["done"]

    stops = [call for call in deployed.calls if call.operation == "StopModelInvocationJob"]
    assert len(stops) == 1
