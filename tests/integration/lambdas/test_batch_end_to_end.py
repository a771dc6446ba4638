"""A batch through plan, workers and collect."""

from __future__ import annotations


def test_every_record_is_answered_once_and_the_summary_adds_up(machine, deployed, records):
    summary = machine.run({"inputS3Uri": machine.put(records(60))})

    results = machine.lines("results.jsonl")
    assert sorted(result["recordId"] for result in results) == sorted(r["recordId"] for r in records(60))
    assert {result["status"] for result in results} == {"answered"}
    assert (summary["records"], summary["answered"], summary["failed"]) == (60, 60, 0)
    assert len(deployed.calls) == 60
