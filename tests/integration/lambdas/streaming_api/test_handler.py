"""The streaming API against FakeBedrock: routes, headers, errors, streams and repeated requests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lambdas.shared.metrics import ENTRY_POINT_FIELD
from llmmanager.testing import Fault

CHAT = "/chat/completions"
HELLO = {"model": "Nova Lite", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**HELLO, "stream": True}


def text_of(received):
    chunks = [event for event in received.events if event != "[DONE]" and event.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


def test_a_complete_answer_names_model_region_attempts_and_cost(api):
    received = api().post(CHAT, HELLO)

    assert received.status == 200
    assert received.document["choices"][0]["message"]["content"]
    assert received.headers["x-llmmanager-model"] == "amazon.nova-lite-v1:0"
    assert received.headers["x-llmmanager-region"] == "us-east-1"
    assert received.headers["x-llmmanager-attempts"] == "1"
    assert float(received.headers["x-llmmanager-cost-usd"]) > 0
    assert received.headers["x-request-id"]


def test_a_streamed_answer_has_the_text_of_the_complete_one(api):
    streamed = api().post(CHAT, STREAM)

    assert streamed.status == 200
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    assert text_of(streamed) == api().post(CHAT, HELLO).document["choices"][0]["message"]["content"]
    assert streamed.events[-1] == "[DONE]"
    assert len(streamed.pieces) > 4


def test_a_stream_ends_with_its_cost_in_a_comment(api):
    *_, totals, done = api().post(CHAT, STREAM).pieces

    assert totals.startswith(b": x-llmmanager-model: amazon.nova-lite-v1:0; ")
    assert b"x-llmmanager-cost-usd: 0.0" in totals
    assert done == b"data: [DONE]\n\n"


def test_a_failed_region_is_replaced_before_the_answer_begins(api, deployed):
    deployed.add_fault(Fault(error="ServiceUnavailableException", region="us-east-1"))

    streamed = api().post(CHAT, STREAM)

    assert streamed.headers["x-llmmanager-region"] == "us-west-2"
    assert int(streamed.headers["x-llmmanager-attempts"]) >= 2
    assert streamed.events[-1] == "[DONE]"


def test_a_stream_that_breaks_continues_on_another_target(api, deployed):
    whole = text_of(api().post(CHAT, STREAM))
    deployed.add_fault(Fault(error="modelStreamErrorException", region="us-east-1", after_chunks=2, count=1))

    streamed = api().post(CHAT, STREAM)

    assert streamed.events[-1] == "[DONE]"
    assert text_of(streamed).startswith(whole[:5])
    assert len({call.region for call in deployed.calls[-2:]}) == 2


def test_a_stream_that_cannot_continue_ends_with_an_error(api, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))

    streamed = api().post(CHAT, STREAM)

    assert streamed.status == 200
    assert streamed.events[-1]["error"]["code"] == "stream_interrupted"
    assert b"[DONE]" not in streamed.body
    assert b'"finish_reason":"stop"' not in streamed.body


def test_an_error_before_the_first_content_is_a_status_also_for_a_stream(api, deployed):
    deployed.add_fault(Fault(error="ValidationException", message="The model is not ready."))

    received = api().post(CHAT, STREAM)

    assert received.status == 400
    assert received.document["error"]["type"] == "invalid_request_error"


def test_throttled_models_are_a_429_with_retry_after(api, deployed, clock):
    deployed.add_fault(Fault(error="ThrottlingException"))

    received = replace(api(), seconds=20).post(CHAT, HELLO)

    assert received.status == 429
    assert received.document["error"]["code"] == "rate_limit_exceeded"
    assert int(received.headers["Retry-After"]) >= 1


def test_a_complete_answer_is_given_up_before_api_gateway_ends_the_silent_response(api, deployed, clock):
    deployed.add_fault(Fault(error="ThrottlingException"))
    clock.seconds_per_call = 40
    started = clock.now

    received = api().post(CHAT, HELLO)

    assert received.status == 429
    assert clock.now - started < 300


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ({"messages": HELLO["messages"]}, "model"),
        ({**HELLO, "n": 2}, "n"),
        ({**HELLO, "messages": "Hello"}, "messages"),
        ({**HELLO, "temperature": 2}, "temperature"),
        ({**HELLO, "max_tokens": 0}, "max_tokens"),
    ],
)
def test_an_invalid_request_names_the_field(api, deployed, body, param):
    received = api().post(CHAT, body)

    assert received.status == 400
    assert received.document["error"]["param"] == param
    assert received.document["error"]["type"] == "invalid_request_error"
    assert not deployed.calls


def test_an_unknown_model_is_a_404_in_openai_s_format(api):
    received = api().post(CHAT, {**HELLO, "model": "gpt-4o"})

    assert received.status == 404
    assert received.document["error"]["code"] == "model_not_found"
    assert received.document["error"]["param"] == "model"


def test_a_key_for_other_models_gets_the_same_404(api):
    received = api(models=("Nova Micro",)).post(CHAT, HELLO)

    assert (received.status, received.document["error"]["code"]) == (404, "model_not_found")


def test_a_key_for_one_region_is_only_answered_there(api, deployed):
    received = api(regions=("us-west-2",)).post(CHAT, HELLO)

    assert received.headers["x-llmmanager-region"] == "us-west-2"
    assert {call.region for call in deployed.calls} == {"us-west-2"}


def test_an_expired_key_whose_authorization_is_cached_is_a_401(api):
    received = api(expires=datetime(2020, 1, 1, tzinfo=UTC)).post(CHAT, HELLO)

    assert (received.status, received.document["error"]["code"]) == (401, "invalid_api_key")


def test_a_request_without_an_identity_is_not_answered(api, deployed):
    from lambdas.streaming_api.handler import handler

    client = api()
    event = client.event("POST", CHAT, HELLO)
    event["requestContext"]["authorizer"] = None

    assert handler(event, client.make_context()).status == 500
    assert not deployed.calls


def test_an_alias_is_a_name_of_its_model(api, cold_start, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_MODEL_ALIASES", json.dumps({"gpt-4o": "Nova Micro"}))
    cold_start()

    received = api().post(CHAT, {**HELLO, "model": "gpt-4o"})

    assert received.headers["x-llmmanager-model"] == "amazon.nova-micro-v1:0"
    assert "gpt-4o" in [model["id"] for model in api().get("/models").document["data"]]


def test_models_are_those_of_the_key(api):
    listed = api(models=("Nova Micro",)).get("/models").document

    assert listed == {
        "object": "list",
        "data": [{"id": "Nova Micro", "object": "model", "created": 0, "owned_by": "amazon"}],
    }


@pytest.mark.parametrize("name", ["Nova%20Lite", "amazon.nova-lite-v1:0", "Nova Lite"])
def test_one_model_is_found_by_name_and_id(api, name):
    received = api().get(f"/models/{name}")

    assert received.status == 200
    assert received.document["object"] == "model"


def test_a_model_that_the_key_does_not_allow_does_not_exist(api):
    assert api(models=("Nova Micro",)).get("/models/Nova%20Lite").status == 404


def test_an_unknown_path_is_a_404_and_an_unknown_method_a_405(api):
    assert api().post("/embeddings", {}).status == 404
    wrong = api().get(CHAT)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("configured", "allowed"),
    [(["*"], "*"), (["https://chat.example", "https://b.example"], "https://chat.example")],
)
def test_a_page_of_a_configured_origin_may_call_the_api(api, cold_start, monkeypatch, configured, allowed):
    monkeypatch.setenv("LLMMANAGER_CORS_ORIGINS", json.dumps(configured))
    cold_start()

    preflight = api().send("OPTIONS", CHAT, Origin="https://chat.example")
    answer = api().post(CHAT, HELLO, Origin="https://chat.example")
    error = api().post("/embeddings", {}, Origin="https://chat.example")

    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Headers"] == "Authorization, *"
    for received in (preflight, answer, error):
        assert received.headers["Access-Control-Allow-Origin"] == allowed


def test_a_page_of_another_origin_may_not_call_the_api(api):
    preflight = api().send("OPTIONS", CHAT, Origin="https://chat.example")

    assert preflight.status == 204
    assert not [name for name in preflight.headers if name.startswith("Access-Control")]


def test_ignored_fields_are_listed_in_a_header(api):
    received = api().post(CHAT, {**HELLO, "seed": 7})

    assert received.headers["x-llmmanager-ignored"] == "seed"


@pytest.mark.parametrize("stream", [False, True])
def test_features_that_the_model_does_not_support_are_listed_in_a_header(api, stream):
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    received = api().post(
        CHAT, {**HELLO, "messages": [{"role": "user", "content": [part]}], "stream": stream}
    )

    assert received.headers["x-llmmanager-disabled"] == "audio"


def test_a_repeated_request_with_a_key_is_paid_once(api, deployed):
    first = api().post(CHAT, HELLO, Idempotency_Key="k1")
    second = api().post(CHAT, HELLO, Idempotency_Key="k1")

    assert second.document == first.document
    assert second.headers["Idempotent-Replay"] == "true"
    assert len(deployed.calls) == 1


def test_a_repeated_stream_with_a_key_is_the_same_stream(api, deployed):
    first = api().post(CHAT, STREAM, Idempotency_Key="k1")
    second = api().post(CHAT, STREAM, Idempotency_Key="k1")

    assert second.pieces == first.pieces
    assert second.headers["Idempotent-Replay"] == "true"
    assert len(deployed.calls) == 1


def test_a_stream_whose_client_disconnects_is_stored_for_the_repeated_request(api, deployed):
    opened = api().open("POST", CHAT, STREAM, Idempotency_Key="k1")
    next(iter(opened.body))
    opened.body.close()

    repeated = api().post(CHAT, STREAM, Idempotency_Key="k1")

    assert repeated.events[-1] == "[DONE]"
    assert len(deployed.calls) == 1


def test_an_interrupted_stream_is_not_stored(api, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))
    api().post(CHAT, STREAM, Idempotency_Key="k1")
    deployed.clear_faults()

    repeated = api().post(CHAT, STREAM, Idempotency_Key="k1")

    assert repeated.events[-1] == "[DONE]"
    assert "Idempotent-Replay" not in repeated.headers


def test_keys_of_callers_and_routes_do_not_mix(api, deployed):
    api().post(CHAT, HELLO, Idempotency_Key="k1")
    api(key_id="key2").post(CHAT, HELLO, Idempotency_Key="k1")

    assert len(deployed.calls) == 2


def test_a_key_that_is_used_for_another_request_is_a_422(api):
    api().post(CHAT, HELLO, Idempotency_Key="k1")
    received = api().post(CHAT, {**HELLO, "max_tokens": 5}, Idempotency_Key="k1")

    assert (received.status, received.document["error"]["code"]) == (422, "idempotency-key-reused")


def test_an_invalid_idempotency_key_names_the_header(api):
    received = api().post(CHAT, HELLO, Idempotency_Key="")

    assert received.status == 400
    assert received.document["error"]["param"] == "Idempotency-Key"


def test_a_client_that_disconnects_closes_the_stream_to_bedrock(api, deployed, capsys):
    opened = api().open("POST", CHAT, STREAM)
    pieces = iter(opened.body)
    next(pieces)
    pieces.close()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert lines[-1][ENTRY_POINT_FIELD] == "streaming"


def test_metrics_name_the_entry_point_the_caller_and_the_key(api, capsys):
    api().post(CHAT, HELLO)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert lines[-1][ENTRY_POINT_FIELD] == "streaming"
    named = {name: lines[-1][name] for name in ("caller", "team", "keyId")}
    assert named == {"caller": "ana", "team": "search", "keyId": "key1"}


def test_the_buffered_handler_returns_the_whole_stream(api, make_context):
    from lambdas.streaming_api.handler import buffered_handler

    result = buffered_handler(api().event("POST", CHAT, STREAM), make_context())

    assert result["statusCode"] == 200
    assert result["body"].endswith("data: [DONE]\n\n")
