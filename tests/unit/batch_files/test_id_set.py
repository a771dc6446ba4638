"""A set of ids in a fixed amount of memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.batch_files.id_set import IdSet


@given(st.lists(st.text(max_size=5)))
def test_an_id_is_new_once(ids):
    seen, really_seen = IdSet(first_slots=4), set()

    for id_ in ids:
        assert seen.add(id_) is (id_ not in really_seen)
        really_seen.add(id_)


def test_ids_are_found_in_any_number_of_tables():
    seen = IdSet(first_slots=2)

    assert all(seen.add(f"id-{number}") for number in range(10_000))
    assert not any(seen.add(f"id-{number}") for number in range(10_000))


def test_an_id_may_have_a_lone_surrogate():
    seen = IdSet()

    assert (seen.add("\ud800"), seen.add("\ud800")) == (True, False)
