"""The reference's programs, run as they stand against a Bedrock on loopback."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from llmmanager import BedrockResponse, ConfigurationError, LLMManager, RetryStrategy
from llmmanager.testing import Fault
from tests.waiting import PATIENCE_SECONDS

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
SONNET = "anthropic.claude-3-sonnet-20240229-v1:0"
# Models that AWS offers today where the reference's examples look for one.
TODAY = {"Claude 3 Haiku": "Nova Lite", "Claude 3 Sonnet": "Nova Pro"}


# ---- 17: a basic request


def test_a_basic_request_is_answered_where_its_models_are_offered(snippets, claude_3_offered, capsys) -> None:
    snippets.run("17-basic-single-request")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Response: ")
    assert len(printed[0]) > len("Response: ")
    assert printed[1:3] == [f"Model used: {HAIKU}", "Region used: us-east-1"]
    assert printed[3].startswith("Duration: ")
    assert printed[3].endswith("ms")
    asked = [call for call in claude_3_offered.calls if call.operation == "Converse"]
    assert [(call.model_id, call.region, call.prompt) for call in asked] == [
        (HAIKU, "us-east-1", "Hello, how are you?")
    ]


def test_a_basic_request_says_where_its_models_can_be_had_when_not_here(snippets, fake_bedrock) -> None:
    with pytest.raises(ConfigurationError) as raised:
        snippets.run("17-basic-single-request")
    message = str(raised.value)
    for name in ("Claude 3 Haiku", "Claude 3 Sonnet", "us-east-1", "us-west-2", "ap-south-1", "sa-east-1"):
        assert name in message
    assert {call.operation for call in fake_bedrock.calls} == {
        "ListFoundationModels",
        "ListInferenceProfiles",
    }
    assert {call.region for call in fake_bedrock.calls} == {"us-east-1", "us-west-2"}


def test_a_basic_request_fails_over_to_the_next_region_and_model(snippets, claude_3_offered, capsys) -> None:
    claude_3_offered.deny(HAIKU)
    claude_3_offered.add_fault(Fault(error="ThrottlingException", model=SONNET, region="us-east-1"))
    snippets.run("17-basic-single-request")
    assert f"Model used: {SONNET}\nRegion used: us-west-2\n" in capsys.readouterr().out


def test_models_that_aws_offers_today_take_the_place_of_claude_3(snippets, fake_bedrock, capsys) -> None:
    text = snippets.text("17-basic-single-request")
    for old, new in TODAY.items():
        text = text.replace(old, new)
    space: dict[str, Any] = {}
    exec(text, space)
    space["manager"].close()
    assert "Model used: amazon.nova-lite-v1:0\nRegion used: us-east-1\n" in capsys.readouterr().out
    assert [call.operation for call in fake_bedrock.calls] == ["Converse"]


# ---- 18: parallel processing


def test_two_requests_in_parallel_are_answered_where_their_models_are_offered(
    snippets, claude_3_offered, capsys
) -> None:
    space = snippets.run("18-parallel-processing")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Success rate: 100.0%"
    assert printed[1].startswith("Total duration: ")
    assert [line.partition(": ")[0] for line in printed[2:]] == ["Request req-1", "Request req-2"]
    asked = [call for call in claude_3_offered.calls if call.operation == "Converse"]
    assert {call.prompt for call in asked} == {"What is AI?", "Explain machine learning"}
    assert len({call.region for call in asked}) == 2
    assert space["parallel_response"].success


def test_requests_in_parallel_that_fail_are_printed_as_such(snippets, claude_3_offered, capsys) -> None:
    claude_3_offered.add_fault(Fault(error="AccessDeniedException", operation="Converse"))
    snippets.run("18-parallel-processing")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Success rate: 0.0%"
    assert printed[2].startswith("Request req-1 failed: ")
    assert "AccessDeniedException" in printed[2]


def test_requests_in_parallel_say_where_their_models_can_be_had_when_not_here(snippets, fake_bedrock) -> None:
    with pytest.raises(ConfigurationError, match="ap-south-1"):
        snippets.run("18-parallel-processing")


@pytest.mark.parametrize("name", ["17-basic-single-request", "18-parallel-processing"])
def test_the_programs_end_by_themselves_without_a_warning(
    snippets, claude_3_offered, tmp_path, name: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(snippets.text(name))
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Response: " in done.stdout or "Request req-2: " in done.stdout


# ---- 19: an image


def test_an_image_read_from_a_file_is_sent(snippets, fake_bedrock, manager, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image.jpg").write_bytes(b"\xff\xd8\xff\xe0 an image")
    space = snippets.run("19-multimodal-image", {"manager": manager})
    assert space["response"].success
    content = fake_bedrock.calls[0].body["messages"][0]["content"]
    assert content == [
        {"text": "What's in this image?"},
        {"image": {"format": "jpeg", "source": {"bytes": "/9j/4CBhbiBpbWFnZQ=="}}},
    ]
    assert space["messages"][0]["content"][1]["image"]["source"]["bytes"] == b"\xff\xd8\xff\xe0 an image"


# ---- 20: tool use


def test_a_tool_is_called_with_the_input_that_its_schema_requires(
    snippets, fake_bedrock, manager, capsys
) -> None:
    space = snippets.run("20-tool-use", {"manager": manager})
    name, given = capsys.readouterr().out.splitlines()
    assert name == "Tool called: get_weather"
    called_with = ast.literal_eval(given.removeprefix("Input: "))
    assert list(called_with) == ["location"]
    assert isinstance(called_with["location"], str)
    assert space["response"].get_stop_reason() == "tool_use"
    assert fake_bedrock.calls[0].body["toolConfig"] == space["tool_config"]


# ---- 21: a profile


@pytest.fixture
def profile(tmp_path, monkeypatch) -> str:
    """A profile of that name in a credentials file, and its access key."""
    file = tmp_path / "credentials"
    file.write_text(
        textwrap.dedent(
            """
            [my-bedrock-profile]
            aws_access_key_id = AKIAPROFILE
            aws_secret_access_key = secret
            """
        )
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    return "AKIAPROFILE"


def test_a_profile_signs_every_request(snippets, claude_3_offered, profile, messages) -> None:
    manager = snippets.run("21-aws-profile", {"LLMManager": LLMManager})["manager"]
    assert manager.converse(messages).model_used == HAIKU
    assert {call.access_key_id for call in claude_3_offered.calls} == {profile}


def test_a_profile_changes_nothing_about_where_a_model_is(snippets, fake_bedrock, profile) -> None:
    with pytest.raises(ConfigurationError, match="ap-south-1"):
        snippets.run("21-aws-profile", {"LLMManager": LLMManager})


# ---- 22: retries


def test_a_custom_retry_configuration_goes_by_model_first(snippets, claude_3_offered, messages) -> None:
    manager = snippets.run("22-custom-retry", {"LLMManager": LLMManager})["manager"]
    claude_3_offered.add_fault(Fault(error="ThrottlingException", operation="Converse", count=3))
    response = manager.converse(messages)
    assert [(attempt.model_id, attempt.region) for attempt in response.attempts] == [
        (HAIKU, "us-east-1"),
        (SONNET, "us-east-1"),
        (HAIKU, "us-west-2"),
        (SONNET, "us-west-2"),
    ]
    stats = manager.get_retry_stats()
    assert (stats["max_retries"], stats["retry_delay"], stats["backoff_multiplier"]) == (5, 2.0, 1.5)
    assert (stats["retry_strategy"], stats["enable_feature_fallback"]) == (
        RetryStrategy.MODEL_FIRST.value,
        True,
    )


def test_a_custom_retry_configuration_says_where_models_can_be_had(snippets, fake_bedrock) -> None:
    with pytest.raises(ConfigurationError, match="ap-south-1"):
        snippets.run("22-custom-retry", {"LLMManager": LLMManager})


# ---- 23: response validation


def test_a_harmful_answer_is_requested_again(snippets, bedrock_of, messages) -> None:
    answers = iter(["This is ILLEGAL.", "", "A kind word."])
    bedrock = bedrock_of(responder=lambda call: next(answers))
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    presumed = {"manager": manager, "messages": messages, "BedrockResponse": BedrockResponse}
    response = snippets.run("23-response-validation", presumed)["response"]
    manager.close()
    assert response.success
    assert response.get_content() == "A kind word."
    assert [error["error_message"] for error in response.get_validation_errors()] == [
        "Response contains potentially harmful content",
        "Empty response content",
    ]
    assert len(bedrock.calls) == 3


def test_an_answer_that_stays_harmful_is_no_success(snippets, bedrock_of, messages) -> None:
    bedrock = bedrock_of(responder=lambda call: "violence")
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    presumed = {"manager": manager, "messages": messages, "BedrockResponse": BedrockResponse}
    response = snippets.run("23-response-validation", presumed)["response"]
    manager.close()
    assert not response.success
    assert response.get_content() == "violence"
    assert len(response.get_validation_errors()) == len(bedrock.calls) == 4
