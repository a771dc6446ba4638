"""Prices of AWS services in USD: list prices in us-east-1 from 2026-11-22, without taxes and free tiers."""

from __future__ import annotations

from typing import Final

TRANSITION_USD: Final = 0.025 / 1_000
# On ARM.
GB_SECOND_USD: Final = 1.33334e-05
INVOCATION_USD: Final = 0.20 / 1_000_000
S3_PUT_USD: Final = 0.005 / 1_000
S3_GET_USD: Final = 0.0004 / 1_000
S3_GB_MONTH_USD: Final = 0.023
READ_UNIT_USD: Final = 0.125 / 1_000_000
# The price of a token with Bedrock batch inference, as a share of the price on demand.
BATCH_INFERENCE_SHARE: Final = 0.5
