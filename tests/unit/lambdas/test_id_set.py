"""A set of ids in bounded memory behaves as a set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdas.batch.id_set import IdSet


@given(st.lists(st.text(max_size=5)))
def test_an_id_is_new_once(ids):
    seen, really_seen = IdSet(first_slots=4), set()

    for id_ in ids:
        assert seen.add(id_) is (id_ not in really_seen)
        really_seen.add(id_)


def test_ids_are_remembered_over_any_number_of_tables():
    seen = IdSet(first_slots=2)

    assert all(seen.add(f"id-{number}") for number in range(10_000))
    assert not any(seen.add(f"id-{number}") for number in range(10_000))


def test_an_id_that_utf_8_cannot_hold_is_one_too():
    seen = IdSet()

    assert (seen.add("\ud800"), seen.add("\ud800")) == (True, False)
