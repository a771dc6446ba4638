"""`run_once`, with DynamoDB."""

from __future__ import annotations

import threading
import time

import boto3
import pytest

from lambdas.shared import idempotency
from lambdas.shared.idempotency import InProgress, KeyReused, StoreUnavailable, run_once
from tests.waiting import PATIENCE_SECONDS

KEY = ("entry-point", "caller", "key")


@pytest.fixture
def once(deployed, context):
    """Calls `run_once` and counts how often the work runs."""

    class Runner:
        runs = 0

        def __call__(self, answer, *, key=KEY, body=None):
            def work():
                self.runs += 1
                if isinstance(answer, Exception):
                    raise answer
                return answer

            return run_once(key, body or {"question": 1}, work, context=context)

    return Runner()


def test_a_repeated_request_gets_the_first_answer(once):
    first = once({"text": "one", "numbers": [1, 2.5, None]})
    second = once({"text": "two"})

    assert (first.answer, first.replayed) == ({"text": "one", "numbers": [1, 2.5, None]}, False)
    assert (second.answer, second.replayed) == (first.answer, True)
    assert once.runs == 1


def test_an_answer_of_none_is_recorded(once):
    once(None)

    assert (once("another").answer, once.runs) == (None, 1)


def test_a_key_is_valid_for_one_request(once):
    once("answer")

    with pytest.raises(KeyReused):
        once("answer", body={"question": 2})
    assert once.runs == 1


def test_entry_points_and_callers_have_separate_keys(once):
    for key in (
        KEY,
        ("entry-point", "other", "key"),
        ("other", "caller", "key"),
        ("entry-pointcaller", "key"),
    ):
        assert not once("answer", key=key).replayed
    assert once.runs == 4


def test_a_failure_is_not_recorded(once):
    with pytest.raises(ValueError, match="failed"):
        once(ValueError("failed"))

    assert once("answer").answer == "answer"


def test_of_two_simultaneous_requests_one_runs_and_the_other_is_rejected(deployed, context):
    working, finish = threading.Event(), threading.Event()
    answers = []

    def work():
        working.set()
        assert finish.wait(PATIENCE_SECONDS)
        return "answer"

    first = threading.Thread(target=lambda: answers.append(run_once(KEY, {}, work, context=context)))
    first.start()
    assert working.wait(PATIENCE_SECONDS)
    with pytest.raises(InProgress):
        run_once(KEY, {}, work, context=context)
    finish.set()
    first.join()

    assert [result.answer for result in answers] == ["answer"]


def test_a_request_whose_function_stopped_runs_again(deployed, context):
    class Stopped(BaseException):
        """Not an Exception, so that it is not handled."""

    def stop():
        raise Stopped

    context.seconds = -1
    with pytest.raises(Stopped):
        run_once(KEY, {}, stop, context=context)

    context.seconds = 29
    assert run_once(KEY, {}, lambda: "answer", context=context).answer == "answer"


@pytest.mark.parametrize("text", ["a" * 500_000, "語" * 120_000])
def test_a_large_answer_is_stored_in_the_bucket(once, text):
    first, second = once({"text": text}), once("another")

    assert second.replayed
    assert first.answer == second.answer == {"text": text}
    (listed,) = boto3.client("s3").list_objects_v2(Bucket="batches-of-the-test")["Contents"]
    assert listed["Key"].startswith("requests/")


def test_without_the_table_nothing_runs(once):
    boto3.client("dynamodb").delete_table(TableName="requests-of-the-test")

    with pytest.raises(StoreUnavailable):
        once("answer")
    assert once.runs == 0


def test_an_answer_that_could_not_be_recorded_is_returned(deployed, context):
    def work():
        boto3.client("dynamodb").delete_table(TableName="requests-of-the-test")
        return "answer"

    assert run_once(KEY, {}, work, context=context) == idempotency.Result("answer", replayed=False)


def test_keys_expire_after_a_day(once):
    before = time.time()
    once("answer")

    (item,) = boto3.client("dynamodb").scan(TableName="requests-of-the-test")["Items"]
    day = 24 * 3600
    assert int(before) + day <= int(item["expires_at"]["N"]) <= time.time() + day
