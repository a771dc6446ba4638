"""The figures and the report that collect writes."""

from __future__ import annotations

import boto3
import pytest

from lambdas.batch.batch_status import read_status
from lambdas.batch.storage import BatchStorage
from llmmanager.testing import Fault
from tests.deployed_storage import BUCKET


@pytest.fixture
def report(machine):
    """Return the report of a batch."""
    return lambda batch="batch-1": machine.read(f"batches/{batch}/report.html").decode()


def test_figures_of_results_and_summary_agree_with_the_calls(machine, deployed, records):
    deployed.add_fault(Fault(region="us-east-1", error="ThrottlingException"))

    summary = machine.run({"inputS3Uri": machine.put(records(20))})

    results = machine.lines("results.jsonl")
    throttled = [call for call in deployed.calls if call.error_code == "ThrottlingException"]
    assert summary["throttles"] == sum(result["throttles"] for result in results) == len(throttled) > 0
    assert summary["errorCodes"] == {"ThrottlingException": len(throttled)}
    assert sum(row["attempts"] for row in summary["byTarget"]) == len(deployed.calls)
    assert sum(row["estimatedCostUsd"] for row in summary["byTarget"]) == pytest.approx(
        summary["estimatedCostUsd"]
    )
    assert all(0 < result["latencyMs"] <= result["durationMs"] for result in results)
    assert 0 < summary["latencyMs"]["p50"] <= summary["latencyMs"]["max"]


def test_a_batch_has_a_report_next_to_its_files(machine, deployed, records, report):
    unclear = {"messages": [{"role": "user", "content": [{"text": "<b>broken</b>"}]}], "temperature": 1}

    machine.run({"inputS3Uri": machine.put([*records(3), {"recordId": "bad", "modelInput": unclear}])})

    assert "75.0 % of the records were answered, 1 rejected." in report()
    assert "&lt;b&gt;broken&lt;/b&gt;" in report()
    assert "Test answer by FakeBedrock" not in report()
    status = read_status("batch-1")
    assert status["results"]["report"] == f"s3://{BUCKET}/batches/batch-1/report.html"
    head = boto3.client("s3").head_object(Bucket=BUCKET, Key="batches/batch-1/report.html")
    assert head["ContentType"] == "text/html; charset=utf-8"


def test_sample_answers_are_an_option(machine, deployed, records, report):
    machine.run({"requests": records(3), "reportSamples": 2})

    assert report().count("<pre>") == 2
    assert "Test answer by FakeBedrock" in report()


def test_a_batch_that_failures_ended_has_a_report_with_the_next_step(machine, deployed, records, report):
    deployed.add_fault(Fault(error="AccessDeniedException", message="You don't have access to the model"))

    machine.run({"requests": records(40), "failureStrategy": "stopOnFirstFailure"})

    assert "Ended early: the batch was stopped by its failureStrategy" in report()
    assert "Check model access in the Bedrock console" in report()
    assert "Correct the cause of their errors, and resume the batch" in report()


def test_answers_that_break_a_rule_are_in_the_report(machine, deployed, records, report):
    rules = {"mustContain": ["a phrase that no answer has"], "retries": 1}

    summary = machine.run({"requests": records(2), "responseValidation": rules})

    assert (summary["failed"], summary["errors"]) == (2, {"InvalidResponseError": 2})
    assert [line["validationErrors"] for line in machine.lines("failed.jsonl")] == [
        ["mustContain[0]: the answer does not contain it"] * 2
    ] * 2
    assert "mustContain[0]: the answer does not contain it" in report()


def test_a_team_in_the_metadata_of_a_record_is_a_row_of_the_report(machine, deployed, records, report):
    one, two = records(2)
    one["modelInput"]["requestMetadata"] = {"team": "support"}

    machine.run({"requests": [one, two]})

    assert ">support<" in report()
    assert ">no team<" in report()


def test_without_teams_there_is_no_table_of_teams(machine, deployed, records, report):
    machine.run({"requests": records(2)})

    assert ">Regions<" in report()
    assert ">Teams<" not in report()


def test_a_batch_of_an_earlier_version_has_no_link_to_a_report(machine, deployed, records):
    summary = machine.run({"requests": records(1)})
    del summary["report"]
    BatchStorage(BUCKET, "batch-1").put_summary(summary)

    assert read_status("batch-1")["results"].keys() == {"results", "failed", "rejected", "summary"}
