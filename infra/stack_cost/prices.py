"""List prices of AWS services in us-east-1 from November 2026 in USD, without taxes and free tiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# On ARM.
GB_SECOND_USD: Final = 1.33334e-05
INVOCATION_USD: Final = 0.20 / 1_000_000
TRANSITION_USD: Final = 0.025 / 1_000
S3_PUT_USD: Final = 0.005 / 1_000
S3_GET_USD: Final = 0.0004 / 1_000
S3_GB_MONTH_USD: Final = 0.023
READ_UNIT_USD: Final = 0.125 / 1_000_000
WRITE_UNIT_USD: Final = 0.625 / 1_000_000
# REST APIs, of the first 333 million requests in a month.
API_REQUEST_USD: Final = 3.50 / 1_000_000
SQS_REQUEST_USD: Final = 0.40 / 1_000_000
SCHEDULE_START_USD: Final = 1.00 / 1_000_000
LOG_GB_USD: Final = 0.50
METRIC_MONTH_USD: Final = 0.30

HOURS_PER_MONTH: Final = 730


@dataclass(frozen=True)
class CostLine:
    """One line of an estimate.

    Attributes:
        what: what is counted, such as "state transitions".
        usd: cost of all of them in USD.
    """

    service: str
    what: str
    count: float
    usd: float


def cost_line(service: str, what: str, count: float, price: float) -> CostLine:
    """Return a line with the cost of `count` times `price`."""
    return CostLine(service, what, count, count * price)
