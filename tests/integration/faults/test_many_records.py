"""Thousands of records with a fifth of all calls failing, several workers side by side."""

from __future__ import annotations

import json
from collections import Counter

from llmmanager.testing import Fault

RECORDS = 2_500
# Each hits its share of the calls that the ones before it let through: a fifth of all calls in the end.
FAULTS = (
    Fault(error="ThrottlingException", share=0.06),
    Fault(error="ServiceUnavailableException", share=0.05),
    Fault(error="InternalServerException", share=0.04),
    Fault(error="ModelErrorException", share=0.03),
    Fault(reset=True, share=0.035),
)
WORKERS = 2


def test_thousands_of_records_are_answered_once_with_few_calls_beyond_one_each(
    machine, bedrock, put, records
):
    for fault in FAULTS:
        bedrock.add_fault(fault)
    batch = records(RECORDS)

    items = machine.plan({"inputS3Uri": put(batch)})
    workers = [machine.start_worker(*items[number::WORKERS]) for number in range(WORKERS)]
    assert [worker.wait() for worker in workers] == [0] * WORKERS
    summary = machine.collect()

    assert (summary["answered"], summary["failed"]) == (RECORDS, 0)
    found = Counter(line["recordId"] for line in machine.lines("results.jsonl"))
    assert found == Counter(record["recordId"] for record in batch)
    calls = bedrock.calls
    failed = sum(call.status != 200 for call in calls)
    print(json.dumps({"calls": len(calls), "failed": failed, "per answer": len(calls) / RECORDS}))
    assert failed / len(calls) > 0.17
    assert len(calls) / RECORDS <= 1.3
