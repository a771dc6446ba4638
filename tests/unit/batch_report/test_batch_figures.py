"""The figures of a batch, summed up from its results."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from llmmanager.batch_report.batch_figures import OTHERS, BatchFigures
from llmmanager.batch_report.limits import MAX_EXAMPLES, MAX_GROUPS, MAX_REJECTED, MAX_SAMPLES


def summed(*results, samples=0) -> BatchFigures:
    figures = BatchFigures(samples=samples)
    for result in results:
        figures.add(result)
    return figures


def test_answers_count_at_their_target_and_cost_at_every_target_that_was_paid(make_answer):
    (lite,) = make_answer()["byTarget"]
    pro = {
        **lite,
        "model": "amazon.nova-pro-v1:0",
        "region": "us-west-2",
        "estimatedCostUsd": 1.0,
        "throttles": 1,
    }

    figures = summed(make_answer(byTarget=[pro, lite], team="support"), make_answer())

    totals = {
        name: (each.answered, each.cost, each.throttles) for name, each in figures.models.by_name.items()
    }
    assert totals == {"amazon.nova-pro-v1:0": (0, 1.0, 1), "amazon.nova-lite-v1:0": (2, 0.5, 0)}
    assert {name: each.cost for name, each in figures.regions.by_name.items()} == {
        "us-west-2": 1.0,
        "us-east-1": 0.5,
    }
    assert {name: each.cost for name, each in figures.teams.by_name.items()} == {"support": 1.25, "": 0.25}
    assert figures.throttles == 1


def test_tokens_of_the_prompt_cache_are_input_tokens(make_answer):
    (row,) = make_answer()["byTarget"]
    cached = {"inputTokens": 1, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 300, "outputTokens": 4}

    figures = summed(make_answer(byTarget=[{**row, "usage": cached}]))

    (totals,) = figures.models.by_name.values()
    assert (totals.input_tokens, totals.output_tokens) == (321, 4)


def test_the_cost_of_another_result_of_a_record_counts_without_its_answer(make_answer):
    figures = summed(make_answer())
    figures.add_cost(make_answer())

    (totals,) = figures.models.by_name.values()
    assert (figures.answered, totals.answered, totals.attempts, totals.cost) == (1, 1, 2, 0.5)


def test_failures_count_by_code_with_examples(make_failure, make_answer):
    failures = [make_failure(number, message=f"bad {number}") for number in range(9)]

    figures = summed(*failures, make_answer(errorCodes={"ThrottlingException": 3}))

    error = figures.errors.by_name["ValidationException"]
    assert (error.records, error.attempts, error.message) == (9, 9, "bad 0")
    assert error.record_ids == [f"record-{number}" for number in range(MAX_EXAMPLES)]
    assert figures.failed_records() == {"ValidationException": 9}
    assert figures.failed_attempts() == {"ValidationException": 9, "ThrottlingException": 3}


def test_a_failure_without_a_code_counts_by_its_type(make_failure):
    lost = make_failure(
        error={"type": "RecordLost", "code": None, "message": "lost"}, byTarget=[], endedAt=None
    )

    figures = summed(lost, make_failure(error=None, errorCodes={}))

    assert figures.failed_records() == {"RecordLost": 1, "unknown": 1}


def test_broken_rules_count_with_the_records(make_answer, make_failure):
    rule = "minLength: the answer has fewer than 20 characters"

    figures = summed(make_answer(1, validationErrors=[rule]), make_failure(2, validationErrors=[rule, None]))

    assert figures.invalid_records == 2
    assert {name: (each.answers, each.record_ids) for name, each in figures.rules.by_name.items()} == {
        rule: (2, ["record-1", "record-2"]),
        "the validation function rejected the answer": (1, ["record-2"]),
    }


def test_a_result_of_an_earlier_version_counts_with_what_it_has(make_answer, make_failure):
    new = ("latencyMs", "startedAt", "endedAt", "throttles", "errorCodes", "byTarget")
    old = {name: value for name, value in make_answer().items() if name not in new}
    failed = {name: value for name, value in make_failure().items() if name not in (*new, "usage")}

    figures = summed(old, failed)

    (totals,) = figures.models.by_name.values()
    assert (totals.answered, totals.attempts, totals.cost) == (1, 1, 0.25)
    assert figures.call_latency.percentile(0.5) == pytest.approx(1500, rel=0.01)
    assert list(figures.timeline.intervals()) == []


def test_samples_are_chosen_at_random_and_in_the_same_way_each_time(make_answer):
    answers = [make_answer(number, text=f"Answer {number}") for number in range(200)]

    one, two = summed(*answers, samples=5), summed(*answers, samples=5)

    assert one.samples == two.samples
    assert len({sample.record_id for sample in one.samples}) == 5
    assert one.samples[0].record_id != "record-0"
    assert all(sample.text == sample.record_id.replace("record-", "Answer ") for sample in one.samples)
    assert summed(*answers).samples == []
    assert len(summed(*answers, samples=10_000).samples) == MAX_SAMPLES


def test_an_answer_without_text_is_a_sample_without_text(make_answer):
    figures = summed(
        make_answer(modelOutput={"output": {"message": {"content": [{"toolUse": {}}]}}}), samples=1
    )

    assert figures.samples[0].text == ""


def test_the_groups_after_the_first_are_summed_up(make_answer, make_failure):
    row = make_answer()["byTarget"][0]

    figures = summed(
        *(
            make_failure(number, code=f"Code{number}", byTarget=[{**row, "model": f"model-{number}"}])
            for number in range(MAX_GROUPS + 7)
        )
    )

    assert len(figures.errors.by_name) == len(figures.models.by_name) == MAX_GROUPS + 1
    assert figures.errors.by_name[OTHERS].records == 7
    assert figures.models.by_name[OTHERS].cost == 7 * 0.25
    assert len(figures.by_target()) == MAX_GROUPS + 1
    assert sum(target["attempts"] for target in figures.by_target()) == MAX_GROUPS + 7


def test_the_first_rejected_lines_are_kept():
    figures = BatchFigures()
    for line in range(MAX_REJECTED + 5):
        figures.add_rejected({"line": line, "reasons": ["a", "b", "c", "d", "e"], "text": "x" * 9_000})

    assert [line["line"] for line in figures.rejected] == list(range(MAX_REJECTED))
    assert len(figures.rejected[0]["text"]) < 1_000
    assert (figures.rejected[0]["reasons"], figures.rejected[0]["moreReasons"]) == (["a", "b", "c"], 2)


def test_the_memory_does_not_depend_on_the_number_of_results(make_answer, make_failure):
    def peak(count: int) -> int:
        rng = random.Random(1)
        tracemalloc.start()
        try:
            figures = BatchFigures(samples=MAX_SAMPLES)
            for number in range(count):
                name = f"{number} " + "x" * 300
                times = {"latencyMs": rng.lognormvariate(7, 2), "second": rng.random() * 1e6}
                figures.add(make_answer(name, **times, text=name, team=name, model=name, region=name))
                figures.add(make_failure(name, code=name, message=name, validationErrors=[name]))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(3_000) < peak(1_000) + 200_000
