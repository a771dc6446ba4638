"""Running a request once, over DynamoDB."""

from __future__ import annotations

import threading
import time

import boto3
import pytest

from lambdas.shared import idempotency
from lambdas.shared.idempotency import InProgress, KeyReused, StoreUnavailable, run_once
from tests.waiting import PATIENCE_SECONDS

KEY = ("door", "caller", "key")


@pytest.fixture
def once(deployed, context):
    """Runs work that counts how often it is done."""

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


def test_the_same_request_again_is_given_the_first_answer(once):
    first = once({"text": "one", "numbers": [1, 2.5, None]})
    second = once({"text": "two"})

    assert (first.answer, first.replayed) == ({"text": "one", "numbers": [1, 2.5, None]}, False)
    assert (second.answer, second.replayed) == (first.answer, True)
    assert once.runs == 1


def test_an_answer_of_nothing_is_remembered_as_well(once):
    once(None)

    assert (once("another").answer, once.runs) == (None, 1)


def test_a_key_is_good_for_one_request(once):
    once("answer")

    with pytest.raises(KeyReused):
        once("answer", body={"question": 2})
    assert once.runs == 1


def test_doors_and_callers_have_keys_of_their_own(once):
    for key in (KEY, ("door", "other", "key"), ("other", "caller", "key"), ("doorcaller", "key")):
        assert not once("answer", key=key).replayed
    assert once.runs == 4


def test_a_failure_is_not_kept(once):
    with pytest.raises(ValueError, match="no luck"):
        once(ValueError("no luck"))

    assert once("answer").answer == "answer"


def test_of_two_at_once_one_works_and_the_other_is_told(deployed, context):
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

    assert [once.answer for once in answers] == ["answer"]


def test_a_request_whose_function_died_can_be_made_again(deployed, context):
    class Killed(BaseException):
        """Nothing that a function could clean up after."""

    def die():
        raise Killed

    context.seconds = -1
    with pytest.raises(Killed):
        run_once(KEY, {}, die, context=context)

    context.seconds = 29
    assert run_once(KEY, {}, lambda: "answer", context=context).answer == "answer"


@pytest.mark.parametrize("text", ["a" * 500_000, "語" * 120_000])
def test_a_large_answer_is_kept_in_the_bucket(once, text):
    first, second = once({"text": text}), once("another")

    assert second.replayed
    assert first.answer == second.answer == {"text": text}
    (listed,) = boto3.client("s3").list_objects_v2(Bucket="batches-of-the-test")["Contents"]
    assert listed["Key"].startswith("requests/")


def test_without_the_table_nothing_is_run(once):
    boto3.client("dynamodb").delete_table(TableName="requests-of-the-test")

    with pytest.raises(StoreUnavailable):
        once("answer")
    assert once.runs == 0


def test_an_answer_that_could_not_be_kept_is_given_all_the_same(deployed, context):
    def work():
        boto3.client("dynamodb").delete_table(TableName="requests-of-the-test")
        return "answer"

    assert run_once(KEY, {}, work, context=context) == idempotency.Once("answer", replayed=False)


def test_keys_are_kept_for_a_day(once):
    before = time.time()
    once("answer")

    (item,) = boto3.client("dynamodb").scan(TableName="requests-of-the-test")["Items"]
    day = 24 * 3600
    assert int(before) + day <= int(item["expires_at"]["N"]) <= time.time() + day
