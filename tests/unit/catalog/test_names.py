"""NameResolver: names resolve to their model and to no other."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.model_table import aliases, known_names
from llmmanager.bedrock.catalog.names import NameResolver, UnknownNameError
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

RESOLVER = NameResolver(Catalog(load_snapshot()))
NAMES = {name: id_ for id_, name in known_names().items()}
IDS = sorted(set(known_names()) | load_snapshot().model_ids)
PROFILES = sorted(RESOLVER.catalog.profile_ids())
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"

spellings = st.sampled_from(sorted({**NAMES, **{id_: id_ for id_ in IDS}, **aliases()}.items()))


def model_id_of(name):
    return RESOLVER.resolve(name).model_id


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_display_name_resolves_to_its_model(name):
    resolved = RESOLVER.resolve(name)
    assert (resolved.model_id, resolved.model_name) == (NAMES[name], name)
    assert (resolved.pinned_invoke_id, resolved.region, resolved.known, resolved.warnings) == (
        None,
        None,
        True,
        (),
    )


def test_every_model_id_resolves_to_itself():
    assert {id_: model_id_of(id_) for id_ in IDS} == {id_: id_ for id_ in IDS}


def test_every_profile_id_is_pinned():
    for profile in PROFILES:
        resolved = RESOLVER.resolve(profile)
        assert (resolved.pinned_invoke_id, resolved.warnings) == (profile, ())
        assert resolved.model_id == profile.partition(".")[2]


@given(spelling=spellings, data=st.data())
def test_case_spaces_and_dashes_are_ignored(spelling, data):
    name, model_id = spelling
    separators = st.sampled_from([" ", "-", "_", ".", "  ", " - ", "\u00a0", "\u2013"])
    varied = "".join(
        data.draw(separators)
        if re.fullmatch(r"[\s.:_-]", char)
        else data.draw(st.sampled_from([char.upper(), char.lower()]))
        for char in name
    )
    padding = data.draw(st.sampled_from(["", " ", "\t", "\n"]))
    assert model_id_of(padding + varied + padding) == model_id


@given(spelling=spellings)
def test_separators_next_to_a_letter_are_optional(spelling):
    name, model_id = spelling
    assert model_id_of(re.sub(r"(?<=[^\W\d])[\s.:_-]|[\s.:_-](?=[^\W\d])", "", name)) == model_id


@given(spelling=spellings, data=st.data())
def test_a_name_with_a_different_digit_does_not_resolve_to_the_same_model(spelling, data):
    name, model_id = spelling
    digits = [index for index, char in enumerate(name) if char.isdigit()]
    assume(digits)
    index = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != name[index]]))
    changed = name[:index] + other + name[index + 1 :]
    try:
        resolved = RESOLVER.resolve(changed)
    except ConfigurationError:
        return
    assert not resolved.known or resolved.model_id != model_id


@given(spelling=spellings, data=st.data())
def test_a_truncated_name_does_not_resolve_to_a_model_with_more_digits(spelling, data):
    name, _ = spelling
    cut = name[: data.draw(st.integers(1, len(name)))]
    try:
        resolved = RESOLVER.resolve(cut)
    except ConfigurationError:
        return
    if resolved.known:
        own = known_names().get(resolved.model_id, "") + resolved.model_id
        own += "".join(alias for alias, id_ in aliases().items() if id_ == resolved.model_id)
        assert set(re.findall(r"\d+", cut)) <= set(re.findall(r"\d+", own))


@given(name=st.text(max_size=60))
def test_any_text_is_resolved_or_rejected(name):
    try:
        resolved = RESOLVER.resolve(name)
    except ConfigurationError:
        return
    assert resolved.requested == name


def test_no_two_models_share_a_spelling():
    owners: dict[str, set[str]] = {}
    for text, id_ in [*NAMES.items(), *aliases().items(), *((id_, id_) for id_ in IDS)]:
        owners.setdefault(model_id_of(text), set()).add(id_)
    assert {id_: ids for id_, ids in owners.items() if ids != {id_}} == {}


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("claude-3-5-sonnet", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("Anthropic Claude 3.5 Sonnet", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("claude-3-5-sonnet-v2", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("claude-3-haiku-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("Claude4.5Haiku", HAIKU),
        ("claude-haiku-4-5", HAIKU),
        ("anthropic.claude-haiku-4-5-v1", HAIKU),
        ("anthropic.claude-haiku-4-5-20251001", HAIKU),
        ("amazon nova micro", "amazon.nova-micro-v1:0"),
        ("nova-lite-v1", "amazon.nova-lite-v1:0"),
        ("Llama 3.1 8B", "meta.llama3-1-8b-instruct-v1:0"),
        ("Command R+", "cohere.command-r-plus-v1:0"),
        ("command r plus", "cohere.command-r-plus-v1:0"),
        ("Command R", "cohere.command-r-v1:0"),
        ("\uff2eova Pro", "amazon.nova-pro-v1:0"),
        ("openai.gpt-oss-120b", "openai.gpt-oss-120b-1:0"),
    ],
)
def test_common_spellings_are_resolved(name, model_id):
    assert model_id_of(name) == model_id


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("Claude 3.9 Sonnet", "Claude 3.5 Sonnet"),
        ("Claude Opus 48", "Claude Opus 4.8"),
        ("Claude", "Claude"),
        ("Claude 3", "Claude 3 Opus"),
        ("Claude Opus", "Claude Opus 4"),
        ("Nova", "Nova Pro"),
        ("Nova Mikro", "Nova Micro"),
        ("Llama 31 8B Instruct", "Llama 3.1 8B Instruct"),
        ("gpt-5.9", "GPT-5.5"),
    ],
)
def test_a_similar_name_is_rejected_with_suggestions(name, suggestion):
    with pytest.raises(UnknownNameError, match=re.escape(suggestion)) as caught:
        RESOLVER.resolve(name)
    assert caught.value.invalid_config == {"models": name}


@pytest.mark.parametrize("name", [None, 7, b"Nova Micro", ["Nova Micro"], "", "   ", "\n", "x" * 2049])
def test_an_invalid_name_is_rejected(name):
    with pytest.raises(ConfigurationError, match="models"):
        RESOLVER.resolve(name)


def test_an_unknown_profile_is_pinned_with_a_warning():
    resolved = RESOLVER.resolve(f"atlantis.{HAIKU}")
    assert (resolved.model_id, resolved.pinned_invoke_id) == (HAIKU, f"atlantis.{HAIKU}")
    assert "not the profile" in resolved.warnings[0]


@pytest.mark.parametrize("profile", [f"US.{HAIKU.upper()}", "us anthropic claude haiku 4 5 20251001 v1 0"])
def test_a_profile_id_is_resolved_in_other_spellings(profile):
    assert RESOLVER.resolve(profile).pinned_invoke_id == f"us.{HAIKU}"


def test_the_arn_of_an_unknown_model_is_passed_through_as_its_id():
    resolved = RESOLVER.resolve("arn:aws:bedrock:us-east-1::foundation-model/acme.nine-v1:0")
    assert (resolved.model_id, resolved.pinned_invoke_id, resolved.known) == ("acme.nine-v1:0",) * 2 + (
        False,
    )


@pytest.mark.parametrize(
    ("arn", "model_id", "pinned"),
    [
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", None),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
            None,
        ),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}", HAIKU, f"us.{HAIKU}"),
    ],
)
def test_the_arn_of_a_known_model_or_profile_is_resolved(arn, model_id, pinned):
    resolved = RESOLVER.resolve(arn)
    assert (resolved.model_id, resolved.pinned_invoke_id, resolved.known) == (model_id, pinned, True)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3",
        "arn:aws:bedrock:us-west-2:123456789012:provisioned-model/a1b2c3",
        "arn:aws:bedrock:us-west-2:123456789012:prompt/ABCDEFGHIJ:1",
        "arn:aws:bedrock:us-west-2:123456789012:default-prompt-router/anthropic.claude:1",
        "arn:aws:sagemaker:us-west-2:123456789012:endpoint/mine",
        "arn:aws:bedrock:us-west-2:123456789012:inference-profile/us.acme.unheard-of",
    ],
)
def test_an_unknown_arn_is_passed_through_for_its_region(arn):
    resolved = RESOLVER.resolve(arn)
    assert (resolved.model_id, resolved.pinned_invoke_id, resolved.region) == (arn, arn, "us-west-2")
    assert not resolved.known
    assert "does not contain" in resolved.warnings[0]


@pytest.mark.parametrize(
    "model_id",
    [
        "anthropic.claude-nine-v1:0",
        "us.anthropic.claude-nine-v1:0",
        "us-gov.acme.one",
        "amazon.titan-embed-text-v2:0",
        "acme.new-model-v1:0:48k",
    ],
)
def test_an_unknown_id_is_passed_through_with_a_warning(model_id):
    resolved = RESOLVER.resolve(model_id)
    assert (resolved.model_id, resolved.pinned_invoke_id, resolved.known) == (model_id, model_id, False)
    assert model_id in resolved.warnings[0]


def test_variants_that_share_a_name_resolve_to_the_base_model(make_region):
    names = dict.fromkeys(["acme.one-v1:0", "acme.one-v1:0:48k", "acme.one-v1:0:200k"], "One")
    resolver = NameResolver(Catalog({"r": make_region("r", *names, names=names)}))
    assert resolver.resolve("one").model_id == "acme.one-v1:0"
    assert resolver.resolve("acme.one-v1:0:48k").model_id == "acme.one-v1:0:48k"


def test_an_ambiguous_name_is_rejected_with_the_ids_of_its_models(make_region):
    names = dict.fromkeys(["acme.one", "zeta.one"], "One")
    resolver = NameResolver(Catalog({"r": make_region("r", *names, names=names)}))
    with pytest.raises(ConfigurationError, match=r"several models.*acme\.one, zeta\.one"):
        resolver.resolve("One")
    assert resolver.resolve("acme.one").model_id == "acme.one"


def test_an_id_without_its_version_is_rejected_if_two_versions_match(make_region):
    resolver = NameResolver(Catalog({"r": make_region("r", "acme.two-v1:0", "acme.two-v2:0")}))
    with pytest.raises(ConfigurationError, match="several models"):
        resolver.resolve("acme.two")


def test_a_model_that_only_bedrock_lists_has_the_name_from_bedrock(make_region):
    listed = make_region("r", "acme.nine-v1:0", names={"acme.nine-v1:0": "Acme Nine"})
    resolver = NameResolver(Catalog({"r": make_region("r", "acme.nine-v1:0")}, {"r": listed}))
    for name in ("Acme Nine", "acme nine", "nine", "acme.nine-v1:0"):
        assert resolver.resolve(name).model_name == "Acme Nine"


def test_a_model_without_a_display_name_is_named_by_its_id(make_region):
    resolver = NameResolver(Catalog({"r": make_region("r", "acme.nine-2-v1:0")}))
    assert resolver.resolve("Nine 2").model_name == "acme.nine-2-v1:0"


def test_the_opus_models_are_distinguished():
    names = ["Claude 3 Opus", "Claude Opus 4", "Claude Opus 4.8", "Claude 4.1 Opus", "Claude Opus 5"]
    assert len({model_id_of(name) for name in names}) == len(names)


def test_find_returns_no_id_for_an_unknown_or_ambiguous_name(make_region):
    names = {"acme.one": "One", "zeta.one": "One", "acme.two": "Two"}
    resolver = NameResolver(Catalog({"r": make_region("r", *names, names=names)}))
    assert [resolver.find(name) for name in ("Two", "One", "Three")] == ["acme.two", None, None]
