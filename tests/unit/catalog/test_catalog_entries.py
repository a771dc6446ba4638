"""The catalog and its JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.catalog.catalog_entries import (
    AccessMethod,
    AccessQuota,
    Catalog,
    ModelAccess,
    ModelEntry,
    RegionCatalog,
    order_profiles,
)

words = st.text(min_size=1, max_size=20)
modalities = st.lists(words, max_size=3).map(tuple)
entries = st.builds(
    ModelEntry,
    model_id=words,
    model_name=words,
    provider=words,
    input_modalities=modalities,
    output_modalities=modalities,
    streaming=st.booleans(),
    lifecycle=words,
    on_demand=st.booleans(),
    profiles=modalities,
)
amounts = st.none() | st.floats(min_value=1, max_value=1e12)
quotas = st.none() | st.dictionaries(
    words,
    st.dictionaries(st.sampled_from(list(map(str, AccessMethod))), st.builds(AccessQuota, amounts, amounts)),
)
moments = st.none() | st.datetimes(timezones=st.just(UTC))


def test_targets_are_ordered_on_demand_geographic_global():
    profiles = order_profiles(["global.acme.one", "us.acme.one", "apac.acme.one"])
    entry = ModelEntry("acme.one", "One", "Acme", on_demand=True, profiles=profiles)
    assert [
        (target.access_method, target.invoke_id, target.inference_profile_id) for target in entry.access("r")
    ] == [
        ("on_demand", "acme.one", None),
        ("geographic_profile", "apac.acme.one", "apac.acme.one"),
        ("geographic_profile", "us.acme.one", "us.acme.one"),
        ("global_profile", "global.acme.one", "global.acme.one"),
    ]


def test_an_unknown_profile_prefix_is_a_geography():
    assert AccessMethod.from_profile("atlantis.acme.one") is AccessMethod.GEOGRAPHIC_PROFILE
    assert AccessMethod.from_profile("globalish.acme.one") is AccessMethod.GEOGRAPHIC_PROFILE


@given(
    region=words,
    models=st.lists(entries, unique_by=lambda entry: entry.model_id),
    moment=moments,
    known=quotas,
)
def test_a_region_survives_a_json_round_trip(region, models, moment, known):
    offered = RegionCatalog(region, {entry.model_id: entry for entry in models}, moment, known)
    assert RegionCatalog.from_json(offered.to_json()) == offered


def test_what_a_version_without_quotas_wrote_is_read_and_it_reads_what_this_version_writes():
    data = json.loads(RegionCatalog("r", {}).to_json())
    assert data.keys() == {"format", "region", "refreshed_at", "models"}
    assert RegionCatalog.from_json(json.dumps(data)).quotas is None
    with_quotas = RegionCatalog("r", {}, quotas={"acme.one": {"on_demand": AccessQuota(5.0, None)}})
    written = json.loads(with_quotas.to_json())
    assert written.pop("quotas") == {"acme.one": {"on_demand": [5.0, None]}}
    assert written == data


def test_quotas_stay_what_they_were_when_a_region_comes_without(make_region):
    quotas = {"acme.one": {"on_demand": AccessQuota(5.0, None)}}
    known = replace(make_region("us-east-1", "acme.one"), quotas=quotas)
    catalog = Catalog({}).merge([known]).merge([make_region("us-east-1", "acme.one", "acme.two", hour=1)])
    assert catalog.region("us-east-1").quota("acme.one", "on_demand") == AccessQuota(5.0, None)
    assert catalog.region("us-east-1").quota("acme.one", "global_profile") is None
    assert catalog.region("us-east-1").quota("acme.two", None) is None
    withdrawn = replace(make_region("us-east-1", "acme.one", hour=2), quotas={})
    assert catalog.merge([withdrawn]).region("us-east-1").quotas == {}


def test_a_time_in_another_time_zone_is_converted_to_utc():
    local = datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2)))
    read = RegionCatalog.from_json(RegionCatalog("r", {}, local).to_json())
    assert read.refreshed_at == local
    assert read.refreshed_at is not None
    assert read.refreshed_at.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "region": "r", "models": [{}]}',
        "\x00",
        "7",
        "[" * 100_000,
    ],
)
def test_an_invalid_region_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"not a region's catalog|is not 1|Expecting|JSON"):
        RegionCatalog.from_json(text)


@pytest.mark.parametrize("field", ["format", "region", "refreshed_at", "models"])
def test_a_region_without_a_required_field_is_rejected(field, make_region):
    data = json.loads(make_region("r", "acme.one").to_json())
    del data[field]
    with pytest.raises(ValueError, match="not a region's catalog"):
        RegionCatalog.from_json(json.dumps(data))


def test_a_newer_region_replaces_the_whole_region_and_no_other(make_region):
    base = {"r1": make_region("r1", "acme.old", "acme.gone"), "r2": make_region("r2", "acme.old")}
    catalog = Catalog(base).merge([make_region("r1", "acme.new", hour=1)])
    assert catalog.regions_of("acme.new") == ("r1",)
    assert catalog.regions_of("acme.old") == ("r2",)
    assert catalog.access("acme.gone", "r1") == ()
    assert set(catalog.models) == {"acme.new", "acme.old"}


def test_merging_does_not_change_the_catalog(make_region):
    before = Catalog({"r1": make_region("r1", "acme.old")})
    after = before.merge([make_region("r1", "acme.new"), make_region("r9", "acme.new")])
    assert before.region_names == ("r1",)
    assert before.access("acme.old", "r1")
    assert after.region_names == ("r1", "r9")


def test_an_older_version_does_not_replace_a_newer_one(make_region):
    catalog = Catalog({}).merge([make_region("r", "acme.new", hour=5)])
    assert catalog.merge([make_region("r", "acme.old", hour=4)]).regions_of("acme.new") == ("r",)


def test_access_returns_model_region_and_id_to_invoke(make_region):
    catalog = Catalog({"r": make_region("r", "acme.one", names={"acme.one": "One"})})
    assert catalog.access("acme.one", "r") == (
        ModelAccess("acme.one", "One", "r", AccessMethod.ON_DEMAND, "acme.one", None),
    )
    assert catalog.access("acme.one", "elsewhere") == ()
    assert catalog.access("acme.two", "r") == ()
