"""Nano-dollars are exact for prices, and never below what was paid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.usage.money import dollars, nano_dollars


@pytest.mark.parametrize(
    ("usd", "nano"),
    [(0.0, 0), (1e-9, 1), (1.1e-9, 2), (0.1 + 0.2, 300_000_000), (96 * 0.24 / 1e6, 23_040), (5, 5 * 10**9)],
)
def test_usd_is_rounded_up_without_errors_of_floating_point(usd: float, nano: int) -> None:
    assert nano_dollars(usd) == nano


@given(st.integers(0, 10**13))
def test_nano_dollars_survive_the_form_of_apis(nano: int) -> None:
    assert nano_dollars(dollars(nano)) == nano
