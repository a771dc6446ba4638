"""What the HTTP API does beyond a question and its answer, on the deployed stack."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from infra.local.api import ApiResponse
from infra.local.batches import follow, submit
from infra.local.stack import Stack
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until, wait_until_quiet

pytestmark = pytest.mark.e2e

REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]


def question(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


def record(name: str) -> dict[str, Any]:
    return {"recordId": name, "modelInput": question(f"Question {name}?")}


@pytest.fixture
def key() -> dict[str, str]:
    """The header of a request that is to be made once."""
    return {"Idempotency-Key": str(uuid.uuid4())}


# ---- once


def test_a_question_sent_twice_is_asked_once_and_answered_alike(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    first, second = (stack.api.post("/v1/converse", question("Once?"), headers=key) for _ in range(2))
    assert first.expect(200) == second.expect(200)
    assert "idempotent-replay" not in first.headers
    assert second.headers["idempotent-replay"] == "true"
    assert [call.prompt for call in bedrock.calls] == ["Once?"]


def test_a_key_that_comes_with_another_question_is_refused(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    stack.api.post("/v1/converse", question("This?"), headers=key).expect(200)
    answer = stack.api.post("/v1/converse", question("That?"), headers=key)
    assert (answer.status, answer.body["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")
    assert [call.prompt for call in bedrock.calls] == ["This?"]


def test_of_the_same_question_sent_many_times_at_once_one_is_asked(
    stack: Stack, bedrock: FakeBedrock, key: dict[str, str]
) -> None:
    bedrock.set_latency(2.0, operation="Converse")

    def ask(_: int) -> ApiResponse:
        return stack.api.post("/v1/converse", question("All at once?"), headers=key)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))

    assert Counter(call.prompt for call in bedrock.calls) == {"All at once?": 1}
    # Who comes while the first is being answered is told to come back, who comes after it hears the same.
    assert {answer.status for answer in answers} <= {200, 409}
    assert sum("idempotent-replay" not in answer.headers for answer in answers if answer.status == 200) == 1
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status == 409)
    assert ask(0).expect(200)["text"]
    assert len(bedrock.calls) == 1


def test_a_batch_sent_twice_runs_once(stack: Stack, bedrock: FakeBedrock, key: dict[str, str]) -> None:
    body = {"requests": [record("only")]}
    first, second = (stack.api.post("/v1/batches", body, headers=key).expect(202) for _ in range(2))
    assert first == second
    assert follow(stack, first["batchId"])["progress"]["answered"] == 1
    assert len(bedrock.calls) == 1


# ---- later


def test_a_question_is_answered_later_when_the_caller_would_rather_have_it_so(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    answer = stack.api.post("/v1/converse", question("Later?"), headers={"Prefer": "respond-async"})
    taken = answer.expect(202)
    assert answer.headers["preference-applied"] == "respond-async"
    assert taken["links"]["self"] == f"/v1/requests/{taken['requestId']}"
    # As a browser goes there: from the host on, by way of the stage.
    assert answer.headers["location"] == f"/prod{taken['links']['self']}"

    def outcome() -> dict[str, Any]:
        return dict(stack.api.get(taken["links"]["self"]).expect(200))

    wait_until(lambda: outcome()["status"] != "pending", every=0.1)
    found = outcome()
    assert (found["requestId"], found["status"]) == (taken["requestId"], "answered")
    assert found["answer"]["text"]
    assert [call.prompt for call in bedrock.calls] == ["Later?"]


def test_a_wrong_question_is_refused_at_once_even_if_it_may_be_answered_later(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    answer = stack.api.post("/v1/converse", {"messages": []}, headers={"Prefer": "respond-async"})
    assert answer.status == 400
    assert stack.api.get("/v1/requests/nobody-sent-it").status == 404
    assert bedrock.calls == ()


# ---- without a model


def test_a_body_is_checked_without_calling_a_model(stack: Stack, bedrock: FakeBedrock) -> None:
    assert stack.api.post("/v1/validate", question("Well?")).expect(200) == {"valid": True, "errors": []}
    wrong = question("Well?", models=["Nova Imaginary"], responseValidation={}, temprature=1)
    found = stack.api.post("/v1/validate", wrong).expect(200)
    assert found["valid"] is False
    assert [error.partition(":")[0] for error in found["errors"]] == [
        "models",
        "responseValidation",
        "temprature",
    ]
    assert bedrock.calls == ()


def test_every_way_in_to_a_model_is_told_for_all_regions_or_one(stack: Stack) -> None:
    everywhere = stack.api.get("/v1/models/Claude%20Haiku%204.5/access").expect(200)
    assert sorted(everywhere["regions"]) == sorted(REGIONS)
    here = stack.api.get("/v1/models/Claude%20Haiku%204.5/access?region=eu-central-1").expect(200)
    assert here["regions"] == {"eu-central-1": everywhere["regions"]["eu-central-1"]}
    assert here["regions"]["eu-central-1"]["inferenceProfileId"].startswith("eu.")
    assert stack.api.get("/v1/models/Claude%20Haiku%204.5/access?region=mars-north-1").status == 400
    assert stack.api.get("/v1/models/Nova%20Imaginary/access").status == 404


def test_the_api_tells_that_it_lives(stack: Stack, bedrock: FakeBedrock) -> None:
    health = stack.api.get("/v1/health").expect(200)
    assert (health["status"], health["regions"]) == ("ok", REGIONS)
    assert sorted(health["accessDataAgeSeconds"]) == sorted(REGIONS)
    assert bedrock.calls == ()


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/converse"), ("DELETE", "/v1/batches/any")])
def test_a_method_that_a_path_does_not_have_is_refused(stack: Stack, method: str, path: str) -> None:
    answer = stack.api.call(method, path)
    assert (answer.status, answer.body["type"]) == (405, "urn:llmmanager:problem:method-not-allowed")
    assert answer.headers["allow"] in ("POST", "GET")


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/requests", "/v1/models/Nova%20Lite", "/v2/converse"])
def test_a_path_that_is_no_route_is_a_404(stack: Stack, path: str) -> None:
    answer = stack.api.get(path)
    assert (answer.status, answer.body["type"]) == (404, "urn:llmmanager:problem:not-found")


# ---- rules for answers


def test_an_answer_that_breaks_a_rule_is_asked_for_again_and_never_given(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    rules = {"mustContain": ["no model would say this"], "retries": 1}
    answer = stack.api.post(
        "/v1/converse", question("Rules?", models=["Nova Lite"], responseValidation=rules)
    )
    assert (answer.status, answer.body["type"]) == (422, "urn:llmmanager:problem:answer-refused")
    assert answer.body["errors"][0] == "mustContain[0]: the answer does not contain it"
    assert len(answer.body["attempts"]) == len(bedrock.calls) > 1


def test_an_answer_that_keeps_the_rules_is_given(stack: Stack, bedrock: FakeBedrock) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", region="us-east-1", operation="Converse"))
    rules = {"minLength": 1, "pattern": r"\w", "mustNotContain": ["no model would say this"]}
    answer = stack.api.post("/v1/converse", question("Rules?", responseValidation=rules)).expect(200)
    assert answer["text"]
    assert answer["region"] != "us-east-1"


# ---- batches stopped and taken up again


def test_a_batch_is_stopped_and_taken_up_again_without_paying_for_an_answer_twice(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    # Every shard takes several seconds, and the last of them begins when the others have ended.
    bedrock.set_latency(1.0, operation="Converse")
    names = [f"record-{number}" for number in range(20)]
    batch_id = submit(stack, {"requests": [record(name) for name in names], "regions": ["us-east-1"]})
    assert stack.api.post(f"/v1/batches/{batch_id}/resume", "").status == 409
    wait_until(lambda: bedrock.calls)

    assert stack.api.post(f"/v1/batches/{batch_id}/stop", "").expect(200)["status"] == "stopped"
    assert stack.api.get(f"/v1/batches/{batch_id}").expect(200)["status"] == "stopped"
    # A function that runs is not stopped but ends by itself, and on the emulator a shard's loop does so too.
    wait_until_quiet(bedrock)
    resumed = stack.api.post(f"/v1/batches/{batch_id}/resume", "").expect(202)
    assert (resumed["batchId"], resumed["status"]) == (batch_id, "running")

    state = follow(stack, batch_id)
    assert (state["status"], state["progress"]["answered"]) == ("succeeded", 20)
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {name}?": 1 for name in names}
    assert stack.api.post(f"/v1/batches/{batch_id}/resume", "").status == 409
    assert stack.api.post(f"/v1/batches/{batch_id}/stop", "").status == 409
    assert [batch["batchId"] for batch in everything(stack)].count(batch_id) == 1


def everything(stack: Stack) -> list[dict[str, Any]]:
    """All batches, read in small pages."""
    found: list[dict[str, Any]] = []
    page = stack.api.get("/v1/batches?limit=3").expect(200)
    while "nextToken" in page:
        found += page["batches"]
        page = stack.api.get(f"/v1/batches?limit=3&nextToken={quote(page['nextToken'])}").expect(200)
    return found + page["batches"]


def test_the_batches_are_listed_newest_first(stack: Stack, bedrock: FakeBedrock) -> None:
    ids = [submit(stack, {"requests": [record("only")]}) for _ in range(2)]
    for id_ in ids:
        follow(stack, id_)
    newest, older = stack.api.get("/v1/batches?limit=2").expect(200)["batches"]
    assert [newest["batchId"], older["batchId"]] == ids[::-1]
    assert newest["status"] == older["status"] == "succeeded"
    assert newest["startedAt"] <= newest["endedAt"]
