"""The usage of an invocation in the metadata of a result file."""

from __future__ import annotations

from lambdas.usage.caller import Caller
from lambdas.usage.invocation_usage import InvocationUsage, read_usage_metadata, usage_metadata
from lambdas.usage.usage_counts import UsageCounts, UsageKey


def rows(count: int) -> dict[UsageKey, UsageCounts]:
    return {
        UsageKey(day="2026-12-01", team="Süd", caller="ada ☕", key_id="", model=f"model-{n}"): UsageCounts(
            requests=n, unconfirmed_cost=10**12
        )
        for n in range(count)
    }


def test_usage_is_read_as_it_was_written_in_ascii() -> None:
    metadata = usage_metadata(Caller("ada ☕", "Süd"), "i", rows(3))

    assert all(text.isascii() for text in metadata.values())
    assert read_usage_metadata(metadata) == InvocationUsage("i", rows(3))


def test_a_file_of_an_earlier_version_or_with_too_many_rows_has_no_usage() -> None:
    assert usage_metadata(Caller("ada"), "i", rows(100)) == {}
    assert read_usage_metadata({}) is None
