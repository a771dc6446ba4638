"""`llmmanager models`, `doctor` and `batch estimate` as processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, Fault
from tests.command_line import run

LITE = "amazon.nova-lite-v1:0"


@pytest.fixture(autouse=True)
def quota(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.set_quota(tokens_per_minute=250_000, model=LITE, access="on_demand")


def problems(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the findings that are problems, by their check."""
    return {finding["check"]: finding for finding in found if not finding["ok"]}


def test_models_have_their_access_quotas_and_prices(settings: dict[str, str]) -> None:
    table = run("models", "nova lite", settings=settings)
    rows = json.loads(run("models", "nova lite", "--json", settings=settings).out)

    (row,) = (row for row in rows if row["modelId"] == LITE and row["accessMethod"] == "on_demand")
    assert table.status == 0, table.err
    assert table.out.splitlines()[0].split()[:3] == ["model", "region", "access"]
    assert any(
        "on_demand" in line and "250,000" in line and "0.06" in line for line in table.out.splitlines()
    )
    assert (row["region"], row["tokensPerMinute"], row["inputUsdPerMillion"]) == ("us-east-1", 250_000, 0.06)


def test_models_offline_call_no_service(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    ended = run("models", "--offline", "-r", "eu-west-1", settings=settings)

    assert ended.status == 0
    assert "eu-west-1" in ended.out
    assert not fake_bedrock.calls


def test_models_without_credentials_are_those_of_the_bundled_catalog(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    ended = run("models", settings={**settings, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})

    (note,) = ended.err.splitlines()
    assert ended.status == 0
    assert note.startswith("this is the bundled catalog: no AWS credentials were found: run `aws configure`")
    assert "auth_config" not in note
    assert not fake_bedrock.calls


def test_a_model_that_is_not_offered_is_a_usage_error(settings: dict[str, str]) -> None:
    ended = run("models", "imaginary", "--offline", settings=settings)
    assert (ended.status, ended.out) == (2, "")
    assert "'imaginary'" in ended.err


def test_the_doctor_finds_everything_in_order(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    ended = run("doctor", "-r", "us-east-1", "-r", "us-west-2", settings=settings)

    assert ended.status == 0, ended.out
    assert "clock: within " in ended.out
    assert "Nova Lite in us-west-2: answers (on_demand)" in ended.out
    assert "(on_demand): 250,000 tokens per minute" in ended.out
    assert "problem" not in ended.out
    assert [call.usage["outputTokens"] for call in fake_bedrock.calls if call.usage] == [1, 1]


def test_the_doctor_names_a_remedy_for_each_problem(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.close_region("eu-west-1")
    fake_bedrock.deny("*nova-lite*", region="us-west-2")
    regions = ("-r", "us-east-1", "-r", "us-west-2", "-r", "eu-west-1")

    ended = run("doctor", *regions, "-m", "Nova Lite", "-m", "Nova Lit", "--json", settings=settings)

    found = problems(json.loads(ended.out))
    assert ended.status == 3
    assert "region eu-west-1" in found
    assert "Nova Lite in us-west-2" in found
    assert "Similar names" in found["Nova Lit in us-east-1"]["message"]
    assert "Nova Lite in us-east-1" not in found
    assert all(finding["remedy"] for finding in found.values())
    assert "submit failed.jsonl" not in ended.out


def test_the_doctor_finds_a_clock_that_is_wrong(settings: dict[str, str], fake_bedrock: FakeBedrock) -> None:
    later = formatdate(datetime.now(UTC).timestamp() + 600, usegmt=True)
    fault = Fault(error="AccessDeniedException", operation="ListFoundationModels", headers={"Date": later})
    fake_bedrock.add_fault(fault)

    ended = run("doctor", "--no-call", "--json", settings=settings)

    clock = problems(json.loads(ended.out))["clock"]
    assert ended.status == 3
    assert "behind AWS" in clock["message"]
    assert "Synchronise the clock" in clock["remedy"]


def test_the_doctor_stops_without_valid_credentials(
    settings: dict[str, str], fake_bedrock: FakeBedrock
) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    missing = run("doctor", settings={**settings, **nothing})
    assert not fake_bedrock.calls
    fake_bedrock.reject_credentials(settings["AWS_ACCESS_KEY_ID"])
    expired = run("doctor", "--json", settings=settings)

    assert missing.status == expired.status == 3
    assert missing.out.splitlines()[0] == "problem credentials: none were found"
    assert "aws configure" in missing.out.splitlines()[1]
    (finding,) = problems(json.loads(expired.out)).values()
    assert finding["check"] == "credentials"
    assert "Renew" in finding["remedy"]
    assert not any(call.operation == "Converse" for call in fake_bedrock.calls)


def test_an_estimate_has_the_cost_and_the_time_under_the_quotas(
    settings: dict[str, str], fake_bedrock: FakeBedrock, tmp_path: Path
) -> None:
    fake_bedrock.set_quota(tokens_per_minute=1000, model=LITE)
    record = {"messages": "What is a shard?", "inferenceConfig": {"maxTokens": 100}}
    (tmp_path / "x.jsonl").write_text(f"{json.dumps(record)}\n" * 50 + "{}\n")

    table = run("batch", "estimate", "x.jsonl", cwd=tmp_path, settings=settings)
    found = json.loads(run("batch", "estimate", "x.jsonl", "--json", cwd=tmp_path, settings=settings).out)

    (cost,) = found["models"]
    assert table.status == 0, table.err
    assert table.out.startswith("50 records, 1 invalid\n")
    assert LITE in table.out
    assert (found["records"], found["rejected"], len(found["problems"])) == (51, 1, 1)
    assert (cost["outputTokens"], cost["estimatedCostUsd"]) == (5000, pytest.approx(0.0012, rel=0.2))
    assert cost["quotaSeconds"] > 60
    assert not any(call.operation == "Converse" for call in fake_bedrock.calls)


def test_an_estimate_compares_the_lanes_and_names_the_one_for_the_deadline(
    settings: dict[str, str], tmp_path: Path
) -> None:
    record = {"messages": "What is a shard?", "inferenceConfig": {"maxTokens": 100}}
    (tmp_path / "x.jsonl").write_text(f"{json.dumps(record)}\n" * 200)
    command = ("batch", "estimate", "x.jsonl", "--offline", "--deadline", "43200", "--output-tokens", "50")

    table = run(*command, cwd=tmp_path, settings=settings)
    found = json.loads(run(*command, "--json", cwd=tmp_path, settings=settings).out)
    flex = run(*command, "--lane", "flex", cwd=tmp_path, settings=settings)

    lanes = found["lanes"]
    assert lanes["records"] == {"onDemand": 0, "flex": 0, "managed": 200}
    assert lanes["estimatedCostUsd"] == pytest.approx(found["models"][0]["estimatedCostUsd"] / 2)
    rows = [line.split() for line in table.out.splitlines()[4:8]]
    assert [row[0] for row in rows] == ["lane", "onDemand", "flex", "managed"]
    assert table.out.splitlines()[8] == lanes["explanation"]
    assert "Nova Lite has no price in the flex tier" in table.out
    assert flex.status == 2
    assert flex.err.splitlines() == [
        "llmmanager: lane: flex is not available: Nova Lite has no price in the flex tier"
    ]


def test_a_file_without_records_cannot_be_estimated(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    ended = run("batch", "estimate", "x.jsonl", "--offline", cwd=tmp_path, settings=settings)
    assert ended.status == 2
    assert "no line is a valid record" in ended.err
