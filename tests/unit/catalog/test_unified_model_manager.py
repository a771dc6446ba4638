"""UnifiedModelManager with memory, store and snapshot, without a call to Bedrock."""

from __future__ import annotations

import pytest

from llmmanager import UnifiedModelManager
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod
from llmmanager.bedrock.catalog.stores import FileStore, MemoryStore
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError

HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
APPLICATION = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3"


class NoBedrock:
    """A client factory that records its arguments and raises: no test may need a client."""

    def __init__(self):
        self.requested = []

    def __call__(self, service, region):
        self.requested.append((service, region))
        raise ConnectionError("no Bedrock here")


@pytest.fixture
def bedrock():
    return NoBedrock()


@pytest.fixture
def manager(bedrock):
    created = UnifiedModelManager(regions=["us-east-1", "eu-west-3"], client_factory=bedrock)
    yield created
    assert bedrock.requested == [], "Bedrock was called although no data was missing"


def test_the_original_import_path_works():
    from llmmanager.bedrock.UnifiedModelManager import UnifiedModelManager as Original

    assert Original is UnifiedModelManager


def test_access_info_says_how_a_model_is_called(manager):
    assert manager.get_model_access_info("Nova Micro", "us-east-1") == {
        "model_id": "amazon.nova-micro-v1:0",
        "access_method": "on_demand",
        "region": "us-east-1",
        "access_methods": ["on_demand", "geographic_profile"],
        "inference_profile_id": "us.amazon.nova-micro-v1:0",
    }
    assert manager.get_model_access_info("Claude Haiku 4.5", "us-east-1") == {
        "model_id": HAIKU,
        "access_method": "geographic_profile",
        "region": "us-east-1",
        "access_methods": ["geographic_profile", "global_profile"],
        "inference_profile_id": f"us.{HAIKU}",
    }


@pytest.mark.parametrize("name", ["Claude 3 Opus", "Nova Makro", "acme.unknown-v1:0", "", None])
def test_without_access_there_is_no_access_info(manager, name):
    assert manager.get_model_access_info(name, "us-east-1") is None
    assert manager.get_recommended_access(name, "us-east-1") is None
    assert not manager.is_model_available_in_region(name, "us-east-1")
    assert not manager.has_model(name)
    assert manager.get_regions_for_model(name) == []


def test_access_info_values_are_plain_strings(manager):
    info = manager.get_model_access_info("Nova Micro", "us-east-1")
    assert type(info["access_method"]) is str
    assert {type(method) for method in info["access_methods"]} == {str}


def test_a_pinned_profile_is_the_only_access_method_and_only_in_its_regions(manager):
    resolved = manager.resolve(f"us.{HAIKU}")
    assert [target.invoke_id for target in manager.access(resolved, "us-east-1")] == [f"us.{HAIKU}"]
    assert manager.access(resolved, "eu-west-3") == ()
    assert manager.get_model_access_info(f"us.{HAIKU}", "us-east-1")["access_methods"] == [
        "geographic_profile"
    ]


def test_an_unknown_profile_is_called_unchanged(manager):
    (target,) = manager.access(manager.resolve(f"atlantis.{HAIKU}"), "us-east-1")
    assert (target.model_id, target.access_method) == (HAIKU, AccessMethod.GEOGRAPHIC_PROFILE)
    assert target.invoke_id == target.inference_profile_id == f"atlantis.{HAIKU}"


def test_an_arn_is_called_in_its_region_only(manager, bedrock):
    resolved = manager.resolve(APPLICATION)
    assert bedrock.requested == [("bedrock", "us-west-2")]
    bedrock.requested.clear()
    (target,) = manager.access(resolved, "us-west-2")
    assert (target.invoke_id, target.inference_profile_id, target.access_method) == (
        APPLICATION,
        APPLICATION,
        None,
    )
    assert manager.access(resolved, "us-east-1") == ()
    assert manager.get_model_access_info(APPLICATION, "us-west-2")["access_method"] is None


def test_access_accepts_a_name_an_id_and_a_resolved_model(manager):
    targets = manager.access("Nova Micro", "us-east-1")
    assert targets == manager.access("amazon.nova-micro-v1:0", "us-east-1")
    assert targets == manager.access(manager.resolve("nova-micro"), "us-east-1")


def test_where_describes_the_regions_or_the_end_of_life_of_a_model(manager):
    assert "can be called in" in manager.describe_regions(HAIKU_3)
    assert "eu-west-3" in manager.describe_regions(HAIKU_3)
    assert "2026-09-10" in manager.describe_regions(HAIKU_3)
    assert "Claude 3 Opus" in manager.describe_regions("Claude 3 Opus")
    assert "retired" in manager.describe_regions("Claude 3 Opus")
    assert "not in the catalog" in manager.describe_regions("acme.talk-v9:0")
    assert "valid in us-west-2 only" in manager.describe_regions(APPLICATION)


def test_a_rejected_access_method_is_last_for_that_model_and_region_only(manager):
    after = manager.record_rejection("Nova Micro", "us-east-1", denied_method=AccessMethod.ON_DEMAND)
    assert [target.access_method for target in after] == ["geographic_profile", "on_demand"]
    assert manager.access("Nova Micro", "us-east-1") == after
    assert manager.get_model_access_info("Nova Micro", "us-east-1")["access_method"] == "geographic_profile"
    assert manager.access("Nova Lite", "us-east-1")[0].access_method == "on_demand"
    assert UnifiedModelManager().access("Nova Micro", "us-east-1")[0].access_method == "on_demand"


def test_an_unknown_access_method_is_rejected(manager):
    with pytest.raises(ValueError, match="unknown_method"):
        manager.record_rejection("Nova Micro", "us-east-1", denied_method="unknown_method")


def test_access_to_one_model_in_one_region_is_enough(manager):
    assert manager.ensure_access(["Claude 3 Haiku"])
    assert manager.ensure_access(["Claude 3 Opus", "Nova Micro"], ["us-east-1"])


def test_queries_about_models_and_regions(manager):
    assert "us-east-1" in manager.get_all_supported_regions()
    assert "Nova Micro" in manager.get_model_names()
    assert "Nova Micro" in manager.get_streaming_models()
    assert manager.get_model_count() == len(manager.get_model_names())
    assert manager.has_model("nova-micro")
    assert manager.get_models_by_region("us-east-1")["Nova Micro"].model_id == "amazon.nova-micro-v1:0"
    assert manager.get_models_by_region("mars-north-1") == {}
    assert set(manager.get_models_by_provider("amazon")) >= {"Nova Micro", "Nova Lite", "Nova Pro"}
    assert manager.get_models_by_provider("unknown provider") == {}
    assert "us-east-1" not in manager.get_regions_for_model("Claude 3 Haiku")
    assert "eu-west-3" in manager.get_regions_for_model("Claude 3 Haiku")


def test_a_new_manager_has_the_status_of_the_snapshot(manager):
    status = manager.get_cache_status()
    assert (status["store"], status["exists"], status["errors"]) == (None, False, {})
    assert set(status["regions"]) == {"us-east-1", "eu-west-3"}
    assert status["regions"]["us-east-1"]["source"] == "snapshot"
    assert status["regions"]["us-east-1"]["age_seconds"] is None


def test_the_store_wins_over_the_snapshot_region_by_region(bedrock, make_region):
    store = MemoryStore()
    store.save(make_region("us-east-1", "acme.one", names={"acme.one": "Acme One"}))
    manager = UnifiedModelManager(
        regions=["us-east-1", "us-west-2"], store=store, client_factory=bedrock, ask_api=False
    )
    assert manager.get_model_access_info("Acme One", "us-east-1")["model_id"] == "acme.one"
    assert manager.access("Nova Lite", "us-east-1") == ()
    assert manager.access("Nova Lite", "us-west-2") != ()
    status = manager.get_cache_status()
    assert status["regions"]["us-east-1"]["source"] == "bedrock"
    assert status["regions"]["us-east-1"]["age_seconds"] > 0
    assert status["exists"]
    assert bedrock.requested == []


def test_a_region_added_later_is_read_from_the_store(bedrock, make_region):
    store = MemoryStore()
    store.save(make_region("us-west-2", "acme.one"))
    manager = UnifiedModelManager(regions=["us-east-1"], store=store, client_factory=bedrock)
    assert manager.access("Nova Lite", "us-west-2")
    manager.add_regions(["us-east-1"])
    assert manager.regions == ("us-east-1",)
    manager.add_regions(["us-west-2", "us-east-1"])
    assert manager.regions == ("us-east-1", "us-west-2")
    assert manager.access("Nova Lite", "us-west-2") == ()


def test_a_region_can_be_added_before_the_first_read(bedrock, make_region):
    store = MemoryStore()
    store.save(make_region("us-west-2", "acme.one"))
    manager = UnifiedModelManager(regions=["us-east-1"], store=store, client_factory=bedrock)
    manager.add_regions(["us-west-2"])
    assert manager.access("acme.one", "us-west-2")


def test_cached_data_is_the_content_of_the_store(bedrock, make_region):
    store = MemoryStore()
    manager = UnifiedModelManager(regions=["us-east-1"], store=store, client_factory=bedrock)
    assert manager.load_cached_data() is None
    store.save(make_region("us-east-1", "acme.one"))
    assert manager.load_cached_data().regions_of("acme.one") == ("us-east-1",)
    assert manager.ensure_data_available().regions_of("acme.one") == ("us-east-1",)


def test_new_data_in_the_store_is_found_without_calling_bedrock(bedrock, make_region):
    store = MemoryStore()
    manager = UnifiedModelManager(regions=["us-east-1"], store=store, client_factory=bedrock, ask_api=False)
    assert manager.resolve("Nova Micro")
    store.save(make_region("us-east-1", "acme.nine", names={"acme.nine": "Acme Nine"}))
    assert manager.resolve("Acme Nine").model_id == "acme.nine"
    assert bedrock.requested == []


def test_a_directory_is_written_only_after_an_answer_of_bedrock(tmp_path, bedrock):
    manager = UnifiedModelManager(regions=["us-east-1"], directory=tmp_path / "cache", client_factory=bedrock)
    assert manager.access("Nova Micro", "us-east-1")
    with pytest.raises(LLMManagerError, match="no Bedrock here"):
        manager.refresh_unified_data()
    assert not (tmp_path / "cache").exists()


def test_a_directory_is_read(tmp_path, bedrock, make_region):
    FileStore(tmp_path).save(make_region("us-east-1", "acme.one"))
    manager = UnifiedModelManager(regions=["us-east-1"], directory=str(tmp_path), client_factory=bedrock)
    assert manager.access("acme.one", "us-east-1")
    assert manager.refresh_unified_data(force_download=False).regions == {}
    assert bedrock.requested == []


def test_store_and_directory_cannot_be_set_together(tmp_path):
    with pytest.raises(ConfigurationError, match="store and directory"):
        UnifiedModelManager(store=MemoryStore(), directory=tmp_path)


@pytest.mark.parametrize("regions", ["us-east-1", ["us-east-1", "US East"], [None], ["us-east-1/x"], [""], 5])
def test_an_invalid_list_of_regions_is_rejected(regions):
    with pytest.raises(ConfigurationError, match="regions must be a list of AWS region names"):
        UnifiedModelManager(regions=regions)


def test_an_unknown_name_is_looked_up_once_and_then_rejected(bedrock):
    manager = UnifiedModelManager(regions=["us-east-1", "eu-west-3"], client_factory=bedrock, ask_api=False)
    with pytest.raises(ConfigurationError, match=r"Nova Micro.*no Bedrock here"):
        manager.resolve("Nova Mikro")
    with pytest.raises(ConfigurationError):
        manager.resolve("Nova Mikro")
    assert sorted(bedrock.requested) == [("bedrock", "eu-west-3"), ("bedrock", "us-east-1")]


def test_an_ambiguous_name_is_rejected_without_calling_bedrock(bedrock, make_region):
    store = MemoryStore()
    names = dict.fromkeys(["acme.one", "zeta.one"], "One")
    store.save(make_region("us-east-1", *names, names=names))
    manager = UnifiedModelManager(regions=["us-east-1"], store=store, client_factory=bedrock)
    with pytest.raises(ConfigurationError, match="several models"):
        manager.resolve("One")
    assert bedrock.requested == []


def test_bedrock_is_not_called_for_a_missing_target_with_ask_api_false(bedrock):
    manager = UnifiedModelManager(regions=["us-east-1"], client_factory=bedrock, ask_api=False)
    assert not manager.ensure_access(["Claude 3 Opus"])
    assert manager.record_rejection(HAIKU_3, "eu-west-3", denied_method="on_demand")
    assert bedrock.requested == []
