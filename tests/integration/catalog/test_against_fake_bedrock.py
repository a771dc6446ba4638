"""The catalog with boto3 and FakeBedrock."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto import mock_aws

from llmmanager import UnifiedModelManager
from llmmanager.bedrock.catalog import layers
from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource
from llmmanager.bedrock.catalog.catalog_entries import AccessQuota
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.catalog.stores import FileStore, MemoryStore
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError
from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel, Fault
from tests.waiting import PATIENCE_SECONDS, wait_until

EAST, WEST, PARIS = "us-east-1", "us-west-2", "eu-west-3"

ONE = FakeModel(model_id="acme.one-v1:0", name="Acme One", provider="Acme", on_demand=[EAST, WEST])
ROUTED = FakeModel(
    model_id="acme.routed-v1:0",
    name="Acme Routed",
    provider="Acme",
    profiles={"us": [EAST, WEST], "atlantis": [PARIS], "global": [EAST, WEST, PARIS]},
    lifecycle="LEGACY",
    streaming=False,
)
# The snapshot takes this model for one that can be invoked in us-east-1 as it is.
NO_LONGER_ON_DEMAND = FakeModel(
    model_id="mistral.mistral-7b-instruct-v0:2", name="Mistral 7B Instruct", profiles={"us": [EAST]}
)


@pytest.fixture
def bedrock():
    catalog = FakeCatalog(
        ONE,
        ROUTED,
        NO_LONGER_ON_DEMAND,
        FakeModel(model_id="acme.one-v1:0:48k", name="Acme One", provider="Acme"),
        FakeModel(model_id="acme.embed-v1:0", output_modalities=["EMBEDDING"], on_demand=[EAST]),
        FakeModel(model_id="acme.speak-v1:0", output_modalities=["SPEECH", "TEXT"], on_demand=[EAST]),
        FakeModel(model_id="cohere.rerank-v3-5:0", on_demand=[EAST]),
        *(FakeModel(model_id=f"acme.filler-{n}", profiles={"us": [EAST]}) for n in range(25)),
    )
    with FakeBedrock(catalog, page_size=10) as running:
        yield running


@pytest.fixture
def clients(bedrock):
    made = []

    def factory(service, region):
        made.append(bedrock.client(service, region=region))
        return made[-1]

    yield factory
    for client in made:
        client.close()


def call_counts(bedrock):
    return Counter((call.operation, call.region) for call in bedrock.calls)


def test_a_region_is_fetched_with_all_pages_of_its_profiles(clients):
    region = BedrockCatalogSource(clients).fetch_region(EAST)
    assert len([id_ for id_ in region.entries if id_.startswith("acme.filler-")]) == 25
    one, routed = region.entries["acme.one-v1:0"], region.entries["acme.routed-v1:0"]
    assert (one.model_name, one.provider, one.on_demand, one.profiles) == ("Acme One", "Acme", True, ())
    assert routed.profiles == ("us.acme.routed-v1:0", "global.acme.routed-v1:0")
    assert (routed.on_demand, routed.streaming, routed.lifecycle) == (False, False, "LEGACY")
    assert region.refreshed_at is not None


def test_models_without_converse_or_access_are_left_out(clients):
    offered = set(BedrockCatalogSource(clients).fetch_region(EAST).entries)
    assert not [id_ for id_ in offered if "embed" in id_ or "speak" in id_ or "rerank" in id_ or "48k" in id_]


def test_a_profile_with_an_unknown_prefix_is_an_access_method(clients):
    targets = BedrockCatalogSource(clients).fetch_region(PARIS).entries["acme.routed-v1:0"].access(PARIS)
    assert [(target.access_method, target.invoke_id) for target in targets] == [
        ("geographic_profile", "atlantis.acme.routed-v1:0"),
        ("global_profile", "global.acme.routed-v1:0"),
    ]


def test_the_bundled_snapshot_and_bedrock_return_the_same(aws_credentials):
    """FakeBedrock serves the same data over HTTP, so both sources must return the same targets."""
    with FakeBedrock() as bedrock:
        made = []

        def factory(service, region):
            made.append(bedrock.client(service, region=region))
            return made[-1]

        result = BedrockCatalogSource(factory).fetch([EAST, "eu-central-1", "ap-northeast-1"])
        for client in made:
            client.close()
    assert result.errors == {}
    for name, region in result.regions.items():
        fetched = {target for entry in region.entries.values() for target in entry.access(name)}
        bundled = {
            target for entry in load_snapshot()[name].entries.values() for target in entry.access(name)
        }
        assert {target.invoke_id for target in fetched} == {target.invoke_id for target in bundled}


@pytest.mark.parametrize("fails", [EAST, WEST, PARIS])
def test_a_failed_region_does_not_affect_the_others(bedrock, clients, fails):
    bedrock.add_fault(Fault(region=fails, error="AccessDeniedException"))
    result = BedrockCatalogSource(clients).fetch([EAST, WEST, PARIS, EAST])
    assert set(result.errors) == {fails}
    assert set(result.regions) == {EAST, WEST, PARIS} - {fails}


def test_a_region_whose_client_cannot_be_created_is_a_failed_region(clients):
    def factory(service, region):
        if region == WEST:
            raise ValueError("no endpoint")
        return clients(service, region)

    result = BedrockCatalogSource(factory).fetch([EAST, WEST])
    assert set(result.regions) == {EAST}
    assert str(result.errors[WEST]) == "no endpoint"


def test_regions_are_fetched_in_parallel(clients):
    all_have_a_client = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def factory(service, region):
        client = clients(service, region)
        list_models = client.list_foundation_models

        def list_models_together():
            all_have_a_client.wait()
            return list_models()

        client.list_foundation_models = list_models_together
        return client

    result = BedrockCatalogSource(factory).fetch([EAST, WEST, PARIS])
    assert set(result.regions) == {EAST, WEST, PARIS}


def test_a_throttled_call_is_retried(bedrock, clients):
    bedrock.add_fault(Fault(operation="ListInferenceProfiles", error="ThrottlingException", count=2))
    waits: list[float] = []
    assert BedrockCatalogSource(clients, sleep=waits.append).fetch_region(EAST).entries
    assert len(waits) == 2
    assert all(0 <= wait <= 2 for wait in waits)


def test_a_call_that_stays_throttled_is_an_error_after_some_attempts(bedrock, clients):
    bedrock.add_fault(Fault(region=EAST, error="ThrottlingException"))
    result = BedrockCatalogSource(clients, sleep=lambda _: None).fetch([EAST, WEST])
    assert "ThrottlingException" in str(result.errors[EAST])
    assert set(result.regions) == {WEST}
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 4


def test_access_denied_is_not_retried(bedrock, clients):
    bedrock.add_fault(Fault(error="AccessDeniedException"))
    BedrockCatalogSource(clients).fetch([EAST])
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 1


def test_fetching_no_region_makes_no_call(bedrock, clients):
    assert BedrockCatalogSource(clients).fetch([]).regions == {}
    assert bedrock.calls == ()


def test_a_model_newer_than_the_snapshot_is_found_by_name_with_one_look_up(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST, PARIS], client_factory=clients)
    resolved = manager.resolve("acme one")
    assert resolved.model_id == "acme.one-v1:0"
    assert [target.invoke_id for target in manager.access(resolved, EAST)] == ["acme.one-v1:0"]
    assert manager.resolve("Acme Routed").model_id == "acme.routed-v1:0"
    assert (
        call_counts(bedrock)[("ListFoundationModels", EAST)]
        == call_counts(bedrock)[("ListFoundationModels", PARIS)]
        == 1
    )
    assert {region for _, region in call_counts(bedrock)} == {EAST, PARIS}


def test_an_id_newer_than_the_snapshot_is_found_with_its_profiles(clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    resolved = manager.resolve("acme.routed-v1:0")
    assert resolved.known
    assert manager.access(resolved, EAST)[0].invoke_id == "us.acme.routed-v1:0"


def test_an_id_that_is_unknown_to_bedrock_is_passed_through(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    resolved = manager.resolve("acme.unheard-of-v1:0")
    assert not resolved.known
    assert resolved.warnings
    (target,) = manager.access(resolved, EAST)
    assert (target.invoke_id, target.access_method) == ("acme.unheard-of-v1:0", None)
    assert not manager.has_model("acme.unheard-of-v1:0")
    manager.resolve("acme.unheard-of-v1:0")
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 1


def test_a_name_that_is_unknown_to_bedrock_is_rejected_with_suggestions(clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    with pytest.raises(ConfigurationError, match='Similar names: "Acme One"') as caught:
        manager.resolve("Acme Onne")
    assert "is not available" not in str(caught.value)


def test_known_names_and_targets_cause_no_call(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    assert manager.access(manager.resolve("Nova Micro"), EAST)
    assert manager.ensure_access(["Nova Micro", "Claude 3 Opus"])
    assert bedrock.calls == ()


def test_bedrock_is_called_once_without_a_known_target(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    assert not manager.ensure_access(["Claude 3 Opus"])
    assert not manager.ensure_access(["Claude 3 Opus"])
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 1


def test_a_region_is_fetched_again_after_the_interval(bedrock, clients, monkeypatch):
    monkeypatch.setattr(layers, "LOOK_UP_INTERVAL_SECONDS", 0.0)
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    assert not manager.ensure_access(["Claude 3 Opus"])
    assert not manager.ensure_access(["Claude 3 Opus"])
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 2


def test_a_failed_region_is_fetched_again_sooner(bedrock, clients, monkeypatch):
    monkeypatch.setattr(layers, "FAILED_LOOK_UP_INTERVAL_SECONDS", 0.0)
    bedrock.add_fault(Fault(region=WEST, error="AccessDeniedException"))
    manager = UnifiedModelManager(regions=[EAST, WEST], client_factory=clients)
    for _ in range(2):
        assert not manager.ensure_access(["Claude 3 Opus"])
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 1
    assert call_counts(bedrock)[("ListFoundationModels", WEST)] == 2


def test_a_hanging_region_is_limited_by_the_timeout(bedrock, clients, monkeypatch):
    allowed = []

    def wait_for_the_other(futures, timeout):
        allowed.append(timeout)
        wait_until(lambda: any(future.done() for future in futures))

    monkeypatch.setattr("concurrent.futures.wait", wait_for_the_other)
    bedrock.add_fault(Fault(region=WEST, hang=True))
    result = BedrockCatalogSource(clients).fetch([EAST, WEST], timeout=7.0)
    assert allowed == [7.0]
    assert set(result.regions) == {EAST}
    assert isinstance(result.errors[WEST], TimeoutError)
    bedrock.stop()


def test_a_look_up_ends_in_time_and_the_rejection_is_recorded(bedrock, clients):
    bedrock.add_fault(Fault(hang=True))
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    targets = manager.record_rejection("Mistral 7B Instruct", EAST, denied_method="on_demand", timeout=0.2)
    assert [target.access_method for target in targets] == ["on_demand"]
    assert "no response within" in manager.get_cache_status()["errors"][EAST]
    assert not manager.ensure_access(["Claude 3 Opus"], timeout=0.2)
    bedrock.stop()


def test_many_threads_with_an_unknown_name_cause_one_call(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    start = threading.Barrier(16)

    def resolve(_):
        start.wait()
        return manager.resolve("Acme One").model_id

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(resolve, range(16))) == {"acme.one-v1:0"}
    assert call_counts(bedrock)[("ListFoundationModels", EAST)] == 1


def test_a_rejected_only_access_method_causes_a_look_up_in_its_region(bedrock, clients):
    model = "Mistral 7B Instruct"
    manager = UnifiedModelManager(regions=[EAST, WEST], client_factory=clients)
    assert [target.access_method for target in manager.access(model, EAST)] == ["on_demand"]
    after = manager.record_rejection(model, EAST, denied_method="on_demand")
    assert [target.invoke_id for target in after] == ["us.mistral.mistral-7b-instruct-v0:2"]
    assert manager.access(model, EAST) == after
    assert manager.access(model, WEST)[0].access_method == "on_demand"
    assert {region for _, region in call_counts(bedrock)} == {EAST}


def test_a_rejected_access_method_with_an_alternative_causes_no_look_up(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    manager.record_rejection("Nova Micro", EAST, denied_method="on_demand")
    assert bedrock.calls == ()


def test_an_unknown_id_that_bedrock_lists_later_gets_its_profiles(bedrock, clients, monkeypatch):
    monkeypatch.setattr(layers, "FAILED_LOOK_UP_INTERVAL_SECONDS", 0.0)
    fault = bedrock.add_fault(Fault(error="AccessDeniedException"))
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    resolved = manager.resolve("acme.routed-v1:0")
    assert not resolved.known
    bedrock.remove_fault(fault)
    after = manager.record_rejection(resolved, EAST, denied_method=None)
    assert [target.invoke_id for target in after] == ["us.acme.routed-v1:0", "global.acme.routed-v1:0"]


def test_a_refresh_replaces_the_data_and_removes_recorded_rejections(clients):
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    manager.record_rejection("Nova Micro", EAST, denied_method="on_demand")
    assert manager.is_model_available_in_region("Nova Micro", EAST)
    assert set(manager.refresh_unified_data().regions) == {EAST}
    assert not manager.is_model_available_in_region("Nova Micro", EAST)
    assert manager.is_model_available_in_region("Acme One", EAST)
    assert manager.get_cache_status()["regions"][EAST]["source"] == "bedrock"
    assert manager.is_model_available_in_region("Nova Micro", WEST)


def test_a_refresh_with_a_failed_region_keeps_its_previous_data(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST, WEST], client_factory=clients)
    bedrock.add_fault(Fault(region=WEST, error="AccessDeniedException"))
    result = manager.refresh_unified_data()
    assert (set(result.regions), set(result.errors)) == ({EAST}, {WEST})
    assert manager.access("Nova Micro", EAST) == ()
    assert manager.access("Nova Lite", WEST) != ()
    assert "AccessDenied" in manager.get_cache_status()["errors"][WEST]


def test_a_refresh_with_only_failed_regions_raises_and_changes_nothing(bedrock, clients):
    manager = UnifiedModelManager(regions=[EAST, WEST], client_factory=clients)
    manager.record_rejection("Nova Micro", EAST, denied_method="on_demand")
    before = manager.access("Nova Micro", EAST)
    bedrock.add_fault(Fault(error="AccessDeniedException"))
    with pytest.raises(LLMManagerError, match=r"previous data stays in use.*us-east-1.*us-west-2"):
        manager.refresh_unified_data()
    assert manager.access("Nova Micro", EAST) == before


def test_fetched_data_is_stored_for_the_next_manager(bedrock, clients, tmp_path):
    UnifiedModelManager(regions=[EAST], directory=tmp_path, client_factory=clients).refresh_unified_data()
    calls = len(bedrock.calls)
    later = UnifiedModelManager(regions=[EAST], directory=tmp_path, client_factory=clients)
    assert later.resolve("Acme One").model_id == "acme.one-v1:0"
    assert set(FileStore(tmp_path).load_all()) == {EAST}
    assert len(bedrock.calls) == calls


def test_without_a_forced_download_only_missing_regions_are_fetched(bedrock, clients):
    store = MemoryStore()
    UnifiedModelManager(regions=[EAST], store=store, client_factory=clients).refresh_unified_data()
    both = UnifiedModelManager(regions=[EAST, WEST], store=store, client_factory=clients)
    assert set(both.refresh_unified_data(force_download=False).regions) == {WEST}
    assert set(store.load_all()) == {EAST, WEST}


def test_a_store_that_cannot_be_written_does_not_break_a_refresh(clients, caplog):
    class ReadOnly(MemoryStore):
        def save(self, catalog):
            raise PermissionError("read only")

    manager = UnifiedModelManager(regions=[EAST], store=ReadOnly(), client_factory=clients)
    assert set(manager.refresh_unified_data().regions) == {EAST}
    assert manager.access("Acme One", EAST)
    assert "could not be stored: read only" in caplog.text


def test_without_a_client_factory_boto3s_own_session_is_used(bedrock, monkeypatch):
    for name, value in bedrock.environment.items():
        monkeypatch.setenv(name, value)
    assert UnifiedModelManager(regions=[EAST]).resolve("Acme One").model_id == "acme.one-v1:0"


def test_without_credentials_an_unknown_name_is_rejected_with_the_reason():
    with pytest.raises(ConfigurationError, match=r"Similar names: .*Nova Micro.*credentials"):
        UnifiedModelManager(regions=[EAST]).resolve("Nova Mikro")


def test_dynamodb_as_the_store_of_a_manager(clients, aws_credentials):
    import boto3

    from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore

    # What is on loopback is not moto's business.
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        client = boto3.client("dynamodb", region_name=EAST)
        client.create_table(
            TableName="table",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        store = DynamoDBStore("table", client=client)
        UnifiedModelManager(regions=[EAST, PARIS], store=store, client_factory=clients).refresh_unified_data()
        warm = UnifiedModelManager(regions=[EAST, PARIS], store=store, ask_api=False)
        assert warm.get_model_access_info("Acme Routed", PARIS)["access_methods"] == [
            "geographic_profile",
            "global_profile",
        ]
        client.close()


def quota_of(manager, region=EAST):
    return manager.ensure_data_available().region(region).quota(ONE.model_id, "on_demand")


def test_a_refresh_learns_the_quotas_too_and_stores_them(bedrock, clients):
    bedrock.set_quota(tokens_per_minute=4_000, region=EAST)
    store = MemoryStore()
    manager = UnifiedModelManager(regions=[EAST, WEST], client_factory=clients, store=store)
    manager.refresh_unified_data()
    assert quota_of(manager) == AccessQuota(4_000, None)
    assert quota_of(manager, WEST) is None
    assert store.load(EAST).quota(ONE.model_id, "on_demand") == AccessQuota(4_000, None)


@pytest.mark.parametrize(
    ("error", "level"), [("AccessDeniedException", "INFO"), ("ValidationException", "WARNING")]
)
def test_a_refresh_without_access_to_quotas_is_no_error(bedrock, clients, caplog, error, level):
    caplog.set_level("INFO")
    bedrock.add_fault(Fault(operation="ListServiceQuotas", error=error))
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients)
    assert manager.refresh_unified_data().errors == {}
    assert quota_of(manager) is None
    (record,) = [record for record in caplog.records if "quotas" in record.message]
    assert record.levelname == level


def test_a_look_up_does_not_list_quotas_and_keeps_those_that_are_known(bedrock, clients, monkeypatch):
    bedrock.set_quota(tokens_per_minute=4_000)
    store = MemoryStore()
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients, store=store)
    manager.refresh_unified_data()
    monkeypatch.setattr(layers, "LOOK_UP_INTERVAL_SECONDS", 0.0)
    bedrock.reset()
    manager = UnifiedModelManager(regions=[EAST], client_factory=clients, store=store)
    manager.refresh_catalog()
    assert {call.operation for call in bedrock.calls} == {"ListFoundationModels", "ListInferenceProfiles"}
    assert quota_of(manager) == AccessQuota(4_000, None)
    assert store.load(EAST).quota(ONE.model_id, "on_demand") == AccessQuota(4_000, None)
    assert store.load(EAST).version == manager.ensure_data_available().region(EAST).version
