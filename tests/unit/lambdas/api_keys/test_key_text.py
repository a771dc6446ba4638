"""The text of API keys."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.api_keys.key_text import KEY_ID, new_key, new_key_id, parse_key

ID = "a1b2c3d4e5f6g7h8"
SECRET = "Aa0" * 14 + "Z"


def test_a_new_key_has_its_id_and_a_secret_of_256_bits() -> None:
    key = new_key(ID)

    prefix, id_, secret = key.text.split("-")
    assert (prefix, id_) == ("sk", ID)
    assert re.fullmatch(r"[A-Za-z0-9]+", secret)
    assert 62 ** len(secret) >= 2**256


def test_keys_and_ids_differ() -> None:
    assert len({new_key_id() for _ in range(100)}) == 100
    assert len({new_key(ID).text for _ in range(100)}) == 100


def test_a_new_key_is_well_formed() -> None:
    key = new_key(new_key_id())

    assert KEY_ID.fullmatch(key.id)
    assert parse_key(key.text) == key


def test_the_digest_is_the_sha_256_of_the_whole_text() -> None:
    key = new_key(ID)

    assert key.digest == hashlib.sha256(key.text.encode()).hexdigest()
    assert key.has_digest(key.digest)
    assert not key.has_digest(new_key(ID).digest)
    assert not key.has_digest("")
    assert not key.has_digest("ü")


def test_repr_leaves_out_the_secret() -> None:
    key = new_key(ID)

    assert key.text.rpartition("-")[2] not in f"{key!r} {key}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-",
        f"sk-{ID}",
        f"sk-{ID}-",
        f"sk-{ID}-{SECRET[1:]}",
        f"sk-{ID}-{SECRET}x",
        f"sk-{ID}-{SECRET}\n",
        f" sk-{ID}-{SECRET}",
        f"SK-{ID}-{SECRET}",
        f"sk-{ID.upper()}-{SECRET}",
        f"sk-{ID}-{SECRET[:-1]}é",
        f"sk-{ID}-{SECRET[:-1]}٣",
    ],
)
def test_a_malformed_text_is_no_key(text: str) -> None:
    assert parse_key(text) is None


@given(st.text())
@example(f"sk-{ID}-{SECRET}")
def test_any_text_is_a_key_of_this_form_or_none(text: str) -> None:
    key = parse_key(text)

    assert key is None or re.fullmatch(r"sk-[a-z0-9]{16}-[A-Za-z0-9]{43}", text, re.ASCII)
    assert key is None or key.text == text
